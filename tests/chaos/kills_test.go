package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	kills  = flag.Int("kills", 300, "how often to kill the broker in all; the floors hold for 250 and more")
	seed   = flag.Uint64("seed", rand.Uint64(), "seed of the load and of the kills' times")
	keep   = flag.String("history", "", "folder that keeps the histories")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// Every acknowledged record is there once, in order, at its offset, whatever a kill -9
// interrupts; and committed offsets never go back.
func TestKills(t *testing.T) {
	t.Logf("seed %d (repeat with -seed; the kills' times vary with the machine)", *seed)
	storages := []struct {
		name    string
		share   int // of the kills, in percent
		options func(t *testing.T) peers.Options
	}{
		{"file journal", 55, func(t *testing.T) peers.Options { return peers.Options{Journal: "file"} }},
		{"object journal in a folder", 25, func(t *testing.T) peers.Options { return peers.Options{Journal: "object"} }},
		{"object journal in S3", 20, s3Options},
	}
	if peers.Kind(*broker) == peers.Kafka {
		storages = storages[:1]
	}
	var sum Verdict
	for _, s := range storages {
		t.Run(s.name, func(t *testing.T) {
			o := s.options(t)
			o.Kind, o.Dir = peers.Kind(*broker), peers.Folder(t)
			v := killRun(t, o, *kills*s.share/100)
			sum.Acknowledged += v.Acknowledged
			sum.Kills += v.Kills
		})
	}
	t.Logf("in all: %d records acknowledged over %d kills", sum.Acknowledged, sum.Kills)
	// A run that had nothing to lose proves nothing.
	if *kills >= 250 && (sum.Acknowledged < 100_000 || sum.Kills < 250) {
		t.Errorf("%d records acknowledged over %d kills: the floors are 100,000 and 250", sum.Acknowledged, sum.Kills)
	}
}

func s3Options(t *testing.T) peers.Options {
	t.Helper()
	gateway := s3gateway.Start(t, "chaos")
	return peers.Options{
		Journal: "object",
		Bucket:  fmt.Sprintf("s3://chaos/run?endpoint=%s&region=%s", gateway.Endpoint, s3gateway.Region),
		Env:     []string{"STREAMHOUSE_S3_ACCESS_KEY=" + s3gateway.AccessKey, "STREAMHOUSE_S3_SECRET_KEY=" + s3gateway.SecretKey},
	}
}

func killRun(t *testing.T, o peers.Options, kills int) Verdict {
	t.Helper()
	o.Settings = map[string]string{
		"group.initial.rebalance.delay.ms": "0",
		"offsets.topic.num.partitions":     "8",
	}
	if o.Kind == peers.StreamHouse {
		// Small volumes, sealed at once: kills hit every step of sealing too.
		o.Settings["journal.volume.bytes"] = "8388608"
		o.Settings["seal.max.age.ms"] = "1000"
		o.Settings["merge.wait.ms"] = "1000"
	}
	dir := filepath.Join(o.Dir, "history")
	if *keep != "" {
		dir = filepath.Join(*keep, t.Name())
	}
	began := time.Now()
	run := Run{Broker: peers.Prepare(t, o), Kills: kills, Seed: *seed, Dir: dir}
	if err := run.Do(peers.Context(t, 20*time.Minute)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	events, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	v := Check(events)
	for _, violation := range v.Violations {
		t.Error(violation)
	}
	t.Logf("%v: %d kills, %d acknowledged, %d unknown, %d stored, %d read on the way, %d commits, %d answers about commits",
		took.Round(time.Second), v.Kills, v.Acknowledged, v.Unknown, v.Stored, v.Reads, v.Commits, v.Asked)
	// An answer speaks of 12 partitions. Two starts of three serve for a while, and each
	// of those is asked; one in two kills is the floor.
	if v.Kills < kills || v.Acknowledged < 100*kills || v.Reads == 0 || v.Commits < 12*kills || v.Asked < 12*kills/2 {
		t.Errorf("the load was too thin to prove anything: %+v", v)
	}
	return v
}
