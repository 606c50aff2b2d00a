package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// all is what a reader without a group reads: everything, from the start.
func (l *load) all(from kgo.Offset) kgo.Opt {
	all := map[string]map[int32]kgo.Offset{}
	for _, topic := range l.topics {
		all[topic] = map[int32]kgo.Offset{}
		for number := range l.partitions {
			all[topic][int32(number)] = from
		}
	}
	return kgo.ConsumePartitions(all)
}

// tail reads everything as it comes, until ctx ends.
func (l *load) tail(ctx context.Context, name string) error {
	return l.consume(ctx, name, "", l.all(kgo.NewOffset().At(0)))
}

// member reads as a member of a group that commits by itself, until ctx ends.
func (l *load) member(ctx context.Context, name, group string) error {
	w, err := l.history.Writer(name + "-commits")
	if err != nil {
		return err
	}
	return l.consume(ctx, name, group, kgo.ConsumerGroup(group), kgo.ConsumeTopics(l.topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(200*time.Millisecond),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(300*time.Millisecond), kgo.RebalanceTimeout(10*time.Second),
		kgo.AutoCommitCallback(func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			l.committed(w, group, req, resp, err)
		}))
}

// committed notes a commit whose time of sending is not known: it began when the run
// did, which the checker takes as "may have been tried at any time".
func (l *load) committed(w *Writer, group string, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
	if req == nil {
		return
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			e := Event{Op: OpCommit, Outcome: OK, End: l.history.Now(), Group: group, Topic: t.Topic, Partition: p.Partition, Offset: p.Offset}
			if err := commitError(resp, err, t.Topic, p.Partition); err != nil {
				e.Outcome, e.Error = Unknown, err.Error()
			}
			w.Add(e)
		}
	}
}

// commitError is the outcome for one partition of a commit.
func commitError(resp *kmsg.OffsetCommitResponse, err error, topic string, number int32) error {
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic && p.Partition == number {
				return kerr.ErrorForCode(p.ErrorCode)
			}
		}
	}
	return fmt.Errorf("no answer for %s-%d", topic, number)
}

// consume notes every record that a kgo client with these options sees.
func (l *load) consume(ctx context.Context, name, group string, options ...kgo.Opt) error {
	w, err := l.history.Writer(name)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(l.options(append(options, kgo.FetchMaxWait(300*time.Millisecond))...)...)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			e := readEvent(OpRead, r)
			e.End, e.Group = l.history.Now(), group
			w.Add(e)
		})
	}
	return nil
}

func readEvent(op string, r *kgo.Record) Event {
	e := Event{Op: op, Outcome: OK, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	var err error
	if e.Producer, e.Sequence, err = parseValue(r.Value); err != nil {
		e.Outcome, e.Error = Corrupt, err.Error()
	}
	return e
}

// askEvery is how many commits go by between two questions over one connection.
const askEvery = 5

// committer commits rising offsets for a group without members. Over every new connection
// it first asks what is committed, until it is told: while a broker that was killed loads
// its coordinator it answers with errors.
func (l *load) committer(ctx context.Context, name, group string) error {
	w, err := l.history.Writer(name)
	if err != nil {
		return err
	}
	conn := &redial{addr: l.addr, name: name}
	defer conn.drop()
	owed := true
	for offset := int64(1); ctx.Err() == nil; {
		owed = owed || conn.conn == nil
		if owed {
			owed = l.ask(ctx, w, conn, group) != nil
		} else {
			// A commit that fails may have its effect all the same: its offset is not used again.
			_ = l.commit(ctx, w, conn, group, offset)
			owed = offset%askEvery == 0
			offset++
		}
		pause(ctx, 5*time.Millisecond)
	}
	return nil
}

func (l *load) commit(ctx context.Context, w *Writer, conn *redial, group string, offset int64) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 8, group, -1
	for _, topic := range l.topics {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic
		for number := range l.partitions {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset = int32(number), offset
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	began := l.history.Now()
	resp, err := conn.call(ctx, req)
	answer, _ := resp.(*kmsg.OffsetCommitResponse)
	var failed error
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			e := Event{Op: OpCommit, Outcome: OK, Start: began, End: l.history.Now(), Group: group, Topic: t.Topic, Partition: p.Partition, Offset: offset}
			if err := commitError(answer, err, t.Topic, p.Partition); err != nil {
				e.Outcome, e.Error, failed = Unknown, err.Error(), err
			}
			w.Add(e)
		}
	}
	return failed
}

// ask notes what a group has committed.
func (l *load) ask(ctx context.Context, w *Writer, conn *redial, group string) error {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 7, group
	began := l.history.Now()
	resp, err := conn.call(ctx, req)
	if err != nil {
		return err
	}
	answer := resp.(*kmsg.OffsetFetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	got := map[partition]int64{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
			got[partition{t.Topic, p.Partition}] = p.Offset
		}
	}
	// A partition that the answer leaves out has no offset: that is an answer as well.
	for _, topic := range l.topics {
		for number := range l.partitions {
			p := partition{topic, int32(number)}
			offset, ok := got[p]
			if !ok {
				offset = -1
			}
			w.Add(Event{Op: OpCommitted, Outcome: OK, Start: began, End: l.history.Now(), Group: group, Topic: topic, Partition: p.number, Offset: offset})
		}
	}
	return nil
}

// final reads every partition from offset 0 to its end, and asks for the groups'
// offsets a last time.
func (l *load) final(ctx context.Context, groups ...string) error {
	w, err := l.history.Writer("final")
	if err != nil {
		return err
	}
	ends, err := l.ends(ctx)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(l.options(l.all(kgo.NewOffset().At(0)))...)
	if err != nil {
		return err
	}
	defer client.Close()
	for left := len(ends); left > 0; {
		for p, end := range ends {
			if end == 0 {
				delete(ends, p)
			}
		}
		if left = len(ends); left == 0 {
			break
		}
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("final read: %w, %d partitions not read to their ends", ctx.Err(), left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			w.Add(readEvent(OpFinal, r))
			if p := (partition{r.Topic, r.Partition}); r.Offset == ends[p]-1 {
				ends[p] = 0
			}
		})
	}
	conn := &redial{addr: l.addr, name: "final"}
	defer conn.drop()
	for _, group := range groups {
		if err := l.ask(ctx, w, conn, group); err != nil {
			return fmt.Errorf("offsets of %s: %w", group, err)
		}
	}
	return nil
}

// ends asks for the end of every partition.
func (l *load) ends(ctx context.Context) (map[partition]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 4, -1
	for _, topic := range l.topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for number := range l.partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = int32(number), -1, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	conn := &redial{addr: l.addr, name: "ends"}
	defer conn.drop()
	resp, err := conn.call(ctx, req)
	if err != nil {
		return nil, err
	}
	ends := map[partition]int64{}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("end of %s-%d: %w", t.Topic, p.Partition, err)
			}
			ends[partition{t.Topic, p.Partition}] = p.Offset
		}
	}
	return ends, nil
}
