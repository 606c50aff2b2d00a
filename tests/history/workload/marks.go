package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// Timestamps that ListOffsets knows.
const (
	latest   = -1
	earliest = -2
)

// watcher asks for the watermarks of all partitions until ctx ends.
func (l *Load) watcher(ctx context.Context, name string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 5))
	conn := l.dial(name)
	defer conn.Close()
	for ctx.Err() == nil {
		// An answer that does not come says nothing.
		if _, err := l.watermarks(ctx, name, conn, parts(l.topics...)); err != nil {
			pause(ctx, l.Pace)
		}
		l.rest(ctx, random)
	}
	return nil
}

// watermarks asks for high watermark, last stable offset and log start of partitions,
// one after another, and records the answers.
func (l *Load) watermarks(ctx context.Context, name string, conn *wire.Redial, all []part) (map[part]history.Marks, error) {
	none := history.Marks{HighWatermark: -1, LastStable: -1, LogStart: -1}
	marks := map[part]history.Marks{}
	for _, p := range all {
		marks[p] = none
	}
	for _, ask := range []struct {
		isolation int8
		timestamp int64
		put       func(*history.Marks, int64)
	}{
		{0, latest, func(m *history.Marks, v int64) { m.HighWatermark = v }},
		{1, latest, func(m *history.Marks, v int64) { m.LastStable = v }},
		{0, earliest, func(m *history.Marks, v int64) { m.LogStart = v }},
	} {
		began := l.w.Now()
		got, err := listOffsets(ctx, conn, all, ask.isolation, ask.timestamp)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			said, sum := none, marks[p]
			ask.put(&said, got[p])
			ask.put(&sum, got[p])
			marks[p] = sum
			l.w.Add(p.event(history.Event{Start: began, End: l.w.Now(), Client: name, Op: history.Watermarks, Outcome: history.OK, Marks: &said}))
		}
	}
	return marks, nil
}

// listOffsets asks for one offset of each partition. An error of any is an error.
func listOffsets(ctx context.Context, conn *wire.Redial, all []part, isolation int8, timestamp int64) (map[part]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID, req.IsolationLevel = 7, -1, isolation
	for _, p := range all {
		i := slices.IndexFunc(req.Topics, func(t kmsg.ListOffsetsRequestTopic) bool { return t.Topic == p.name })
		if i < 0 {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.name
			i, req.Topics = len(req.Topics), append(req.Topics, t)
		}
		ask := kmsg.NewListOffsetsRequestTopicPartition()
		ask.Partition, ask.Timestamp, ask.CurrentLeaderEpoch = p.number, timestamp, -1
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, ask)
	}
	resp, err := conn.Call(ctx, req)
	if err != nil {
		return nil, err
	}
	got := map[part]int64{}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, answer := range t.Partitions {
			if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
				return nil, fmt.Errorf("offsets of %s-%d: %w", t.Topic, answer.Partition, err)
			}
			for _, p := range all {
				if p.name == t.Topic && p.number == answer.Partition {
					got[p] = answer.Offset
				}
			}
		}
	}
	if len(got) != len(all) {
		return nil, fmt.Errorf("offsets of %d partitions, not %d", len(got), len(all))
	}
	return got, nil
}
