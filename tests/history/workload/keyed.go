package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/history"
)

// compactAfter is max.compaction.lag.ms of compacted topics: so short that a load of
// seconds sees several compactions.
const compactAfter = 1500 * time.Millisecond

// compaction is the configuration of a compacted topic.
func (l *Load) compaction() map[string]*string {
	config := map[string]*string{}
	for name, value := range map[string]string{
		"cleanup.policy":            "compact",
		"min.cleanable.dirty.ratio": "0.01",
		"max.compaction.lag.ms":     strconv.FormatInt(compactAfter.Milliseconds(), 10),
		"delete.retention.ms":       strconv.FormatInt(l.TombstonesStay.Milliseconds(), 10),
	} {
		config[name] = &value
	}
	return config
}

// keyed makes e a version of a key, sometimes one without a value. Some keys come all the
// time, others once or never again: only those show that a latest version is gone.
func keyed(e *history.Event, random *rand.Rand) {
	e.Key = fmt.Sprintf("key-%d", random.IntN(1<<random.IntN(13)))
	e.Tombstone = random.IntN(8) == 0
}

// nameHeader holds the name of a record, as its value does, where it has no value.
const nameHeader = "name"

// recordOf is the record of e as kgo sends it.
func recordOf(e *history.Event, value []byte) *kgo.Record {
	r := &kgo.Record{Topic: e.Topic, Partition: e.Partition, Value: value}
	if e.Key != "" {
		r.Key = []byte(e.Key)
	}
	if e.Tombstone {
		r.Value, r.Headers = nil, []kgo.RecordHeader{{Key: nameHeader, Value: history.Value(e.Producer, e.Sequence, 0)}}
	}
	return r
}

// keyedBatch is a batch of records with keys, as a client without idempotence sends it.
func keyedBatch(events []history.Event, values [][]byte) []byte {
	b := record.NewBuilder()
	for i := range events {
		r := recordOf(&events[i], values[i])
		var headers []record.Field
		for _, h := range r.Headers {
			headers = append(headers, record.Field{Key: h.Key, Value: h.Value})
		}
		b.Append(time.Now().UnixMilli(), r.Key, r.Value, headers...)
	}
	return b.Batch()
}

// parse reads what recordOf made.
func parse(r *kgo.Record) history.Record {
	h := history.Record{Offset: r.Offset, Key: string(r.Key), Tombstone: r.Value == nil && r.Key != nil}
	value := r.Value
	if h.Tombstone && len(r.Headers) == 1 && r.Headers[0].Key == nameHeader {
		value = r.Headers[0].Value
	}
	var err error
	if h.Producer, h.Sequence, err = history.ParseValue(value); err != nil {
		return history.Record{Offset: r.Offset, Corrupt: err.Error()}
	}
	return h
}

// passPolls bounds one reading: behind producers that are faster than it, it has no end.
const passPolls = 100

// rereader reads the compacted topics from their beginnings to their ends, again and
// again until ctx ends. Each reading is an assignment of its own.
func (l *Load) rereader(isolation history.Isolation) func(context.Context, string, uint64) error {
	return func(ctx context.Context, name string, seed uint64) error {
		f := l.fetcher(name, isolation, parts(l.keyed...))
		defer f.close()
		random := rand.New(rand.NewPCG(seed, 9))
		for ctx.Err() == nil {
			f.rewind()
			for n := 0; n < passPolls && !f.atEnd() && ctx.Err() == nil; n++ {
				// A poll that fails says nothing; the next one goes on from the same place.
				if err := f.poll(ctx, ""); err != nil {
					l.rest(ctx, random)
				}
			}
			if isolation == history.ReadUncommitted && f.atEnd() && f.gaps() {
				l.thinned.Add(1)
			}
			// What has been read is written down: a reading costs as much as all of the topic.
			pause(ctx, compactAfter/4+time.Duration(random.Int64N(int64(compactAfter/4))))
		}
		return nil
	}
}

// rewind begins a new reading of all partitions.
func (f *fetcher) rewind() {
	f.read = 0
	for i := range f.positions {
		p := &f.positions[i]
		p.offset, p.noted, p.assignment = 0, false, p.assignment+1
	}
}

// gaps says whether fewer records were read than offsets passed.
func (f *fetcher) gaps() bool {
	passed := int64(0)
	for _, p := range f.positions {
		passed += p.offset
	}
	return f.read < passed
}

// atEnd says whether each partition was read to the end that it last told.
func (f *fetcher) atEnd() bool {
	for _, p := range f.positions {
		end := p.marks.HighWatermark
		if f.isolation == history.ReadCommitted {
			end = p.marks.LastStable
		}
		if !p.noted || p.offset < end {
			return false
		}
	}
	return true
}
