package record

import "testing"

func TestSetPlain(t *testing.T) {
	b := encodeBatch(t, spec{records: someRecords(9, 3), codec: CodecLZ4})
	want := readAll(t, b)
	b[22] |= attrTransactional
	b[43], b[50], b[52], b[56] = 0, 7, 3, 9
	SetPlain(b)
	h, err := ParseHeader(b)
	if err != nil || h.Transactional() || h.ProducerID != -1 || h.ProducerEpoch != -1 || h.BaseSequence != -1 || h.Codec() != CodecLZ4 {
		t.Fatalf("%+v, %v", h, err)
	}
	if _, err := Validate(b, testRules(), nil); err != nil {
		t.Fatalf("not a sound batch: %v", err)
	}
	wantRecords(t, readAll(t, b), want)
}
