package ecosystem

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

// patience bounds every wait for something that a program does: a machine that is busy with
// other tests starts a Connect worker in a minute.
const patience = 4 * time.Minute

// compacted are the settings of every topic that a guest makes for itself.
var compacted = map[string]string{"min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "10000"}

func start(t *testing.T, settings map[string]string) *peers.Broker {
	t.Helper()
	all := map[string]string{
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "1000",
		"offsets.topic.num.partitions":     "4",
	}
	for name, value := range settings {
		all[name] = value
	}
	return peers.Start(t, peers.Options{Kind: peers.Kind(*kind), Settings: all})
}

// kill ends the broker with SIGKILL and starts it again.
func kill(t *testing.T, b *peers.Broker) {
	t.Helper()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
}

func admin(t *testing.T, b *peers.Broker) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

func makeTopic(t *testing.T, b *peers.Broker, name string, partitions int32, settings map[string]string) {
	t.Helper()
	config := make(map[string]*string, len(settings))
	for k, v := range settings {
		config[k] = &v
	}
	if _, err := admin(t, b).CreateTopic(peers.Context(t, patience), partitions, 1, config, name); err != nil {
		t.Fatal(err)
	}
}

// read reads a topic to its end.
func read(t *testing.T, b *peers.Broker, topic string, isolation topics.Isolation) []topics.Record {
	t.Helper()
	all, err := topics.ReadAll(peers.Context(t, patience), b.Addr(), topic, isolation)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// await waits until something is so; what says what is not.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// settled waits until our broker has compacted partitions often enough since it started last,
// while work keeps the guest at work, and holds the topics of a guest against what they were to
// be: compacted, and with the settings that have them compacted all the time.
func settled(t *testing.T, b *peers.Broker, times int, work func(), names ...string) {
	t.Helper()
	for _, name := range names {
		found, err := admin(t, b).DescribeTopicConfigs(peers.Context(t, patience), name)
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]string{}
		for _, c := range found[0].Configs {
			settings[c.Key] = c.MaybeValue()
		}
		policies := []string{"compact", "compact,delete", "delete,compact"}
		if !slices.Contains(policies, settings["cleanup.policy"]) || settings["max.compaction.lag.ms"] != "10000" {
			t.Errorf("%s: cleanup.policy=%s max.compaction.lag.ms=%s", name, settings["cleanup.policy"], settings["max.compaction.lag.ms"])
		}
	}
	if peers.Kind(*kind) != peers.StreamHouse {
		return
	}
	runs := compactions(t, b)
	await(t, strconv.Itoa(times)+" compactions", func() bool {
		work()
		runs = compactions(t, b)
		return runs >= times
	})
	t.Logf("%d compactions of partitions since the broker's last start", runs)
}

// compactions is how many runs over a partition our broker has made since it started.
func compactions(t *testing.T, b *peers.Broker) int {
	t.Helper()
	n, err := b.Metric(peers.Context(t, patience), "streamhouse_compactions_total")
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
