package segment

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
)

// library is a few segments in memory behind a ReadFunc that counts.
type library struct {
	objects map[string][]byte
	reads   atomic.Int64
	before  func(ctx context.Context) error
}

func newLibrary(t *testing.T, n int) (*library, []metadata.Segment) {
	l := &library{objects: map[string][]byte{}}
	var rows []metadata.Segment
	for i := range n {
		v := newVolume(uint64(100+i), 10)
		o, err := v.plan().Build()
		if err != nil {
			t.Fatal(err)
		}
		row := metadata.Segment{ID: metadata.SegmentID(i + 1), Key: string(rune('a' + i)), Bytes: o.Size()}
		l.objects[row.Key] = readObject(t, o)
		rows = append(rows, row)
	}
	return l, rows
}

func (l *library) read(ctx context.Context, s metadata.Segment, p []byte, off int64) error {
	l.reads.Add(1)
	if l.before != nil {
		if err := l.before(ctx); err != nil {
			return err
		}
	}
	if n := copy(p, l.objects[s.Key][off:]); n < len(p) {
		return errors.New("short read")
	}
	return nil
}

func TestIndexLoadsOnce(t *testing.T) {
	l, rows := newLibrary(t, 2)
	x := NewIndex(1<<20, l.read)
	ctx := context.Background()
	for range 3 {
		for _, s := range rows {
			xs, err := x.Extents(ctx, s, id(1, 0))
			if err != nil || len(xs) == 0 {
				t.Fatal(xs, err)
			}
			if p, ok, err := x.Part(ctx, s, id(1, 0)); err != nil || !ok || p.Bytes == 0 {
				t.Fatal(p, ok, err)
			}
		}
	}
	first := l.reads.Load()
	if first > 4 {
		t.Errorf("%d reads for two segments, want 4", first)
	}
	if xs, err := x.Extents(ctx, rows[0], id(77, 0)); err != nil || xs != nil {
		t.Errorf("extents of a partition that is not there: %v, %v", xs, err)
	}
	x.Forget(rows[0].ID)
	if _, err := x.Extents(ctx, rows[0], id(1, 0)); err != nil || l.reads.Load() == first {
		t.Errorf("a forgotten segment was not read again: %v", err)
	}
}

func TestIndexIsBounded(t *testing.T) {
	l, rows := newLibrary(t, 8)
	const limit = 4000
	x := NewIndex(limit, l.read)
	ctx := context.Background()
	for range 3 {
		for _, s := range rows {
			for p := range byte(3) {
				if _, err := x.Extents(ctx, s, id(p, 0)); err != nil {
					t.Fatal(err)
				}
				if x.Bytes() > limit {
					t.Fatalf("%d bytes held, the bound is %d", x.Bytes(), limit)
				}
			}
		}
	}
	for _, s := range rows {
		x.Forget(s.ID)
	}
	if x.Bytes() != 0 || x.lru.Len() != 0 {
		t.Errorf("%d bytes held after everything was forgotten", x.Bytes())
	}
}

func TestIndexLoadsTogether(t *testing.T) {
	l, rows := newLibrary(t, 1)
	synctest.Test(t, func(t *testing.T) {
		l.before = func(context.Context) error { time.Sleep(time.Second); return nil }
		x := NewIndex(1<<20, l.read)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := x.Extents(context.Background(), rows[0], id(1, 0)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := l.reads.Load(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
	})
}

// TestIndexOutlivesACallerThatGivesUp: who waits for another's load takes over when
// that one is cancelled.
func TestIndexOutlivesACallerThatGivesUp(t *testing.T) {
	l, rows := newLibrary(t, 1)
	synctest.Test(t, func(t *testing.T) {
		l.before = func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return nil
			}
		}
		x := NewIndex(1<<20, l.read)
		impatient, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := x.Extents(impatient, rows[0], id(1, 0)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient caller got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := x.Extents(context.Background(), rows[0], id(1, 0)); err != nil {
				t.Errorf("the patient caller got %v", err)
			}
		})
		all.Wait()
	})
}

func TestIndexFailuresAreNotKept(t *testing.T) {
	l, rows := newLibrary(t, 1)
	broken := errors.New("broken")
	l.before = func(context.Context) error { return broken }
	x := NewIndex(1<<20, l.read)
	if _, err := x.Extents(context.Background(), rows[0], id(1, 0)); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	l.before = nil
	if _, err := x.Extents(context.Background(), rows[0], id(1, 0)); err != nil {
		t.Error(err)
	}
}
