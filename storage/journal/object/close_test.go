package object

import (
	"errors"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

// Close leaves the slot of a pack on its way alone.
func TestCloseBesideAppend(t *testing.T) {
	b := mem.New()
	f := faults.New(b, 1)
	j, _ := open(t, f)
	rng := newRand(1)
	if _, err := j.Append(bg, 1, journaltest.Make(rng, 2, 2, 300).Bufs); err != nil {
		t.Fatal(err)
	}
	f.Add(faults.Rule{Op: faults.Create, Times: 1, Fault: faults.Fault{Kind: faults.Stall}})
	appended := make(chan error, 1)
	go func() {
		_, err := j.Append(bg, 2, journaltest.Make(rng, 2, 2, 300).Bufs)
		appended <- err
	}()
	for f.Count(faults.Create, faults.Stall) == 0 {
		select {
		case err := <-appended:
			t.Fatalf("it did not stall: %v", err)
		default:
		}
	}
	before := len(f.Events())
	if err := j.Close(bg); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("close beside an append: %v", err)
	}
	if after := len(f.Events()); after != before {
		t.Errorf("it made %d requests", after-before)
	}
	f.Release()
	if err := <-appended; err != nil {
		t.Fatalf("the pack on its way: %v", err)
	}
	if _, seqs := open(t, b); !slices.Equal(seqs, []uint64{1, 2}) {
		t.Errorf("replayed %v", seqs)
	}
}
