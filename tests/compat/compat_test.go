package compat

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	record = flag.Bool("record", false, "ask Apache Kafka and write down its answers under testdata")
	fresh  = flag.Bool("fresh", false, "ask Apache Kafka and fail where the answers under testdata are others")
	update = flag.Bool("update", false, "write the list of differences in docs/compatibility.md anew")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// settings make both brokers quick to answer; none of them changes an answer that is
// compared.
var settings = map[string]string{
	"group.initial.rebalance.delay.ms": "0",
}

// suite is a row of cases that one broker of its own answers in order.
type suite struct {
	name     string
	settings map[string]string
	cases    []testCase
}

// fewest is how many cases there are at least: a suite that lost its cases proves
// nothing.
const fewest = 4800

// TestAnswers asks a fresh broker each suite and compares with what Kafka answered.
func TestAnswers(t *testing.T) {
	var total tally
	for i := range suites {
		t.Run(suites[i].name, func(t *testing.T) { total.add(ask(t, &suites[i])) })
	}
	t.Log("all: " + total.String())
	all := flag.Lookup("test.run").Value.String() == ""
	if all && total.cases+total.skipped < fewest {
		t.Errorf("%d cases, want at least %d", total.cases+total.skipped, fewest)
	}
	if all && !t.Failed() && !*record && !*fresh {
		checkCodes(t, total.produced, total.recorded)
		checkCoverage(t, total.asked)
	}
}

// tally counts what a run compared.
type tally struct {
	suite                                     string
	cases, skipped, requests, compared, known int
	ignored                                   map[string]int
	// produced are the cases that answered with a code, here and, as recorded, in Kafka: by
	// API key, then code.
	produced, recorded map[int16]map[int16]map[string]bool
	asked              map[int16]*coverage
}

func (t *tally) add(o tally) {
	t.cases, t.skipped, t.requests = t.cases+o.cases, t.skipped+o.skipped, t.requests+o.requests
	t.compared, t.known = t.compared+o.compared, t.known+o.known
	if t.ignored == nil {
		t.ignored = make(map[string]int)
		t.produced, t.recorded = make(map[int16]map[int16]map[string]bool), make(map[int16]map[int16]map[string]bool)
		t.asked = make(map[int16]*coverage)
	}
	for key, c := range o.asked {
		if t.asked[key] == nil {
			t.asked[key] = newCoverage()
		}
		t.asked[key].add(o.suite, c)
	}
	for name, n := range o.ignored {
		t.ignored[name] += n
	}
	addCodes(t.produced, o.produced)
	addCodes(t.recorded, o.recorded)
}

func addCodes(into, more map[int16]map[int16]map[string]bool) {
	for key, codes := range more {
		for code, cases := range codes {
			for name := range cases {
				note(into, key, code, name)
			}
		}
	}
}

func (t *tally) String() string {
	text := fmt.Sprintf("%d cases, %d answers, %d fields compared, %d known differences, %d cases skipped because we do not serve their API",
		t.cases, t.requests, t.compared, t.known, t.skipped)
	for _, name := range slices.Sorted(maps.Keys(t.ignored)) {
		text += fmt.Sprintf(", %s ignored %d times", name, t.ignored[name])
	}
	return text
}

func ask(t *testing.T, s *suite) tally {
	kind := peers.StreamHouse
	if *record || *fresh {
		kind = peers.Kafka
	}
	all := maps.Clone(settings)
	maps.Copy(all, s.settings)
	w, err := newWorld(peers.Start(t, peers.Options{Kind: kind, Settings: all}))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	got := make(recording)
	for i := range s.cases {
		c := &s.cases[i]
		if _, twice := got[c.name]; twice {
			t.Fatalf("two cases are called %s", c.name)
		}
		if got[c.name], err = w.run(c); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	out := tally{suite: s.name, asked: w.asked, cases: len(s.cases) - w.skipped, skipped: w.skipped, requests: w.requests, compared: w.compared,
		ignored: w.ignored, produced: w.producedBy(s.name)}
	switch {
	case *record:
		if err := writeRecording(s, got); err != nil {
			t.Fatal(err)
		}
	case *fresh:
		stale(t, s, got)
	default:
		out.known, out.recorded = compare(t, s, w, got)
	}
	t.Log(out.String())
	return out
}

// compare reports each field that is not Kafka's and not known not to be.
func compare(t *testing.T, s *suite, w *world, ours recording) (knownFound int, recorded map[int16]map[int16]map[string]bool) {
	kafka, err := readRecording(s.name)
	if err != nil {
		t.Fatal(err)
	}
	found := differences(t, s, kafka, ours)
	unknown, unused, matched := match(s.name, found, func(name string) bool { return len(ours[name]) > 0 })
	for _, d := range unknown {
		t.Errorf("%s, version %s: %s: Kafka says %s, we say %s\n\t\t{%q, %q, %q, %q, %s, why},",
			d.name, d.versions, d.path, d.kafka, d.here, d.suite, d.name, d.versions, d.path, quote(d.here))
	}
	for _, k := range unused {
		t.Errorf("%s, version %s: %s: listed as a difference, which it is not (any more)", k.name, k.versions, k.path)
	}
	return matched, w.recordedBy(s.name, kafka)
}

// stale reports each answer of Kafka that is not the recorded one.
func stale(t *testing.T, s *suite, now recording) {
	kept, err := readRecording(s.name)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences(t, s, kept, now) {
		t.Errorf("stale: %s, version %s: %s: recorded %s, Kafka says %s", d.name, d.versions, d.path, d.kafka, d.here)
	}
	for name := range now {
		if a, b := lanesOf(kept[name]), lanesOf(now[name]); a != b {
			t.Errorf("stale: %s: recorded in %s, Kafka answers in %s", name, a, b)
		}
	}
}

func lanesOf(answers []answer) string {
	if len(answers) == 0 {
		return "none"
	}
	return span(answers[0].From, answers[len(answers)-1].To)
}

func differences(t *testing.T, s *suite, kafka, ours recording) (found []difference) {
	for name := range kafka {
		if _, ok := ours[name]; !ok {
			t.Errorf("%s: recorded, but no case", name)
		}
	}
	for i := range s.cases {
		c := &s.cases[i]
		if _, ok := kafka[c.name]; !ok && !c.start {
			t.Errorf("%s: not recorded", c.name)
		}
		for _, d := range diffCase(s.name, c.name, kafka[c.name], ours[c.name]) {
			if notBuilt(d.path) && d.here == absent {
				continue // docs/compatibility.md says what is not
			}
			found = append(found, d)
		}
	}
	return found
}

// notBuilt says whether a field stands for an API or a feature, which are not listed by a
// broker that does not have them.
func notBuilt(path string) bool {
	list, _, _ := strings.Cut(path, ".")
	return list == "ApiKeys" || list == "SupportedFeatures" || list == "FinalizedFeatures"
}

func quote(s string) string {
	if strings.Contains(s, "`") {
		return fmt.Sprintf("%q", s)
	}
	return "`" + s + "`"
}
