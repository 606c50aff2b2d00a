package tools

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// world is the broker of a session and what its directives left there.
type world struct {
	ctx          context.Context
	dir          string // for files of the session
	broker       *peers.Broker
	client       *kgo.Client // producer, with partitions chosen by hand
	admin        *kadm.Client
	members      map[string]*member
	transactions map[string]*kgo.Client // producers with a transaction, by their ids
}

// patience bounds each directive.
const patience = 60 * time.Second

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ctx: t.Context(), dir: peers.Folder(t), members: map[string]*member{}, transactions: map[string]*kgo.Client{}}
	settings := map[string]string{
		"group.initial.rebalance.delay.ms": "0",
		"offsets.topic.num.partitions":     "4",
	}
	if peers.Kind(*broker) == peers.Kafka {
		// Half a minute after its start Apache Kafka looks for records whose retention is over,
		// and those of the sessions are of the year 2001: a session that took longer saw them go.
		settings[retentionDelay] = "3600000"
	}
	w.broker = peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Race: *race, Settings: settings})
	var err error
	w.client, err = kgo.NewClient(kgo.SeedBrokers(w.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	w.admin = kadm.NewClient(w.client)
	t.Cleanup(func() {
		for _, m := range w.members {
			m.stop()
		}
		for _, c := range w.transactions {
			c.Close()
		}
		w.client.Close()
	})
	return w
}

// retentionDelay is an internal setting of Apache Kafka, which is shown only where it is set.
const retentionDelay = "log.initial.task.delay.ms"

func (w *world) expand(text string) string {
	return strings.NewReplacer("$ADDR", w.broker.Addr(), "$DIR", w.dir).Replace(text)
}

// direct carries out a directive.
func (w *world) direct(s *step) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	words := fields(w.expand(s.words))
	directives := map[string]func(context.Context, []string) error{
		"produce": w.produce, "commit": w.commit, "join": w.join, "leave": w.leave,
		"open": w.open, "commit-open": w.commitOpen,
	}
	if words[0] == "file" {
		return os.WriteFile(filepath.Join(w.dir, words[1]), []byte(strings.Join(s.stdin, "\n")+"\n"), 0o644)
	}
	do, ok := directives[words[0]]
	if !ok {
		return fmt.Errorf("no such directive")
	}
	return do(ctx, words[1:])
}

// firstTime is the time of each partition's first record; each is a second after the one
// before it.
const firstTime = 1_000_000_000_000

// produce TOPIC PARTITION COUNT sends records whose keys, values, headers and times
// follow from their offsets.
func (w *world) produce(ctx context.Context, words []string) error {
	partition, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for n := range count {
		records = append(records, &kgo.Record{Topic: words[0], Partition: int32(partition),
			Key: fmt.Appendf(nil, "key-%d", n), Value: fmt.Appendf(nil, "value-%d", n),
			Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(n))}, {Key: "empty"}},
			Timestamp: time.UnixMilli(firstTime + int64(n)*1000)})
	}
	return w.client.ProduceSync(ctx, records...).FirstErr()
}

// commit GROUP TOPIC PARTITION OFFSET
func (w *world) commit(ctx context.Context, words []string) error {
	partition, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return err
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(words[1], int32(partition), at, -1)
	return w.admin.CommitAllOffsets(ctx, words[0], offsets)
}

// open ID TOPIC PARTITION begins a transaction and writes a record in it.
func (w *world) open(ctx context.Context, words []string) error {
	partition, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker.Addr()), kgo.TransactionalID(words[0]),
		kgo.TransactionTimeout(10*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	w.transactions[words[0]] = client
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	r := &kgo.Record{Topic: words[1], Partition: int32(partition), Value: []byte("in a transaction")}
	return client.ProduceSync(ctx, r).FirstErr()
}

// commitOpen ID commits the transaction that open began, and waits for its end.
func (w *world) commitOpen(ctx context.Context, words []string) error {
	client, ok := w.transactions[words[0]]
	if !ok {
		return fmt.Errorf("no transaction of %s", words[0])
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	for { // Kafka answers before it has written the markers
		described, err := w.admin.DescribeTransactions(ctx, words[0])
		if err != nil {
			return err
		}
		if described[words[0]].State == "CompleteCommit" {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the transaction is %s: %w", described[words[0]].State, ctx.Err())
		}
	}
}

// member is a consumer in a group.
type member struct {
	client   *kgo.Client
	assigned chan struct{} // capacity 1: an assignment came
	done     chan struct{}
	cancel   context.CancelFunc
}

// join NAME GROUP TOPIC: NAME is the member's client id and instance id if it begins with
// static.
func (w *world) join(ctx context.Context, words []string) error {
	m := &member{assigned: make(chan struct{}, 1), done: make(chan struct{})}
	options := []kgo.Opt{kgo.SeedBrokers(w.broker.Addr()), kgo.ClientID(words[0]), kgo.ConsumerGroup(words[1]),
		kgo.ConsumeTopics(words[2]), kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
			select {
			case m.assigned <- struct{}{}:
			default:
			}
		})}
	if strings.HasPrefix(words[0], "static") {
		options = append(options, kgo.InstanceID(words[0]))
	}
	var err error
	if m.client, err = kgo.NewClient(options...); err != nil {
		return err
	}
	poll, cancel := context.WithCancel(w.ctx)
	m.cancel = cancel
	go func() { // ends with stop
		defer close(m.done)
		for poll.Err() == nil {
			m.client.PollFetches(poll)
		}
	}()
	w.members[words[0]] = m
	select {
	case <-m.assigned:
		return w.settled(ctx, words[1])
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled waits until a group is stable with the members that joined it.
func (w *world) settled(ctx context.Context, group string) error {
	for {
		groups, err := w.admin.DescribeGroups(ctx, group)
		if err != nil {
			return err
		}
		if groups[group].State == "Stable" {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the group is %s: %w", groups[group].State, ctx.Err())
		}
	}
}

// leave NAME
func (w *world) leave(_ context.Context, words []string) error {
	m, ok := w.members[words[0]]
	if !ok {
		return fmt.Errorf("no member %s", words[0])
	}
	delete(w.members, words[0])
	m.stop()
	return nil
}

func (m *member) stop() {
	m.cancel()
	<-m.done
	m.client.Close() // leaves the group
}
