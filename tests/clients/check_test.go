package clients

import (
	"fmt"
	"testing"
)

// place is where a record lies.
type place struct {
	partition int32
	offset    int64
}

// checkRecords holds what the members read against what the producer was told: each
// record once, at its acknowledged offset, in order, with its content.
func (s *scenario) checkRecords(t *testing.T) {
	t.Helper()
	if s.content == nil {
		s.content = content
	}
	s.checkPlaces(t, s.content)
}

// checkPlaces is checkRecords for records with the given content.
func (s *scenario) checkPlaces(t *testing.T, content func(n int) (key, value *string)) {
	t.Helper()
	acked := map[place]event{}
	latest := map[int32]event{}
	numbers := map[int]bool{}
	for _, e := range s.producer.snapshot() {
		if e.Event != "acked" {
			continue
		}
		at := place{e.Partition, e.Offset}
		if other, twice := acked[at]; twice {
			t.Errorf("offset %v acknowledged for record %d and for record %d", at, other.N, e.N)
		}
		if before, ok := latest[e.Partition]; ok && e.N > before.N != (e.Offset > before.Offset) {
			t.Errorf("partition %d: record %d at offset %d, record %d at %d", e.Partition, before.N, before.Offset, e.N, e.Offset)
		}
		acked[at], latest[e.Partition], numbers[e.N] = e, e, true
	}
	if len(numbers) != s.sent || len(acked) != s.sent {
		t.Errorf("%d records acknowledged at %d offsets, %d sent", len(numbers), len(acked), s.sent)
	}
	read := map[place]bool{}
	for _, m := range s.members {
		checkMember(t, m, acked, read, content)
	}
	if len(read) != len(acked) {
		t.Errorf("the group read %d offsets, %d were acknowledged", len(read), len(acked))
	}
}

// checkMember holds one member's records against the acknowledged ones, and their order
// within each of its assignments: without a new assignment it never goes back.
func checkMember(t *testing.T, m *program, acked map[place]event, read map[place]bool, content func(n int) (key, value *string)) {
	t.Helper()
	next := map[int32]int64{}
	faults := 0
	for _, e := range m.snapshot() {
		switch e.Event {
		case "assigned":
			clear(next)
		case "record":
			at := place{e.Partition, e.Offset}
			if fault := compare(e, acked[at], content); fault != "" && faults < 10 {
				t.Errorf("%s: %v: %s", m.name, at, fault)
				faults++
			}
			if e.Offset < next[e.Partition] && faults < 10 {
				t.Errorf("%s: %v after %d without a rebalance", m.name, at, next[e.Partition]-1)
				faults++
			}
			next[e.Partition] = e.Offset + 1
			read[at] = true
		}
	}
}

// compare says what differs between a record as read, as acknowledged, and as it should
// be by its number.
func compare(got, acked event, content func(n int) (key, value *string)) string {
	if acked.Event == "" {
		return fmt.Sprintf("record %d was never acknowledged here", got.N)
	}
	key, value := content(got.N)
	switch {
	case got.N != acked.N:
		return fmt.Sprintf("read record %d, acknowledged %d", got.N, acked.N)
	case !equal(got.Key, key):
		return fmt.Sprintf("record %d: key %s", got.N, show(got.Key))
	case !equal(got.Value, value):
		return fmt.Sprintf("record %d: value %s", got.N, show(got.Value))
	}
	return ""
}

// content is the key and value of the n-th record, as every program sends it.
func content(n int) (key, value *string) {
	if n%5 != 0 {
		s := fmt.Sprintf("key-%d", n%17)
		key = &s
	}
	if n%13 != 0 {
		s := fmt.Sprintf("välue-%d", n)
		value = &s
	}
	return key, value
}

// keyOrValue is content for clients that do not send a record without both.
func keyOrValue(n int) (key, value *string) {
	key, value = content(n)
	if key == nil {
		v := fmt.Sprintf("välue-%d", n)
		value = &v
	}
	return key, value
}

// withValue is content for clients that tell the number of a record by its value.
func withValue(n int) (key, value *string) {
	key, _ = content(n)
	v := fmt.Sprintf("välue-%d", n)
	return key, &v
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func show(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}
