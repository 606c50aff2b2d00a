package object

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

// counting counts what a bucket is asked for.
type counting struct {
	bucket.Bucket
	listed, read int // objects
}

func (c *counting) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	return c.Bucket.List(ctx, prefix, after, func(i bucket.Info) error {
		c.listed++
		return fn(i)
	})
}

func (c *counting) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	c.read++
	return c.Bucket.Get(ctx, key, off, n)
}

// lives is a journal through many processes; oldest is what a metadata store would keep.
type lives struct {
	t      *testing.T
	bucket *counting
	oldest journal.VolumeID
	keep   error // of keeping it
	next   uint64
}

func (l *lives) begin() (*Journal, []uint64, error) {
	c := config(l.bucket)
	c.Oldest = l.oldest
	c.Released = func(_ context.Context, oldest journal.VolumeID) error {
		if l.keep == nil {
			l.oldest = oldest
		}
		return l.keep
	}
	l.bucket.listed, l.bucket.read = 0, 0
	j := New(c)
	seqs, err := replay(j)
	return j, seqs, err
}

// epoch appends a pack and closes the epoch behind it.
func (l *lives) epoch(j *Journal) {
	l.t.Helper()
	l.next++
	if _, err := j.Append(bg, l.next, journaltest.Make(newRand(l.next), 1, 1, 100).Bufs); err != nil {
		l.t.Fatal(err)
	}
	if err := j.Roll(bg, l.next); err != nil {
		l.t.Fatal(err)
	}
}

func releaseClosed(t *testing.T, j *Journal, but int) {
	t.Helper()
	volumes := j.Volumes()
	for _, v := range volumes[:max(len(volumes)-1-but, 0)] {
		if err := j.Release(bg, v.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStartListsWhatIsOpen: epochs that are over cost a start nothing, however many.
func TestStartListsWhatIsOpen(t *testing.T) {
	l := &lives{t: t, bucket: &counting{Bucket: mem.New()}}
	j, _, err := l.begin()
	if err != nil {
		t.Fatal(err)
	}
	const epochs, processes = 100, 5
	for range processes {
		for range epochs {
			l.epoch(j)
			releaseClosed(t, j, 2)
		}
		var seqs []uint64
		if j, seqs, err = l.begin(); err != nil { // as after a kill
			t.Fatal(err)
		}
		if want := []uint64{l.next - 1, l.next}; !slices.Equal(seqs, want) {
			t.Errorf("packs %v were replayed, want %v", seqs, want)
		}
		// Two epochs of a pack, and the open one; a header, pack and fence each.
		if l.bucket.listed > 12 || l.bucket.read > 12 {
			t.Errorf("%d objects were listed and %d read to start, in epoch %d", l.bucket.listed, l.bucket.read, l.oldest)
		}
	}
	if l.oldest < epochs*processes-3 {
		t.Errorf("epoch %d is the oldest of %d", l.oldest, epochs*processes)
	}
	// A store that knows nothing of it makes the start slower, not wrong.
	l.oldest = 0
	_, seqs, err := l.begin()
	if err != nil || len(seqs) != 2 {
		t.Errorf("packs %v, %v", seqs, err)
	}
	if l.bucket.listed < 3*epochs*processes-10 {
		t.Errorf("%d objects in all: headers, fences and marks of %d epochs stay", l.bucket.listed, epochs*processes)
	}
}

// TestOldestIsKeptBeforeItCounts: a store that fails is asked again with the next release.
func TestOldestIsKeptBeforeItCounts(t *testing.T) {
	l := &lives{t: t, bucket: &counting{Bucket: mem.New()}}
	j, _, err := l.begin()
	if err != nil {
		t.Fatal(err)
	}
	l.epoch(j)
	l.keep = errors.New("not now")
	first := j.Volumes()[0].ID
	if err := j.Release(bg, first); !errors.Is(err, l.keep) {
		t.Errorf("release: %v", err)
	}
	l.keep = nil
	if err := j.Release(bg, first); err != nil || l.oldest != first+1 {
		t.Errorf("epoch %d is kept: %v", l.oldest, err)
	}
	if _, _, err := l.begin(); err != nil {
		t.Error(err)
	}
}

// TestMissingOldestIsALoss: a journal that does not go on where it was is not replayed.
func TestMissingOldestIsALoss(t *testing.T) {
	l := &lives{t: t, bucket: &counting{Bucket: mem.New()}}
	j, _, err := l.begin()
	if err != nil {
		t.Fatal(err)
	}
	l.epoch(j)
	releaseClosed(t, j, 0)
	l.bucket.Bucket = mem.New() // emptied
	if _, _, err := l.begin(); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("an empty bucket: %v", err)
	}
}
