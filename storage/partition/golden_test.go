package partition

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/pack"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenEntries are the batches that all golden files begin with.
func goldenEntries() []pack.Entry {
	return []pack.Entry{
		entry(0, 3, 0, -1, -1, -1),
		entry(3, 10, 0, 4000, 0, 0),
		entry(13, 5, 2, 4000, 0, 10),
		entry(18, 1, 2, 4001, 7, 0),
	}
}

func golden(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The state block of the first release is read for ever.
func TestGoldenStateBlockVersion1(t *testing.T) {
	var s, back State
	for _, e := range goldenEntries() {
		apply(t, &s, e, 0, 0)
	}
	if err := back.UnmarshalBinary(golden(t, "testdata/state-v1.hex")); err != nil {
		t.Fatal(err)
	}
	want, _ := s.MarshalBinary()
	if got, _ := back.MarshalBinary(); !bytes.Equal(got, want) {
		t.Fatalf("decoded to the state %x, want %x", got, want)
	}
}

// Bytes that were written once must decode, and encode to themselves.
func TestGoldenStateBlock(t *testing.T) {
	const file = "testdata/state-v2.hex"
	var s State
	for _, e := range goldenEntries() {
		apply(t, &s, e, 0, 0)
	}
	apply(t, &s, txnEntry(19, 2, 4002, 1, 0), 0, 0) // begins, and is left open
	apply(t, &s, txnEntry(21, 1, 4003, 0, 0), 0, 0) // is committed, in version 1
	apply(t, &s, markerEntry(22, 4003, 0, 9, true), 0, 0)
	apply(t, &s, txnEntry(23, 1, 4004, 5, 0), 0, 0) // is aborted with a new epoch
	apply(t, &s, markerEntry(24, 4004, 6, 9, false), 0, 0)
	apply(t, &s, markerEntry(25, 4005, 0, 9, false), 0, 0) // never wrote anything
	got, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(hex.EncodeToString(got)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := golden(t, file)
	if !bytes.Equal(got, want) {
		t.Fatalf("encoded %x, the golden file has %x", got, want)
	}
	var back State
	if err := back.UnmarshalBinary(want); err != nil || back.NextOffset() != 26 || back.Producers() != 6 || back.EpochAt(13) != 2 {
		t.Fatalf("decoded %+v, %v", back, err)
	}
	if first := back.FirstUnstable(0); first != 19 || !back.InTransaction(4002, 1) {
		t.Fatalf("the open transaction begins at %d", first)
	}
}
