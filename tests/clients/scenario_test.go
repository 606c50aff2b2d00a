package clients

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

const (
	partitions = 6
	patience   = 90 * time.Second
)

// client is one of the small programs.
type client struct {
	name       string
	title      string // of the client, for the page
	version    string
	codecs     []string                     // what it can compress with
	everywhere bool                         // over every storage in the ordinary test too
	slow       bool                         // takes minutes: only in acceptance
	install    func(t *testing.T) commandOf // or fails the test with the reason
	command    commandOf
	// lacks: the cases of demanded that the library has nothing for, and why.
	lacks map[string]string
	// differs: what the library gives in a case of demanded, with any broker.
	differs map[string]string
	// rereads: where a fetch ends in a batch without records it begins again at the first, of
	// any broker.
	rereads bool
	// stuck: it asks for ever for what such a fetch ends in, where it is all of it and more
	// lies behind: with Apache Kafka, whose fetches end with a segment.
	stuck bool
	// makesNoTopics: it has no such call, and the runner makes the topic.
	makesNoTopics bool
	content       func(n int) (key, value *string) // of its records; content if nil
}

// produceCommand is a line for a producing program.
type produceCommand struct {
	Codec string `json:"codec"`
	First int    `json:"first"`
	Count int    `json:"count"`
	Pace  int    `json:"pace_ms"`
}

// scenario is one client's run against one broker.
type scenario struct {
	client
	broker   *peers.Broker
	topic    string
	group    string
	producer *program
	members  []*program
	sent     int // records that the producer was told to send
	commands int
}

// run is the story that every client has to live through.
func (c client) run(t *testing.T) { overStorages(t, c.everywhere, c.story) }

func (c client) story(t *testing.T, over storage) {
	result := recordResult(t, c, story, over)
	s := &scenario{client: c, topic: c.name + "-topic", group: c.name + "-group"}
	s.broker = peers.Start(t, options(t, over))
	if c.makesNoTopics {
		makeTopic(t, s.broker.Addr(), s.topic)
	}
	s.start(t, "admin").finish(t)
	s.producer = s.start(t, "produce")

	first := s.join(t)
	for _, codec := range c.codecs {
		s.produce(t, codec, 200, 0)
	}
	s.waitForAll(t)

	second := s.join(t)
	s.waitForBalance(t, partitions/2, first, second)
	s.produce(t, c.codecs[0], 200, 0)
	s.waitForAll(t)

	s.produceAcross(t, s.broker.Stop)
	s.waitForAll(t)
	s.produceAcross(t, s.broker.Kill)
	s.waitForAll(t)

	second.finish(t)
	s.waitForBalance(t, partitions, first)
	s.produce(t, c.codecs[len(c.codecs)-1], 200, 0)
	s.waitForAll(t)
	first.finish(t)
	s.producer.finish(t)

	s.checkRecords(t)
	s.checkCommits(t)
	result.Did, result.Records = c.codecs, s.sent
}

func (s *scenario) start(t *testing.T, mode string, args ...string) *program {
	t.Helper()
	args = append([]string{s.broker.Addr(), s.topic}, args...)
	return start(t, fmt.Sprintf("%s %s %d", s.name, mode, len(s.members)), s.command(mode, args...))
}

// join adds a member to the group and waits until it owns partitions.
func (s *scenario) join(t *testing.T) *program {
	t.Helper()
	member := s.start(t, "consume", s.group, levels[len(s.members)%2])
	s.members = append(s.members, member)
	member.wait(t, "an assignment", patience, func(events []event) bool { return len(assignment(events)) > 0 })
	return member
}

// produce has the producer send count more records and waits for all acknowledgements.
func (s *scenario) produce(t *testing.T, codec string, count, pace int) {
	t.Helper()
	s.tell(t, codec, count, pace)
	s.waitForProduced(t)
}

func (s *scenario) tell(t *testing.T, codec string, count, pace int) {
	t.Helper()
	s.producer.tell(t, produceCommand{Codec: codec, First: s.sent, Count: count, Pace: pace})
	s.sent += count
	s.commands++
}

func (s *scenario) waitForProduced(t *testing.T) {
	t.Helper()
	s.producer.wait(t, "the end of a command", patience, func(events []event) bool {
		return count(events, "produced") == s.commands
	})
}

// produceAcross has the broker ended and started again while the producer sends and the
// members read.
func (s *scenario) produceAcross(t *testing.T, end func() error) {
	t.Helper()
	before := count(s.producer.snapshot(), "acked")
	s.tell(t, s.codecs[0], 200, 10)
	s.producer.wait(t, "some acknowledgements", patience, func(events []event) bool {
		return count(events, "acked") >= before+20
	})
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if err := s.broker.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
	s.waitForProduced(t)
}

// waitForAll waits until the group as a whole has read every acknowledged record.
func (s *scenario) waitForAll(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		read := map[int]bool{}
		for _, m := range s.members {
			for _, e := range m.snapshot() {
				if e.Event == "record" {
					read[e.N] = true
				}
			}
		}
		if len(read) >= s.sent {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the group has read %d of %d records after %v", len(read), s.sent, patience)
		}
		s.members[0].wait(t, "anything", patience, func([]event) bool { return true })
		time.Sleep(20 * time.Millisecond)
	}
}

// waitForBalance waits until each member owns n partitions, none of them twice.
func (s *scenario) waitForBalance(t *testing.T, n int, members ...*program) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var all []int32
		even := true
		for _, m := range members {
			owned := assignment(m.snapshot())
			even = even && len(owned) == n
			all = append(all, owned...)
		}
		slices.Sort(all)
		if even && len(slices.Compact(all)) == partitions {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d members did not come to own %d partitions each: %v", len(members), n, all)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// checkCommits compares the group's committed offsets with the partitions' ends: the
// last member committed all it had read.
func (s *scenario) checkCommits(t *testing.T) {
	t.Helper()
	checkCommits(t, s.broker.Addr(), s.topic, s.group, s.sent)
}

func checkCommits(t *testing.T, addr, topic, group string, records int) {
	t.Helper()
	ctx := peers.Context(t, patience)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		total += end.Offset
		got, ok := committed.Lookup(topic, end.Partition)
		if end.Offset > 0 && (!ok || got.At != end.Offset) {
			t.Errorf("partition %d: committed %d, ends at %d", end.Partition, got.At, end.Offset)
		}
	})
	if total != int64(records) {
		t.Errorf("the topic's partitions end at %d in sum, %d records were sent", total, records)
	}
}

func makeTopic(t *testing.T, addr, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(peers.Context(t, patience), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// assignment is what a member owns after these events.
func assignment(events []event) []int32 {
	for _, e := range slices.Backward(events) {
		if e.Event == "assigned" {
			return e.Partitions
		}
	}
	return nil
}

func count(events []event, kind string) int {
	n := 0
	for _, e := range events {
		if e.Event == kind {
			n++
		}
	}
	return n
}
