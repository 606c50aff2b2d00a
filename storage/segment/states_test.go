package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Blocks that lie together are read together, in whatever order they are asked for,
// and each is still held to its partition and its checksum.
func TestStatesAreReadTogether(t *testing.T) {
	plan := &Plan{Volume: pack.VolumeHeader{Volume: 5}}
	for i := range int32(300) {
		plan.Footer.SetState(id(1, i), State{NextOffset: int64(i), Payload: fmt.Append(nil, "state ", i)})
	}
	o, err := plan.Build()
	if err != nil {
		t.Fatal(err)
	}
	object := readObject(t, o)
	r, err := Open(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	x := NewIndex(1<<20, func(_ context.Context, _ metadata.Segment, p []byte, off int64) error {
		reads++
		copy(p, object[off:])
		return nil
	})
	var blocks []Block
	for i := r.Len() - 1; i >= 0; i-- { // against their order in the footer
		if i != 100 { // a gap
			p := r.Part(i)
			blocks = append(blocks, Block{p.ID, p.StatePos, p.StateLen})
		}
	}
	got, err := x.States(t.Context(), metadata.Segment{ID: 1}, blocks)
	if err != nil || len(got) != 299 || reads != 2 {
		t.Fatalf("%d states in %d reads, %v", len(got), reads, err)
	}
	for i, s := range got {
		if n := int64(blocks[i].ID.Partition); s.NextOffset != n || string(s.Payload) != fmt.Sprint("state ", n) {
			t.Fatalf("partition %d: %+v", n, s)
		}
	}
	blocks[3].ID, blocks[4].ID = blocks[4].ID, blocks[3].ID
	if _, err := x.States(t.Context(), metadata.Segment{ID: 1}, blocks); !errors.Is(err, ErrDamaged) {
		t.Fatalf("two states changed places: %v", err)
	}
	for _, b := range []Block{{Pos: -1, Len: 100}, {Pos: 9, Len: 3}, {Pos: 9, Len: 1 << 40}} {
		if _, err := x.States(t.Context(), metadata.Segment{ID: 1}, []Block{b}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%+v: %v", b, err)
		}
	}
}
