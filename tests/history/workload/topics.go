package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// topic is a topic of the run.
type topic struct {
	name, id   string // the id in hexadecimal digits
	partitions int
	compacted  bool
}

// part is one partition.
type part struct {
	topic
	number int32
}

// event is e at this partition.
func (p part) event(e history.Event) history.Event {
	e.Topic, e.TopicID, e.Partition = p.name, p.id, p.number
	return e
}

// parts are all partitions of some topics.
func parts(topics ...topic) []part {
	var all []part
	for _, t := range topics {
		for n := range t.partitions {
			all = append(all, part{t, int32(n)})
		}
	}
	return all
}

// find is the partition of that name.
func (l *Load) find(name string, number int32) part {
	for _, t := range l.topics {
		if t.name == name {
			return part{t, number}
		}
	}
	return part{topic{name: name}, number}
}

// Setup creates the topics.
func (l *Load) Setup(ctx context.Context) error {
	client, err := kgo.NewClient(l.options("setup")...)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	create := func(name string, compacted bool) (topic, error) {
		began := l.w.Now()
		e := history.Event{Start: began, Client: "setup", Op: history.CreateTopic, Outcome: history.OK, Topic: name}
		var config map[string]*string
		if compacted {
			config = l.compaction()
			e.Compacted, e.DeleteRetention = true, int64(l.TombstonesStay)
		}
		made, err := admin.CreateTopic(ctx, int32(l.Partitions), 1, config, name)
		if err != nil {
			return topic{}, fmt.Errorf("create topic %s: %w", name, err)
		}
		t := topic{name, fmt.Sprintf("%x", made.ID[:]), l.Partitions, compacted}
		e.End, e.TopicID = l.w.Now(), t.id
		l.w.Add(e)
		l.topics = append(l.topics, t)
		return t, nil
	}
	for i := range l.Topics {
		if _, err := create(fmt.Sprintf("%s-data-%d", l.Prefix, i), false); err != nil {
			return err
		}
	}
	for i := range l.Compacted {
		t, err := create(fmt.Sprintf("%s-keyed-%d", l.Prefix, i), true)
		if err != nil {
			return err
		}
		l.keyed = append(l.keyed, t)
	}
	if !l.copies() {
		return nil
	}
	if l.in, err = create(l.Prefix+"-in", false); err != nil {
		return err
	}
	l.out, err = create(l.Prefix+"-out", false)
	return err
}

// copies says whether somebody copies a topic to another.
func (l *Load) copies() bool { return l.Copiers > 0 || len(l.Guests) > 0 }

// writable are the topics that all producers write to, guests as well.
func (l *Load) writable() []topic { return l.topics[:l.Topics] }

// targets are what the producers of this package write to.
func (l *Load) targets() []topic { return l.topics[:l.Topics+l.Compacted] }

// place picks a random partition of some topics.
func place(random *rand.Rand, topics []topic) part {
	t := topics[random.IntN(len(topics))]
	return part{t, int32(random.IntN(t.partitions))}
}

// size picks the length of a value's padding: mostly near the average, sometimes many
// times that.
func (l *Load) size(random *rand.Rand) int {
	if random.IntN(50) == 0 {
		return l.ValueBytes * (5 + random.IntN(50))
	}
	return random.IntN(2*l.ValueBytes + 1)
}

// rest pauses a client, on average for Pace, or until ctx ends.
func (l *Load) rest(ctx context.Context, random *rand.Rand) {
	pause(ctx, time.Duration(random.Int64N(int64(2*l.Pace)+1)))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// options are those of every kgo client here: quick to notice that the broker is back.
func (l *Load) options(name string, more ...kgo.Opt) []kgo.Opt {
	versions := kversion.Stable()
	if l.TxnVersion == 1 {
		// What clients from before KIP-890 know: kgo then adds partitions by request.
		versions.SetMaxKeyVersion(0, 11)
		versions.SetMaxKeyVersion(26, 4)
		versions.SetMaxKeyVersion(28, 4)
	}
	if l.Call > 0 {
		more = append(more, kgo.RequestTimeoutOverhead(l.Call), kgo.ProduceRequestTimeout(l.Call))
	}
	return append([]kgo.Opt{
		kgo.SeedBrokers(l.Addr),
		kgo.ClientID(name),
		kgo.MaxVersions(versions),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.DialTimeout(time.Second),
		kgo.RetryTimeout(2 * time.Minute),
	}, more...)
}

func (l *Load) dial(name string) *wire.Redial {
	return &wire.Redial{Addr: l.Addr, ClientID: name, Timeout: l.Call}
}

// outcome is that of an operation whose effect is open when it ended with an error.
func outcome(e *history.Event, err error) {
	e.Outcome = history.OK
	if err != nil {
		e.Outcome, e.Error = history.Unknown, err.Error()
	}
}
