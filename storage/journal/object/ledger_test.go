package object

import (
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

// remembered is a bucket and the ledger of the journals in it.
type remembered struct {
	t      *testing.T
	bucket *mem.Bucket
	ledger *journaltest.Ledger
}

func (r *remembered) begin() (*Journal, []uint64, error) {
	c := config(r.bucket)
	c.Ledger = r.ledger
	j := New(c)
	seqs, err := replay(j)
	return j, seqs, err
}

// life appends one pack, rolls, appends another, and is killed.
func (r *remembered) life() *Journal {
	r.t.Helper()
	j, seqs, err := r.begin()
	if err != nil {
		r.t.Fatal(err)
	}
	rng, next := newRand(1), uint64(len(seqs))+1
	err = errors.Join(errors.Join(appendAll(j, rng, next, next)...), j.Roll(bg, next), errors.Join(appendAll(j, rng, next+1, next+1)...))
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

func (r *remembered) keys() (n int) { return r.bucket.Len() }

// TestOlderStore: epochs of a start that the ledger has not counted are not taken over,
// not even fenced, however often it is tried.
func TestOlderStore(t *testing.T) {
	r := &remembered{t, mem.New(), newLedger()}
	r.life()
	old := r.ledger.Memory
	r.life()
	r.life()
	now := r.ledger.Memory
	r.ledger.Memory = old
	objects := r.keys()
	for range 4 {
		if _, _, err := r.begin(); !errors.Is(err, journal.ErrNewer) {
			t.Fatalf("started with %v", err)
		}
	}
	if r.keys() != objects {
		t.Errorf("%d objects after a start that was refused, %d before", r.keys(), objects)
	}
	r.ledger.Memory = now
	if _, seqs, err := r.begin(); err != nil || len(seqs) != 6 {
		t.Fatalf("with its own ledger: %v, %v", seqs, err)
	}
}

// TestLostEpochs: a journal whose objects are gone does not begin anew.
func TestLostEpochs(t *testing.T) {
	r := &remembered{t, mem.New(), newLedger()}
	r.life()
	older := copyOf(t, r.bucket)
	r.life()
	for name, lost := range map[string]*mem.Bucket{"removed": mem.New(), "older copy": older} {
		r.bucket = lost
		objects := r.keys()
		if _, _, err := r.begin(); !errors.Is(err, journal.ErrLost) {
			t.Errorf("%s: started with %v", name, err)
		}
		if r.keys() != objects {
			t.Errorf("%s: %d objects after a start that was refused, %d before", name, r.keys(), objects)
		}
	}
}

// TestRollNeedsNoLedger: nothing but the bucket is needed to go on.
func TestRollNeedsNoLedger(t *testing.T) {
	r := &remembered{t, mem.New(), newLedger()}
	j := r.life()
	away := errors.New("the store is away")
	r.ledger.Step = func() error { return away }
	if err := errors.Join(j.Roll(bg, 2), errors.Join(appendAll(j, newRand(2), 3, 4)...), j.Roll(bg, 4)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.begin(); !errors.Is(err, away) {
		t.Errorf("a start without it: %v", err)
	}
}
