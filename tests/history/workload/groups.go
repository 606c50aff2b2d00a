package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/history"
)

// pollBatch bounds the records that a group's member takes at a time.
const pollBatch = 200

// trail follows where a group's member stands in each partition that it is assigned.
type trail struct {
	l         *Load
	name      string
	group     string
	isolation history.Isolation

	mu    sync.Mutex
	count int64 // of assignments
	spots map[part]*spot
}

// spot is one assignment of one partition.
type spot struct {
	number, began int64
	next          int64 // -1 before the first record
}

func (l *Load) trail(name, group string, isolation history.Isolation) *trail {
	return &trail{l: l, name: name, group: group, isolation: isolation, spots: map[part]*spot{}}
}

// assigned begins new assignments, or those that follow when they were taken away.
func (t *trail) assigned(_ context.Context, _ *kgo.Client, all map[string][]int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, numbers := range all {
		for _, n := range numbers {
			t.count++
			t.spots[t.l.find(name, n)] = &spot{t.count, t.l.w.Now(), -1}
		}
	}
}

// rewound begins new assignments of everything: the client goes back to what is
// committed.
func (t *trail) rewound() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.spots {
		t.count++
		s.number, s.began, s.next = t.count, t.l.w.Now(), -1
	}
}

// took records a poll. When the library sent its fetches is not known, only that it was
// after the assignment.
func (t *trail) took(fetches kgo.Fetches, txn string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) == 0 {
			return
		}
		p := t.l.find(f.Topic, f.Partition)
		s := t.spots[p]
		if s == nil {
			t.count++
			s = &spot{t.count, t.l.w.Now(), -1}
			t.spots[p] = s
		}
		from := s.next
		if from < 0 {
			from = f.Records[0].Offset
		}
		s.next = f.Records[len(f.Records)-1].Offset + 1
		t.l.w.Add(p.event(history.Event{Start: s.began, End: t.l.w.Now(), Client: t.name, Op: history.Poll, Outcome: history.OK, Offset: from,
			Next: s.next, Isolation: t.isolation, Assignment: s.number, Records: records(f.Records), Group: t.group, Txn: txn}))
	})
}

// options are those of a member.
func (t *trail) options(topics []topic) []kgo.Opt {
	var names []string
	for _, topic := range topics {
		names = append(names, topic.name)
	}
	level := kgo.ReadUncommitted()
	if t.isolation == history.ReadCommitted {
		level = kgo.ReadCommitted()
	}
	return t.l.options(t.name, kgo.ConsumerGroup(t.group), kgo.ConsumeTopics(names...), kgo.FetchIsolationLevel(level),
		kgo.KeepControlRecords(), kgo.BlockRebalanceOnPoll(), kgo.FetchMaxWait(50*1e6), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10*1e9), kgo.HeartbeatInterval(300*1e6), kgo.RebalanceTimeout(10*1e9),
		kgo.OnPartitionsAssigned(t.assigned), kgo.OnPartitionsRevoked(t.assigned), kgo.OnPartitionsLost(t.assigned))
}

// member reads as a member of a group and commits what it has read, until ctx ends.
func (l *Load) member(ctx context.Context, name string, seed uint64) error {
	isolation := history.ReadUncommitted
	if seed%2 == 1 {
		isolation = history.ReadCommitted
	}
	t := l.trail(name, l.memberGroup(), isolation)
	client, err := kgo.NewClient(t.options(l.writable())...)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, pollBatch)
		if fetches.NumRecords() > 0 {
			t.took(fetches, "")
			l.commitRead(client, t)
		}
		client.AllowRebalance()
		pause(ctx, l.Pace)
	}
	return nil
}

// commitRead commits what a client has read.
func (l *Load) commitRead(client *kgo.Client, t *trail) {
	ctx, cancel := context.WithTimeout(context.Background(), l.Patience)
	defer cancel()
	began := l.w.Now()
	client.CommitOffsetsSync(ctx, client.UncommittedOffsets(), func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		for _, asked := range req.Topics {
			for _, p := range asked.Partitions {
				e := l.find(asked.Topic, p.Partition).event(history.Event{Start: began, End: l.w.Now(), Client: t.name, Op: history.Commit, Group: t.group, Offset: p.Offset})
				outcome(&e, commitError(resp, err, asked.Topic, p.Partition))
				l.w.Add(e)
			}
		}
	})
}

