package clients

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// demanded is what a program in mode demand has to print for each case: what it does
// with the client's less common settings and calls, on a topic of three partitions that
// takes batches of 12 MiB, and a second one whose name begins with the first's.
var demanded = map[string]string{
	// 10 MiB that do not compress, under raised limits: how many came back, and the same?
	"large record": "1 true",
	// 100 records a second apart: the offset at 50.5 s, and the number of the record there
	"seek by time": "51 51",
	// records that came while the partition was paused, and after
	"pause and resume": "0 100",
	// the offset and the metadata that another consumer of the group finds
	"manual commit": "42 note",
	// a record that comes while a fetch waits for two minutes
	"long poll": "1",
	// the topics, without what they have in common
	"regex subscription": "[, -more]",
	// what a member gives up when a second one comes to share three partitions with it
	"cooperative members": "1",
	// a member that leaves and comes back by its name: to the same partitions, and what the
	// other one hears of it
	"static members": "true 0",
}

// TestDemands runs the clients' programs in mode demand.
func TestDemands(t *testing.T) {
	for _, c := range clients {
		if c.slow && !*acceptance {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.command = c.install(t)
			overStorages(t, c.everywhere, c.demand)
		})
	}
}

func (c client) demand(t *testing.T, over storage) {
	result := recordResult(t, c, demands, over)
	s := &scenario{client: c, topic: c.name + "-topic", group: c.name + "-group"}
	s.broker = peers.Start(t, options(t, over))
	prepareDemand(t, s.broker.Addr(), s.topic, s.group)
	program := s.start(t, "demand", s.group)
	program.finishWithin(t, 2*patience)
	cases := map[string]bool{}
	for _, e := range program.snapshot() {
		if e.Event != "case" {
			continue
		}
		t.Log(e) // with its time: what a slow case waits for is a question
		cases[e.Case] = true
		want, ok := c.differs[e.Case]
		if !ok {
			want = demanded[e.Case]
		}
		if e.Value == nil || *e.Value != want {
			t.Errorf("%s: got %q, want %q", e.Case, show(e.Value), want)
		}
	}
	for name := range demanded {
		if lacking := c.lacks[name] != ""; lacking == cases[name] {
			t.Errorf("%s: done: %v, said to be lacking: %v", name, cases[name], lacking)
		}
	}
	result.Did = slices.Sorted(maps.Keys(cases))
}

// prepareDemand makes the topics, with a record in the second.
func prepareDemand(t *testing.T, addr, topic, group string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, admin := peers.Context(t, patience), kadm.NewClient(cl)
	// Some records are of the year 2001, and either broker looks at retention within a minute of its start.
	limit, forever := "12582912", "-1"
	config := map[string]*string{"max.message.bytes": &limit, "retention.ms": &forever}
	for topic, partitions := range map[string]int32{topic: 3, topic + "-more": 1} {
		if _, err := admin.CreateTopic(ctx, partitions, 1, config, topic); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic + "-more", Value: []byte("more")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	// Apache Kafka makes the topic of the coordinators when the first group asks, and answers
	// NOT_COORDINATOR until it is there. Not every library tries a commit again after that.
	for {
		_, err := admin.FetchOffsets(ctx, group+"-manual")
		if err == nil {
			return
		}
		if !kerr.IsRetriable(err) {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
