package compaction

import (
	"fmt"
	"strings"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// bitHorizon says that a batch has a delete horizon (KIP-534).
const bitHorizon = 0x40

// noRecord is the line of a marker that Kafka has left without its record.
const noRecord = "  marker without a record"

// view is what a raw fetch gives of a partition, in words: a line per batch header and
// record, below an end. What differs between any two brokers has one form: producers have
// the test's numbers, a delete horizon and the time of an end marker are only there.
type view struct {
	lines []string
	// What is left of some kinds.
	records, tombstones, markers, empty int
	end                                 int64 // offset behind the last batch
}

// read reads a partition as far as a level of isolation lets it.
func (s *side) read(at spot, committed bool) *view {
	s.t.Helper()
	v := &view{}
	end := s.offset(at, -1)
	for v.end = s.offset(at, -2); v.end < end; {
		got := s.fetch(at, v.end, committed)
		if len(got.RecordBatches) == 0 {
			return v // the last stable offset
		}
		aborted := make(map[int64][]int64, len(got.AbortedTransactions))
		for _, x := range got.AbortedTransactions {
			aborted[x.ProducerID] = append(aborted[x.ProducerID], x.FirstOffset)
		}
		for b, err := range record.Batches(got.RecordBatches) {
			if err != nil {
				s.t.Fatalf("%s: %v: %v", s.Options().Kind, at, err)
			}
			if err := s.batch(v, &b, aborted); err != nil {
				s.t.Fatalf("%s: %v: batch at %d: %v", s.Options().Kind, at, b.Header.BaseOffset, err)
			}
			v.end = b.Header.LastOffset() + 1
		}
	}
	return v
}

// batch adds the lines of a batch. aborted has the first offsets of the aborted
// transactions of a fetch, by producer.
func (s *side) batch(v *view, b *record.Batch, aborted map[int64][]int64) error {
	h := &b.Header
	number, known := s.numbers[h.ProducerID]
	if !known {
		return fmt.Errorf("nobody's producer id %d", h.ProducerID)
	}
	shown := *h
	var base, largest string
	switch {
	case h.Control():
		v.markers++
		base, largest = "a marker's", "a marker's"
		if h.Records == 0 && !s.ours() {
			// Kept for its producer's epoch: we keep the record and the horizon, too.
			shown.Records, shown.Attributes = 1, h.Attributes|bitHorizon
		}
	case h.Records == 0:
		v.empty++
		base, largest = fmt.Sprint(h.BaseTimestamp), fmt.Sprint(h.MaxTimestamp)
		if s.ours() == (h.MaxTimestamp == record.NoTimestamp) {
			largest = "none" // Kafka keeps what was the largest before
		}
	default:
		base, largest = fmt.Sprint(h.BaseTimestamp), fmt.Sprint(h.MaxTimestamp)
		if _, has := h.DeleteHorizon(); has {
			base = "a horizon"
		}
	}
	v.lines = append(v.lines, fmt.Sprintf("%d..%d attributes %#x producer %d epoch %d sequence %d records %d base time %s largest %s",
		h.BaseOffset, h.LastOffset(), shown.Attributes, number, h.ProducerEpoch, h.BaseSequence, shown.Records, base, largest))
	if h.Control() {
		return s.control(v, b, aborted)
	}
	void := ""
	if open := aborted[h.ProducerID]; h.Transactional() && len(open) > 0 && open[0] <= h.BaseOffset {
		void = " aborted"
	}
	for r, err := range record.Records(b.Bytes, 4<<20) {
		if err != nil {
			return err
		}
		v.records++
		if r.Value == nil {
			v.tombstones++
		}
		v.lines = append(v.lines, fmt.Sprintf("  %d %s=%s %d %q%s", r.Offset, text(r.Key), text(r.Value), r.Timestamp, r.Headers, void))
	}
	return nil
}

// control adds the line of an end marker, which ends its producer's transaction.
func (s *side) control(v *view, b *record.Batch, aborted map[int64][]int64) error {
	h := &b.Header
	if h.Records == 0 {
		v.lines = append(v.lines, noRecord)
		return nil
	}
	m, err := record.ParseMarker(b.Bytes)
	if err != nil {
		return err
	}
	v.lines = append(v.lines, fmt.Sprintf("  marker, commit %v", m.Commit))
	if open := aborted[h.ProducerID]; !m.Commit && len(open) > 0 && open[0] <= h.BaseOffset {
		aborted[h.ProducerID] = open[1:]
	}
	return nil
}

// text shows a key or value: null differs from empty, what is long is cut.
func text(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 40:
		return fmt.Sprintf("%q..%d", b[:40], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// below cuts a view at an offset.
func (v *view) below(end int64) []string {
	for i, line := range v.lines {
		var base int64
		if n, _ := fmt.Sscanf(line, "%d..", &base); n == 1 && !strings.HasPrefix(line, " ") && base >= end {
			return v.lines[:i]
		}
	}
	return v.lines
}

// difference shows the first lines that differ, with those before; "" if none do.
func difference(ours, kafkas []string) string {
	i := 0
	for i < len(ours) && i < len(kafkas) && (ours[i] == kafkas[i] || kafkas[i] == noRecord && strings.HasPrefix(ours[i], "  marker, ")) {
		i++
	}
	if i == len(ours) && i == len(kafkas) {
		return ""
	}
	part := func(list []string) string { return strings.Join(list[max(0, i-4):min(len(list), i+6)], "\n") }
	return fmt.Sprintf("line %d\nours:\n%s\nKafka's:\n%s", i, part(ours), part(kafkas))
}
