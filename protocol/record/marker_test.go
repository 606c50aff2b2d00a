package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// The bytes of key and value are those of Kafka's ControlRecordType and EndTxnMarker,
// version 0.
func TestMarkerIsKafkas(t *testing.T) {
	for _, c := range []struct {
		m    EndMarker
		tail string // the record: length, attributes, deltas, key, value, no headers
	}{
		{EndMarker{Commit: true, CoordinatorEpoch: 9}, "200000000800000001" + "0c000000000009" + "00"},
		{EndMarker{Commit: false, CoordinatorEpoch: 0}, "200000000800000000" + "0c000000000000" + "00"},
		{EndMarker{Commit: false, CoordinatorEpoch: -1}, "200000000800000000" + "0c0000ffffffff" + "00"},
	} {
		b := AppendMarker([]byte("x"), 4000, 3, c.m, 1234)[1:]
		if len(b) != MarkerSize {
			t.Fatalf("%d bytes, want %d", len(b), MarkerSize)
		}
		if got := hex.EncodeToString(b[HeaderSize:]); got != c.tail {
			t.Errorf("%+v: record %s, want %s", c.m, got, c.tail)
		}
		if got, err := ParseMarker(b); err != nil || got != c.m {
			t.Errorf("%+v came back as %+v, %v", c.m, got, err)
		}
		var k kmsg.RecordBatch
		if err := k.ReadFrom(b); err != nil {
			t.Fatal(err)
		}
		h, err := ParseHeader(b)
		if err != nil || !h.Control() || !h.Transactional() || h.BaseSequence != -1 || h.LastOffsetDelta != 0 || h.Records != 1 ||
			h.ProducerID != 4000 || h.ProducerEpoch != 3 || h.MaxTimestamp != 1234 || h.BaseTimestamp != 1234 {
			t.Errorf("header %+v, %v", h, err)
		}
		if before := bytes.Clone(b); true {
			seal(b)
			if !bytes.Equal(b, before) {
				t.Error("the CRC is wrong")
			}
		}
	}
}

func TestParseMarkerRefuses(t *testing.T) {
	build := func(transactional, control bool, key, value []byte, n int) []byte {
		b := NewBuilder()
		b.Producer, b.Transactional, b.Control = Producer{1, 2, -1}, transactional, control
		for range n {
			b.Append(5, key, value)
		}
		return b.Batch()
	}
	commit, epoch := []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 7}
	if m, err := ParseMarker(build(true, true, []byte{0, 1, 0, 1, 9}, append(epoch, 1, 2), 1)); err != nil || m != (EndMarker{true, 7}) {
		t.Errorf("a longer, later version: %+v, %v", m, err)
	}
	for name, b := range map[string][]byte{
		"data":              build(true, false, commit, epoch, 1),
		"not transactional": build(false, true, commit, epoch, 1),
		"short key":         build(true, true, commit[:3], epoch, 1),
		"short value":       build(true, true, commit, epoch[:5], 1),
		"null value":        build(true, true, commit, nil, 1),
		"another type":      build(true, true, []byte{0, 0, 0, 2}, epoch, 1),
		"two records":       build(true, true, commit, epoch, 2),
	} {
		if m, err := ParseMarker(b); !errors.Is(err, protocol.InvalidRecord) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if _, err := ParseMarker(nil); err == nil {
		t.Error("no bytes are a marker")
	}
}
