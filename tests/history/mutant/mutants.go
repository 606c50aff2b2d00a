package mutant

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/history/check"
)

// Kind is one way to break a broker.
type Kind struct {
	Name string
	New  func() Mutant
	// Shows are the anomalies that its histories have, at least one of them.
	Shows []check.Kind
	// Transactions says that it takes transactions to show.
	Transactions bool
}

// Kinds are all there are.
var Kinds = []Kind{
	{"drops an acknowledged batch", func() Mutant { return &dropper{} }, []check.Kind{check.Lost}, false},
	{"duplicates an acknowledged batch", func() Mutant { return &duplicator{} }, []check.Kind{check.Duplicated}, false},
	{"serves aborted records", func() Mutant { return &aborted{} }, []check.Kind{check.AbortedRead}, true},
	{"serves past the last stable offset", func() Mutant { return &unstable{} }, []check.Kind{check.PastLastStable}, true},
	{"swaps two offsets", func() Mutant { return &swapper{} }, []check.Kind{check.TwoRecords}, false},
	{"uses an offset again after a restart", func() Mutant { return &reuser{} }, []check.Kind{check.TwoRecords}, false},
	{"completes half a commit", func() Mutant { return &halver{} }, []check.Kind{check.Torn}, true},
	{"takes the high watermark back", func() Mutant { return &rewinder{} }, []check.Kind{check.HighWatermark}, false},
}

// More are kinds beside the eight that were asked for.
var More = []Kind{
	{"takes the last stable offset back", func() Mutant { return &rewinder{isolation: 1} }, []check.Kind{check.LastStable}, false},
	{"takes committed offsets back", func() Mutant { return &forgetter{} }, []check.Kind{check.CommitBack}, false},
}

// after is how many acknowledged batches pass before a mutant acts: there is something
// behind and before what it breaks.
const after = 20

// Correct changes nothing.
type Correct struct{}

// Request changes nothing.
func (Correct) Request(*Proxy, kmsg.Request) bool { return false }

// Response changes nothing.
func (Correct) Response(*Proxy, kmsg.Request, kmsg.Response) bool { return false }

// target is a batch that a mutant has chosen.
type target struct {
	Correct
	seen   int
	chosen bool
	spot   spot
	base   int64
}

// choose takes the first batch outside of transactions that is acknowledged after some
// others, and says whether it just did.
func (t *target) choose(p *Proxy, req kmsg.Request, resp kmsg.Response, fits func(batch) bool) (count int64, now bool) {
	produce, ok := req.(*kmsg.ProduceRequest)
	if !ok {
		return 0, false
	}
	p.acked(produce, resp.(*kmsg.ProduceResponse), func(s spot, b batch, answer *kmsg.ProduceResponseTopicPartition) {
		if t.seen++; t.chosen || t.seen <= after || b.is(transactional) || !fits(b) {
			return
		}
		t.chosen, t.spot, t.base = true, s, answer.BaseOffset
		count, now = b.count(), true
	})
	return count, now
}

func anyBatch(batch) bool { return true }

// dropper leaves one acknowledged batch out of every fetch.
type dropper struct{ target }

// Response drops the batch.
func (d *dropper) Response(p *Proxy, req kmsg.Request, resp kmsg.Response) (changed bool) {
	d.choose(p, req, resp, anyBatch)
	fetch, ok := resp.(*kmsg.FetchResponse)
	if !ok || !d.chosen {
		return false
	}
	p.fetched(fetch, func(s spot, part *kmsg.FetchResponseTopicPartition) {
		if s == d.spot {
			part.RecordBatches, changed = filter(part.RecordBatches, func(b batch) bool { return b.base() != d.base }), true
		}
	})
	return changed
}

// filter keeps some batches.
func filter(all []byte, keep func(batch) bool) []byte {
	kept := []byte{}
	for _, b := range split(all) {
		if keep(b) {
			kept = append(kept, b...)
		}
	}
	return kept
}

// duplicator appends one batch in some twice.
type duplicator struct {
	Correct
	seen, copies int
}

