package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// emptyAfter is for how long nothing comes before it is asked whether there are records at
// all.
const emptyAfter = 2 * time.Second

// goals are the offsets at which reading ends. nil: nowhere.
type goals struct {
	next, to map[at]int64
	open     int // partitions whose goal is not reached
}

type at struct {
	topic     string
	partition int32
}

func newGoals(begin, to map[string]map[int32]int64) *goals {
	g := &goals{next: map[at]int64{}, to: map[at]int64{}}
	for t, parts := range to {
		for p, o := range parts {
			g.next[at{t, p}], g.to[at{t, p}] = begin[t][p], o
			if begin[t][p] < o {
				g.open++
			}
		}
	}
	return g
}

func (g *goals) reached() bool { return g != nil && g.open == 0 }

func (g *goals) done(topic string, partition int32) bool {
	return g.next[at{topic, partition}] >= g.to[at{topic, partition}]
}

// move says that all below an offset was seen.
func (g *goals) move(a at, next int64) {
	if before := g.next[a]; next > before {
		g.next[a] = next
		if before < g.to[a] && next >= g.to[a] {
			g.open--
		}
	}
}

// within takes note of what was read, and leaves out what lies behind a goal or is no record
// of a client.
func (g *goals) within(records []*kgo.Record) []*kgo.Record {
	kept := records[:0]
	for _, r := range records {
		if g != nil {
			a := at{r.Topic, r.Partition}
			if r.Offset >= g.to[a] {
				g.move(a, r.Offset)
				continue
			}
			g.move(a, r.Offset+1)
		}
		if !r.Attrs.IsControl() {
			kept = append(kept, r)
		}
	}
	return kept
}

// lookBeyond asks for the batches where a goal is not reached: those without records are not
// told of by the library, and move the goal all the same.
func (g *goals) lookBeyond(ctx context.Context, k *kgo.Client) error {
	for a, to := range g.to {
		next := g.next[a]
		if next >= to {
			continue
		}
		end, err := emptyUntil(ctx, k, a, next)
		if err != nil {
			return fault(fmt.Sprintf("cannot read topic %q", a.topic), err, "")
		}
		g.move(a, end)
	}
	return nil
}

// emptyUntil returns the offset up to which there are batches without records only.
func emptyUntil(ctx context.Context, k *kgo.Client, a at, next int64) (int64, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.ReplicaID = 500, 1, 1<<20, -1
	topic, part := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.Topic, part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = a.topic, a.partition, next, 1<<20, -1
	meta := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &a.topic
	meta.Topics = append(meta.Topics, t)
	told, err := meta.RequestWith(ctx, k)
	if err != nil {
		return next, err
	}
	leader := int32(-1)
	for _, t := range told.Topics {
		topic.TopicID = t.TopicID // newer requests name it so
		for _, p := range t.Partitions {
			if p.Partition == a.partition {
				leader = p.Leader
			}
		}
	}
	if leader < 0 {
		return next, nil // none for now
	}
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	raw, err := k.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return next, err
	}
	for _, t := range raw.(*kmsg.FetchResponse).Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !kerr.IsRetriable(err) {
				return next, err
			}
			next = skipEmpty(p.RecordBatches, next)
		}
	}
	return next, nil
}

// skipEmpty walks over batches of format 2 that have no records left.
func skipEmpty(b []byte, next int64) int64 {
	const header = 61
	for len(b) >= header && b[16] == 2 {
		size := int(binary.BigEndian.Uint32(b[8:])) + 12
		if size < header || binary.BigEndian.Uint32(b[57:]) > 0 {
			break
		}
		next = max(next, int64(binary.BigEndian.Uint64(b))+int64(binary.BigEndian.Uint32(b[23:]))+1)
		b = b[min(size, len(b)):]
	}
	return next
}