// commitError is the outcome for one partition of a commit.
func commitError(resp *kmsg.OffsetCommitResponse, err error, name string, number int32) error {
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.Topic == name && p.Partition == number {
				return kerr.ErrorForCode(p.ErrorCode)
			}
		}
	}
	return fmt.Errorf("no answer for %s-%d", name, number)
}

// errSession ends a copier's session; its copier makes another.
var errSession = errors.New("transact session is over")

// copier copies one topic to another, exactly once: each transaction holds the copies
// and the group's offsets.
func (l *Load) copier(ctx context.Context, name string, seed uint64) error {
	p := l.producer(name, seed, 6)
	t := l.trail(name, l.copyGroup(), history.ReadCommitted)
	count := 0
	for ctx.Err() == nil {
		t.rewound() // another session begins where the group's offsets are
		options := append(t.options([]topic{l.in}), kgo.TransactionalID(l.Prefix+"-"+name), kgo.TransactionTimeout(l.TxnTimeout),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(l.TxnTimeout))
		session, err := kgo.NewGroupTransactSession(options...)
		if err != nil {
			return err
		}
		c := &copying{p, t, session}
		for err == nil && ctx.Err() == nil {
			count++
			err = c.step(ctx, fmt.Sprintf("%s/%d", name, count))
			session.AllowRebalance()
		}
		session.CloseAllowingRebalance()
		pause(ctx, l.Pace)
	}
	return nil
}

// copying is a copier's session.
type copying struct {
	*producer
	trail   *trail
	session *kgo.GroupTransactSession
}

// step copies what one poll gives, in one transaction. A fifth is aborted.
func (c *copying) step(ctx context.Context, txn string) error {
	fetches := c.session.PollRecords(ctx, pollBatch)
	if fetches.NumRecords() == 0 {
		pause(ctx, c.l.Pace)
		return nil
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.l.Patience)
	defer cancel()
	began := c.l.w.Now()
	if err := c.session.Begin(); err != nil {
		return errors.Join(errSession, err)
	}
	c.l.w.Add(history.Event{Start: began, End: c.l.w.Now(), Client: c.name, Op: history.Begin, Outcome: history.OK, Txn: txn})
	c.trail.took(fetches, txn)
	fetches.EachRecord(func(r *kgo.Record) {
		if r.Attrs.IsControl() {
			return
		}
		e, value := c.next(place(c.random, []topic{c.l.out}), history.Transactional)
		e.Txn, e.Source = txn, &history.Source{Group: c.trail.group, Topic: c.l.in.name, TopicID: c.l.in.id, Partition: r.Partition, Offset: r.Offset}
		c.send(c.session.Client(), e, value, func(error) {})
	})
	return c.end(bound, txn, c.random.IntN(5) > 0)
}

// end ends the transaction and records what became of it and of its offsets. A session
// that was told to commit may find that it has to abort.
func (c *copying) end(bound context.Context, txn string, commit bool) error {
	offsets := c.session.Client().UncommittedOffsets()
	c.session.AllowRebalance() // End waits for the group, and aborts if it has changed
	e := history.Event{Start: c.l.w.Now(), Client: c.name, Op: history.EndTxn, Txn: txn, Commit: commit}
	done, err := c.session.End(bound, kgo.TransactionEndTry(commit))
	e.End = c.l.w.Now()
	if outcome(&e, err); err == nil && commit && !done {
		e.Outcome, e.Error = history.Fail, "aborted by the session"
	}
	if commit && e.Outcome != history.Fail {
		for name, numbers := range offsets {
			for n, at := range numbers {
				c.l.w.Add(c.l.find(name, n).event(history.Event{Start: e.Start, End: e.End, Client: c.name, Op: history.Commit, Outcome: e.Outcome, Error: e.Error,
					Group: c.trail.group, Offset: at.Offset, Txn: txn}))
			}
		}
	}
	c.l.w.Add(e)
	if !done {
		c.trail.rewound()
	}
	return err
}