// Request sends a copy of a batch ahead of it.
func (d *duplicator) Request(p *Proxy, req kmsg.Request) bool {
	produce, ok := req.(*kmsg.ProduceRequest)
	if !ok || produce.TransactionID != nil {
		return false
	}
	if d.seen++; d.seen%after != 0 {
		return false
	}
	again := *produce
	again.Topics = nil
	for _, t := range produce.Topics {
		parts := t.Partitions
		t.Partitions = nil
		for _, part := range parts {
			if all := split(part.Records); len(all) == 1 {
				part.Records = all[0].anonymous()
				t.Partitions = append(t.Partitions, part)
			}
		}
		again.Topics = append(again.Topics, t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := p.side.Call(ctx, &again); err == nil {
		d.copies++
	}
	return false // the request itself passes as it is
}

// aborted forgets to say which transactions were aborted.
type aborted struct{ Correct }

// Response empties the list.
func (aborted) Response(p *Proxy, _ kmsg.Request, resp kmsg.Response) (changed bool) {
	fetch, ok := resp.(*kmsg.FetchResponse)
	if !ok {
		return false
	}
	p.fetched(fetch, func(_ spot, part *kmsg.FetchResponseTopicPartition) {
		changed = changed || len(part.AbortedTransactions) > 0
		part.AbortedTransactions = nil
	})
	return changed
}

// unstable takes every reader for one that reads uncommitted records.
type unstable struct{ Correct }

// Request changes the isolation.
func (unstable) Request(_ *Proxy, req kmsg.Request) bool {
	fetch, ok := req.(*kmsg.FetchRequest)
	if !ok || fetch.IsolationLevel == 0 {
		return false
	}
	fetch.IsolationLevel = 0
	return true
}

// rewinder says a lower high watermark, or last stable offset (1), now and then.
type rewinder struct {
	Correct
	isolation int8
	seen      int
}

// Response takes two off the answer to ListOffsets.
func (r *rewinder) Response(_ *Proxy, req kmsg.Request, resp kmsg.Response) (changed bool) {
	const latest, back, every = -1, 2, 7
	list, ok := req.(*kmsg.ListOffsetsRequest)
	if !ok || list.IsolationLevel != r.isolation {
		return false
	}
	asked := map[spot]bool{}
	for _, t := range list.Topics {
		for _, part := range t.Partitions {
			asked[spot{t.Topic, part.Partition}] = part.Timestamp == latest
		}
	}
	if r.seen++; r.seen%every != 0 {
		return false
	}
	answer := resp.(*kmsg.ListOffsetsResponse)
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			if part := &t.Partitions[j]; asked[spot{t.Topic, part.Partition}] && part.Offset >= back {
				part.Offset -= back
				changed = true
			}
		}
	}
	return changed
}

// forgetter answers with the group's first offset of a partition now and then.
type forgetter struct {
	Correct
	first map[string]int64
	seen  int
}

// Response takes the answer to OffsetFetch back.
func (f *forgetter) Response(_ *Proxy, req kmsg.Request, resp kmsg.Response) (changed bool) {
	const every = 5
	answer, ok := resp.(*kmsg.OffsetFetchResponse)
	if !ok {
		return false
	}
	f.seen++
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			changed = f.back(req.(*kmsg.OffsetFetchRequest).Group, t.Topic, p.Partition, &p.Offset, f.seen%every == 0) || changed
		}
	}
	for i := range answer.Groups {
		g := &answer.Groups[i]
		for j := range g.Topics {
			for k := range g.Topics[j].Partitions {
				p := &g.Topics[j].Partitions[k]
				changed = f.back(g.Group, g.Topics[j].Topic, p.Partition, &p.Offset, f.seen%every == 0) || changed
			}
		}
	}
	return changed
}

// back keeps the first offset of a partition, and with now puts it in the place of a
// later one.
func (f *forgetter) back(group, topic string, partition int32, offset *int64, now bool) bool {
	key := fmt.Sprintf("%s %s %d", group, topic, partition)
	first, known := f.first[key]
	if f.first == nil {
		f.first = map[string]int64{}
	}
	if !known && *offset >= 0 {
		f.first[key] = *offset
	}
	if !known || !now || *offset <= first {
		return false
	}
	*offset = first
	return true
}
