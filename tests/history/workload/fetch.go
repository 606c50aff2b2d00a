package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// fetcher reads partitions with one Fetch at a time, so that it knows when each was sent
// and answered, and where it stands. It filters aborted transactions as kgo does.
type fetcher struct {
	l         *Load
	name      string
	isolation history.Isolation
	conn      *wire.Redial
	waitMs    int32
	positions []position
	read      int64 // records so far, markers too
	codec     kgo.Decompressor
}

// position is where a fetcher stands in one partition.
type position struct {
	part
	offset     int64
	assignment int64
	noted      bool // something was recorded
	marks      history.Marks
}

// fetcher begins at offset 0 of each partition.
func (l *Load) fetcher(name string, isolation history.Isolation, all []part) *fetcher {
	f := &fetcher{l: l, name: name, isolation: isolation, conn: l.dial(name), codec: kgo.DefaultDecompressor()}
	for _, p := range all {
		f.positions = append(f.positions, position{part: p, assignment: 1})
	}
	return f
}

func (f *fetcher) close() { f.conn.Close() }

// reader follows all partitions until ctx ends.
func (l *Load) reader(isolation history.Isolation) func(context.Context, string, uint64) error {
	return func(ctx context.Context, name string, seed uint64) error {
		f := l.fetcher(name, isolation, parts(l.topics...))
		f.waitMs = 50
		defer f.close()
		random := rand.New(rand.NewPCG(seed, 4))
		for ctx.Err() == nil {
			// A poll that fails says nothing; the next one goes on from the same place.
			if err := f.poll(ctx, ""); err != nil {
				l.rest(ctx, random)
			}
		}
		return nil
	}
}

// poll fetches once and records what each partition gave.
func (f *fetcher) poll(ctx context.Context, txn string) error {
	began := f.l.w.Now()
	resp, err := f.conn.Call(ctx, f.request())
	if err != nil {
		return err
	}
	answer := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	var all error
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			all = errors.Join(all, f.took(began, t.Topic, &t.Partitions[j], txn))
		}
	}
	return all
}

func (f *fetcher) request() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 12, f.waitMs, 1, 8<<20, -1
	if f.isolation == history.ReadCommitted {
		req.IsolationLevel = 1
	}
	for _, p := range f.positions {
		i := slices.IndexFunc(req.Topics, func(t kmsg.FetchRequestTopic) bool { return t.Topic == p.name })
		if i < 0 {
			t := kmsg.NewFetchRequestTopic()
			t.Topic = p.name
			i, req.Topics = len(req.Topics), append(req.Topics, t)
		}
		ask := kmsg.NewFetchRequestTopicPartition()
		ask.Partition, ask.FetchOffset, ask.PartitionMaxBytes = p.number, p.offset, 1<<20
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, ask)
	}
	return req
}

// took records what one partition gave, unless it is nothing new.
func (f *fetcher) took(began int64, name string, got *kmsg.FetchResponseTopicPartition, txn string) error {
	i := slices.IndexFunc(f.positions, func(p position) bool { return p.name == name && p.number == got.Partition })
	if i < 0 {
		return fmt.Errorf("answer for %s-%d, which was not asked for", name, got.Partition)
	}
	p := &f.positions[i]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		if errors.Is(err, kerr.OffsetOutOfRange) && got.LogStartOffset > p.offset {
			p.offset, p.assignment = got.LogStartOffset, p.assignment+1
		}
		return fmt.Errorf("%s-%d offset %d: %w", name, got.Partition, p.offset, err)
	}
	options := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: p.offset, Topic: name, Partition: got.Partition}
	if f.isolation == history.ReadCommitted {
		options.IsolationLevel = kgo.ReadCommitted()
	}
	read, next := kgo.ProcessFetchPartition(options, got, f.codec, nil)
	if read.Err != nil {
		return fmt.Errorf("%s-%d offset %d: %w", name, got.Partition, p.offset, read.Err)
	}
	marks := history.Marks{HighWatermark: max(-1, got.HighWatermark), LastStable: max(-1, got.LastStableOffset), LogStart: max(-1, got.LogStartOffset)}
	if next == p.offset && p.noted && marks == p.marks {
		return nil
	}
	f.l.w.Add(p.event(history.Event{Start: began, End: f.l.w.Now(), Client: f.name, Op: history.Poll, Outcome: history.OK, Offset: p.offset,
		Next: next, Isolation: f.isolation, Assignment: p.assignment, Records: records(read.Records), Marks: &marks, Txn: txn}))
	p.offset, p.noted, p.marks = next, true, marks
	f.read += int64(len(read.Records))
	return nil
}

// records are what a client got, as a history has them.
func records(all []*kgo.Record) []history.Record {
	var got []history.Record
	for _, r := range all {
		h := history.Record{Offset: r.Offset, Control: r.Attrs.IsControl()}
		if !h.Control {
			h = parse(r)
		}
		got = append(got, h)
	}
	return got
}
