package upkeep

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/merge"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// The months have a thousandth of the bytes, so that they fit into memory.
const (
	monthSeal   = 5 * time.Minute
	monthSlice  = 300      // bytes: 1 KiB/s for five minutes
	monthEnough = 32 << 10 // of a slice
	monthBulk   = 40 << 10 // bytes of the fast partition at each seal: enough
	monthKeep   = 7 * 24 * time.Hour
)

// months is a broker's storage over months: real registrations, merges, retention and
// sweeps of segments as seals leave them. The journal in front of them is left out.
type months struct {
	*rig
	next    map[pack.PartitionID]int64
	wrote   map[bool]float64 // bytes of batches, by whether they came in bulk
	made    uint32           // topics
	deleted int
	trickle []Topic
	bulk    Topic
	short   []Topic // that live for six hours
}

// TestMonths holds what merging promises at each hour of 30 days: how often bytes are
// moved, how many slices there are, how much is dead, that nothing is left over. At the
// end every record that is retained is read.
func TestMonths(t *testing.T) {
	days := 30
	if testing.Short() {
		days = 2
	}
	m := newMonths(t)
	for hour := range days * 24 {
		m.change(hour, days)
		m.must(m.upkeep.Retain(context.Background()))
		for range int(time.Hour / monthSeal) {
			m.seal()
			m.clock.advance(monthSeal)
			m.must(m.upkeep.Merge(context.Background()))
			m.must(m.upkeep.Sweep(context.Background()))
		}
		m.hold(hour)
	}
	if m.deleted < 33*days {
		t.Errorf("only %d topics were deleted", m.deleted)
	}
	small := m.moved(reasonSmall)
	if small < m.wrote[false]/2 || m.moved(reasonDead) == 0 {
		t.Errorf("moved %v and %v bytes: that shows nothing", small, m.moved(reasonDead))
	}
	m.readAll()
	m.sweepTwice()
	m.checkObjects()
	t.Logf("%.0f bytes trickled, %.0f in bulk; %.0f moved to be joined, %.0f out of dead segments", m.wrote[false], m.wrote[true], small, m.moved(reasonDead))
}

func newMonths(t *testing.T) *months {
	r := newMergeRig(t, uploaded)
	r.upkeep.cfg.MergeEnough = monthEnough
	m := &months{rig: r, next: map[pack.PartitionID]int64{}, wrote: map[bool]float64{}}
	for range 4 {
		m.trickle = append(m.trickle, m.create(25))
	}
	m.bulk = m.create(1)
	return m
}

func (m *months) create(partitions int32) Topic {
	m.t.Helper()
	m.made++
	t := Topic{
		ID: pack.TopicID{0: 7}, Partitions: partitions, Delete: true, RetentionMs: monthKeep.Milliseconds(), RetentionBytes: -1,
		SegmentBytes: 1 << 30, SegmentMs: monthKeep.Milliseconds(),
	}
	binary.BigEndian.PutUint32(t.ID[12:], m.made)
	m.must(m.store.CreateTopic(context.Background(), metadata.Topic{ID: t.ID, Name: fmt.Sprint("t", m.made), Partitions: partitions, Replicas: 1}))
	m.topics.mu.Lock()
	defer m.topics.mu.Unlock()
	m.topics.list = append(m.topics.list, t)
	return t
}

func (m *months) drop(t Topic) {
	m.t.Helper()
	m.delete(t)
	m.deleted++
	for i := range t.Partitions {
		delete(m.next, at(t, i))
	}
}

// change makes and deletes topics: three every two hours, and once half of all.
func (m *months) change(hour, days int) {
	m.t.Helper()
	for range 1 + hour%2 {
		m.short = append(m.short, m.create(2))
	}
	for len(m.short) > 9 {
		m.drop(m.short[0])
		m.short = m.short[1:]
	}
	if hour != days*12 {
		return
	}
	for i := range 2 {
		m.drop(m.trickle[i])
		m.trickle[i] = m.create(25)
	}
	m.drop(m.bulk)
	m.bulk = m.create(1)
}

// seal registers what five minutes have brought to each partition.
func (m *months) seal() {
	m.t.Helper()
	now := m.clock.Now().UnixMilli()
	var b pack.Builder
	var states []metadata.State
	add := func(id pack.PartitionID, bytes int) {
		batch := m.batch(id, m.next[id], bytes, now)
		b.Add(m.entry(id, batch, now), batch)
		m.next[id]++
		m.wrote[id.Topic == m.bulk.ID] += float64(len(batch))
		states = append(states, metadata.State{ID: id, NextOffset: m.next[id]})
	}
	for _, t := range append(m.trickle[:4:4], m.short[max(0, len(m.short)-4):]...) {
		for i := range t.Partitions {
			add(at(t, i), monthSlice)
		}
	}
	add(at(m.bulk, 0), monthBulk)
	m.registerPack(&b, states, now)
}

