package workload

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// admin creates a topic, fills it, cuts off its beginning, reads it, and deletes it,
// again and again until ctx ends.
func (l *Load) admin(ctx context.Context, name string, seed uint64) error {
	p := l.producer(name, seed, 8)
	conn := l.dial(name)
	defer conn.Close()
	for n := 0; ctx.Err() == nil; n++ {
		t, err := l.create(ctx, name, conn, fmt.Sprintf("%s-%s-%d", l.Prefix, name, n))
		if err == nil {
			err = l.cutAndRead(ctx, p, conn, part{t, 0})
		}
		if err != nil {
			pause(ctx, l.Pace) // what failed is in the history, or says nothing
		}
		if t.id != "" {
			l.remove(ctx, name, conn, t)
		}
		l.rest(ctx, p.random)
	}
	return nil
}

// create makes a topic of one partition.
func (l *Load) create(ctx context.Context, client string, conn *wire.Redial, name string) (topic, error) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, 10_000
	ask := kmsg.NewCreateTopicsRequestTopic()
	ask.Topic, ask.NumPartitions, ask.ReplicationFactor = name, 1, 1
	req.Topics = append(req.Topics, ask)
	e := history.Event{Start: l.w.Now(), Client: client, Op: history.CreateTopic, Topic: name}
	resp, err := conn.Call(ctx, req)
	t := topic{name: name, partitions: 1}
	if err == nil {
		answer := resp.(*kmsg.CreateTopicsResponse).Topics[0]
		if err = kerr.ErrorForCode(answer.ErrorCode); err == nil {
			t.id = fmt.Sprintf("%x", answer.TopicID[:])
		}
	}
	outcome(&e, err)
	e.End, e.TopicID = l.w.Now(), t.id
	l.w.Add(e)
	return t, err
}

// cutAndRead writes to a partition, reads it, deletes records, and reads again.
func (l *Load) cutAndRead(ctx context.Context, p *producer, conn *wire.Redial, to part) error {
	f := l.fetcher(p.name, history.ReadUncommitted, []part{to})
	defer f.close()
	for range 2 + p.random.IntN(4) {
		l.sendOnce(ctx, p, conn, to, 1+p.random.IntN(4))
		if err := f.poll(ctx, ""); err != nil {
			return err
		}
		// A second reader begins at 0, and learns where the log starts.
		late := l.fetcher(p.name+"-late", history.ReadUncommitted, []part{to})
		late.positions[0].assignment = int64(p.sequence)*2 + 2
		first, second := late.poll(ctx, ""), late.poll(ctx, "")
		late.close()
		if second != nil {
			return errors.Join(first, second)
		}
		marks, err := l.watermarks(ctx, p.name, conn, []part{to})
		if err != nil {
			return err
		}
		length := marks[to].HighWatermark - marks[to].LogStart
		if length <= 0 {
			continue
		}
		if err := l.cut(ctx, p.name, conn, to, marks[to].LogStart+1+p.random.Int64N(length)); err != nil {
			return err
		}
	}
	return nil
}

// cut deletes everything before an offset.
func (l *Load) cut(ctx context.Context, client string, conn *wire.Redial, at part, offset int64) error {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Version, req.TimeoutMillis = 2, 10_000
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = at.name
	ask := kmsg.NewDeleteRecordsRequestTopicPartition()
	ask.Partition, ask.Offset = at.number, offset
	t.Partitions = append(t.Partitions, ask)
	req.Topics = append(req.Topics, t)
	e := at.event(history.Event{Start: l.w.Now(), Client: client, Op: history.DeleteRecords, Offset: offset})
	resp, err := conn.Call(ctx, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode)
	}
	outcome(&e, err)
	e.End = l.w.Now()
	l.w.Add(e)
	return err
}

// remove deletes a topic.
func (l *Load) remove(ctx context.Context, client string, conn *wire.Redial, t topic) {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TimeoutMillis, req.TopicNames = 5, 10_000, []string{t.name}
	e := history.Event{Start: l.w.Now(), Client: client, Op: history.DeleteTopic, Topic: t.name, TopicID: t.id}
	resp, err := conn.Call(ctx, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	}
	outcome(&e, err)
	e.End = l.w.Now()
	l.w.Add(e)
}
