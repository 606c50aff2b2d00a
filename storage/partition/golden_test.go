package partition

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew")

// The state block of the first release is read for ever: bytes that were written
// once must decode, and encode to themselves.
func TestGoldenStateBlock(t *testing.T) {
	const file = "testdata/state-v1.hex"
	var s State
	for _, e := range []struct {
		base   int64
		n      int32
		epoch  int32
		id     int64
		pepoch int16
		seq    int32
	}{{0, 3, 0, -1, -1, -1}, {3, 10, 0, 4000, 0, 0}, {13, 5, 2, 4000, 0, 10}, {18, 1, 2, 4001, 7, 0}} {
		apply(t, &s, entry(e.base, e.n, e.epoch, e.id, e.pepoch, e.seq), 0, 0)
	}
	got, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(hex.EncodeToString(got)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("encoded %x, the golden file has %x", got, want)
	}
	var back State
	if err := back.UnmarshalBinary(want); err != nil || back.NextOffset() != 19 || back.Producers() != 2 || back.EpochAt(13) != 2 {
		t.Fatalf("decoded %+v, %v", back, err)
	}
}