// entry is the index entry of a plain batch.
func (r *rig) entry(id pack.PartitionID, batch []byte, now int64) pack.Entry {
	h, err := record.ParseHeader(batch)
	r.must(err)
	return pack.Entry{
		ID: id, BaseOffset: h.BaseOffset, AppendTime: now, Records: h.Records, BaseTimestamp: h.BaseTimestamp, MaxTimestamp: h.MaxTimestamp,
		ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch, BaseSequence: h.BaseSequence, Attributes: h.Attributes, CRC: h.CRC, Length: int32(len(batch)),
	}
}

// registerPack makes a segment of what is in b and registers it, as a seal does.
func (r *rig) registerPack(b *pack.Builder, states []metadata.State, now int64) {
	r.t.Helper()
	ctx := context.Background()
	reg := metadata.Registration{States: states}
	bufs, index := b.Encode(pack.Header{})
	src := bytes.NewReader(bytes.Join(bufs, nil))
	plan := &segment.Plan{Volume: r.upkeep.volumeHeader(1)}
	for id, x := range index.Extents(0) {
		plan.Add(src, id, x, now)
	}
	key := newKey(segmentPrefix, uint64(now))
	r.must(r.store.Intend(ctx, key))
	size, err := r.upkeep.upload(ctx, key, plan)
	r.must(err)
	footer, err := r.upkeep.openFooter(ctx, key, size)
	r.must(err)
	reg.Segment = metadata.Segment{Key: key, Bytes: size, Data: dataOf(footer)}
	for i := range footer.Len() {
		s, err := sliceOf(footer, footer.Part(i), 0)
		r.must(err)
		reg.Slices = append(reg.Slices, s)
	}
	_, err = r.store.Register(ctx, reg)
	r.must(err)
	r.upkeep.merge.noteSealed(reg.Slices, r.upkeep.enough())
}

// batch is what a partition has at an offset: it can be told from any other.
func (m *months) batch(id pack.PartitionID, offset int64, bytes int, now int64) []byte {
	value := make([]byte, bytes-100)
	copy(value, fmt.Sprintf("%v at %d", id, offset))
	b := record.NewBuilder()
	b.Append(now, nil, value)
	out := append([]byte(nil), b.Batch()...)
	record.SetOffset(out, offset, 0)
	return out
}

func (m *months) moved(reason string) float64 {
	return testutil.ToFloat64(m.upkeep.metrics.mergeBytes.WithLabelValues(reason))
}

// hold checks the bounds at the end of an hour.
func (m *months) hold(hour int) {
	m.t.Helper()
	if small := m.moved(reasonSmall); small > 2*m.wrote[false] {
		m.t.Fatalf("hour %d: %.0f bytes moved of %.0f", hour, small, m.wrote[false])
	}
	if dead := m.moved(reasonDead); dead > m.wrote[false]+m.wrote[true] {
		m.t.Fatalf("hour %d: %.0f bytes moved out of dead segments", hour, dead)
	}
	u := m.usage()
	if dead := float64(u.Data-u.Live) / float64(u.Data); dead > deadInAll {
		m.t.Fatalf("hour %d: %.2f is dead", hour, dead)
	}
	for id, n := range m.next {
		bytes := n * monthSlice
		if id.Topic == m.bulk.ID {
			bytes = n * monthBulk
		}
		// Two levels; a run that retention bounds; the bulk has a slice of each seal.
		if have, most := len(m.slices(id)), merge.Most+2*(merge.Least-1)+int(bytes/monthEnough); have > most && id.Topic != m.bulk.ID {
			m.t.Fatalf("hour %d: %d slices of %v, at most %d", hour, have, id, most)
		}
	}
	// Objects go when nothing needs them: those of the last hours, and no more.
	if have, most := len(m.objects("")), u.Segments+4*int(time.Hour/monthSeal)+stateSegmentsMax; have > most {
		m.t.Fatalf("hour %d: %d objects, at most %d", hour, have, most)
	}
}

// readAll reads every partition from its log start to its end.
func (m *months) readAll() {
	m.t.Helper()
	records := 0
	for id, next := range m.next {
		offset, err := m.store.LogStart(context.Background(), id)
		m.must(err)
		if offset == 0 && next > int64(2*monthKeep/monthSeal) {
			m.t.Errorf("nothing of %v expired", id)
		}
		for b, err := range record.Batches(m.read(id)) {
			m.must(err)
			want := monthSlice
			if id.Topic == m.bulk.ID {
				want = monthBulk
			}
			if b.Header.BaseOffset != offset || !bytes.Equal(b.Bytes, m.batch(id, offset, want, b.Header.BaseTimestamp)) {
				m.t.Fatalf("%v: offset %d where %d is due, or another record", id, b.Header.BaseOffset, offset)
			}
			offset++
			records++
		}
		if offset != next {
			m.t.Errorf("%v ends at %d, not at %d", id, offset, next)
		}
	}
	if records < 10_000 {
		m.t.Errorf("only %d records were read", records)
	}
}
