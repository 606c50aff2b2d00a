package tools

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	record = flag.Bool("record", false, "write what Apache Kafka leads to into the sessions")
	here   = flag.Bool("here", false, "write what this broker leads to into the sessions")
	race   = flag.Bool("race-broker", true, "build the broker with the race detector")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *record {
		*broker = string(peers.Kafka)
	}
	os.Exit(peers.Main(m))
}

// classes are the tools under the names of Kafka's bin folder.
var classes = map[string]string{
	"kafka-acls":                      "org.apache.kafka.tools.AclCommand",
	"kafka-broker-api-versions":       "org.apache.kafka.tools.BrokerApiVersionsCommand",
	"kafka-client-metrics":            "org.apache.kafka.tools.ClientMetricsCommand",
	"kafka-cluster":                   "org.apache.kafka.tools.ClusterTool",
	"kafka-configs":                   "kafka.admin.ConfigCommand",
	"kafka-console-consumer":          "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-console-producer":          "org.apache.kafka.tools.ConsoleProducer",
	"kafka-consumer-groups":           "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-consumer-perf-test":        "org.apache.kafka.tools.ConsumerPerformance",
	"kafka-delete-records":            "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-e2e-latency":               "org.apache.kafka.tools.EndToEndLatency",
	"kafka-features":                  "org.apache.kafka.tools.FeatureCommand",
	"kafka-get-offsets":               "org.apache.kafka.tools.GetOffsetShell",
	"kafka-groups":                    "org.apache.kafka.tools.GroupsCommand",
	"kafka-leader-election":           "org.apache.kafka.tools.LeaderElectionCommand",
	"kafka-log-dirs":                  "org.apache.kafka.tools.LogDirsCommand",
	"kafka-metadata-quorum":           "org.apache.kafka.tools.MetadataQuorumCommand",
	"kafka-producer-perf-test":        "org.apache.kafka.tools.ProducerPerformance",
	"kafka-reassign-partitions":       "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
	"kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
	"kafka-topics":                    "org.apache.kafka.tools.TopicCommand",
	"kafka-transactions":              "org.apache.kafka.tools.TransactionsCommand",
	"kafka-verifiable-consumer":       "org.apache.kafka.tools.VerifiableConsumer",
	"kafka-verifiable-producer":       "org.apache.kafka.tools.VerifiableProducer",
}

// TestSessions runs each session against a broker of its own.
func TestSessions(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.session")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	d := startDriver(t)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".session")
		t.Run(name, func(t *testing.T) {
			s, err := readSession(name, path)
			if err != nil {
				t.Fatal(err)
			}
			runSession(t, d, s)
			if *record || *here {
				if err := s.write(path); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// runSession carries out the steps and holds what they lead to against the session, or
// writes it there.
func runSession(t *testing.T, d *driver, s *session) {
	w := newWorld(t)
	for _, step := range s.steps {
		if step.verb == '@' {
			if err := w.direct(step); err != nil {
				t.Fatalf("%s.session:%d: @ %s: %v", s.name, step.line, step.words, err)
			}
			continue
		}
		began := time.Now()
		got, err := w.tool(d, step)
		if err != nil {
			t.Fatalf("%s.session:%d: %v", s.name, step.line, err)
		}
		t.Logf("%5d ms  %s", time.Since(began).Milliseconds(), step.words)
		step.judge(t, s.name, got)
	}
}

// judge compares what a step led to, or keeps it.
func (s *step) judge(t *testing.T, session string, got []string) {
	t.Helper()
	want := &s.here
	if peers.Kind(*broker) == peers.Kafka {
		want = &s.kafka
	}
	switch {
	case *record:
		if slices.Equal(s.kafka, s.here) {
			s.here = got
		}
		s.kafka = got
	case *here:
		s.here = got
		if slices.Equal(s.here, s.kafka) {
			s.why = ""
		} else {
			s.why = cmp.Or(s.why, missing)
		}
	case !slices.Equal(*want, got):
		t.Errorf("%s.session:%d: $ %s\nwanted -, got +; if it is meant, -here or -record writes it\n%s", session, s.line, s.words, strings.Join(diff(*want, got), "\n"))
	}
	if slices.Equal(s.kafka, s.here) != (s.why == "") || s.why == missing {
		t.Errorf("%s.session:%d: $ %s: a difference takes a reason, and a reason a difference\n%s",
			session, s.line, s.words, strings.Join(diff(s.kafka, s.here), "\n"))
	}
}

// missing stands where a reason has to be written.
const missing = "?"

// tool runs a step's command and returns its normalised lines.
func (w *world) tool(d *driver, s *step) ([]string, error) {
	if peers.Kind(*broker) == peers.Kafka {
		// What a request changed reaches the rest of Apache Kafka's threads soon, not at once.
		time.Sleep(150 * time.Millisecond)
	}
	line, sorted := strings.CutSuffix(s.words, " | sort")
	args := fields(w.expand(line))
	class, ok := classes[args[0]]
	if !ok {
		return nil, fmt.Errorf("no tool %q", args[0])
	}
	args = args[1:]
	if !strings.Contains(line, "$ADDR") {
		args = append(args, "--bootstrap-server", w.broker.Addr())
	}
	stdin := ""
	if len(s.stdin) > 0 {
		stdin = strings.Join(s.stdin, "\n") + "\n"
	}
	r, err := d.call(call{Class: class, Args: args, Stdin: stdin, Timeout: callBound.Milliseconds()})
	if err != nil {
		return nil, err
	}
	lines := normal(r.Lines)
	if sorted {
		slices.Sort(lines)
	}
	switch {
	case r.TimedOut:
		lines = append(lines, "[never ends]")
	case r.Exit != 0:
		lines = append(lines, fmt.Sprintf("[exit %d]", r.Exit))
	}
	return lines, nil
}

// without leaves out the arguments with a prefix.
func without(args []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, prefix) })
}
