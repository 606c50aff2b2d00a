package partition

import "testing"

// A state block never takes more than its bound: who was idle for longest is forgotten
// first, and never with a transaction open.
func TestTrim(t *testing.T) {
	var s State
	apply(t, &s, txnEntry(0, 1, 1000, 0, 0), 0, 0)
	for i := range int64(999) {
		apply(t, &s, entry(1+i, 1, 2, 1+i, 0, 0), 0, 0)
	}
	for i := range int64(4) {
		apply(t, &s, entry(1000+i, 1, 2, 5, 0, int32(1+i)), 0, 0) // a whole window, and young
	}
	whole, _ := s.MarshalBinary()
	if n := s.Trim(len(whole)); n != 0 {
		t.Fatalf("%d forgotten although all fit", n)
	}
	limit := len(whole) / 2
	n := s.Trim(limit)
	block, _ := s.MarshalBinary()
	if n == 0 || len(block) > limit-limit/8 || len(block) < limit/2 {
		t.Fatalf("%d forgotten, %d bytes left of %d", n, len(block), len(whole))
	}
	if !s.InTransaction(1000, 0) || s.producers[5] == nil || s.producers[4] != nil || s.producers[999] == nil {
		t.Error("not those were forgotten that were idle for longest")
	}
	var back State
	if err := back.UnmarshalBinary(block); err != nil || back.Producers() != s.Producers() {
		t.Error(back.Producers(), err)
	}
	if n := s.Trim(limit); n != 0 {
		t.Errorf("%d forgotten at the second time", n)
	}
}
