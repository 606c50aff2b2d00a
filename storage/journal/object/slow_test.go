package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

// slowLine is a bucket behind a line that all transfers share evenly.
type slowLine struct {
	bucket.Bucket
	rate int64 // bytes per second

	mu      sync.Mutex
	active  int
	most    int
	keys    map[string]bool
	overlap bool
	cut     int // transfers that were broken off
}

const lineStep = 250 * time.Millisecond

// take moves n bytes, telling moved of each step.
func (l *slowLine) take(ctx context.Context, n int64, moved func(int64)) error {
	l.mu.Lock()
	l.active++
	l.most = max(l.most, l.active)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.active--
		l.mu.Unlock()
	}()
	for n > 0 {
		if err := sleepFor(ctx, lineStep); err != nil {
			l.mu.Lock()
			l.cut++
			l.mu.Unlock()
			return err
		}
		l.mu.Lock()
		step := min(n, max(l.rate/int64(l.active)/int64(time.Second/lineStep), 1))
		l.mu.Unlock()
		n -= step
		moved(step)
	}
	return nil
}

func sleepFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *slowLine) Create(ctx context.Context, key string, body bucket.Body) error {
	l.mu.Lock()
	l.overlap = l.overlap || l.keys[key]
	l.keys[key] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.keys, key)
	}()
	if err := l.take(ctx, body.Size, func(int64) {}); err != nil {
		return err
	}
	return l.Bucket.Create(ctx, key, body)
}

func (l *slowLine) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	r, err := l.Bucket.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	return &slowReader{r, ctx, l}, nil
}

type slowReader struct {
	io.ReadCloser
	ctx context.Context
	l   *slowLine
}

func (r *slowReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p[:min(len(p), 4<<10)])
	if n > 0 {
		if err := r.l.take(r.ctx, int64(n), func(int64) {}); err != nil {
			return 0, err
		}
	}
	return n, err
}

// TestSlowLinesAreSlowNotDead: packs get through whatever a line makes of them, with the
// journal's usual patience, and come back.
func TestSlowLinesAreSlowNotDead(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  int64
		packs int
		size  int
		cut   bool // attempts run out of time at first
	}{
		{"one batch of 16 MiB at 1 MiB/s", 1 << 20, 1, 16 << 20, false},
		{"eight packs of a mebibyte at 64 KiB/s", 64 << 10, 8, 1 << 20, true},
		{"eight packs of a mebibyte at 16 KiB/s", 16 << 10, 8, 1 << 20, true},
		{"many small ones at 4 KiB/s", 4 << 10, 24, 20 << 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line := &slowLine{Bucket: mem.New(), rate: c.rate, keys: map[string]bool{}}
				j := New(Config{Bucket: line, ClusterID: "c", Broker: 1})
				if _, err := replay(j); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				rng := newRand(1)
				errs := make([]error, c.packs)
				packs := make([]journaltest.Content, c.packs)
				var writers sync.WaitGroup
				places := make(chan struct{}, j.InFlightMax())
				for i := range errs {
					packs[i] = journaltest.Make(rng, 1, 1, c.size)
					places <- struct{}{}
					writers.Go(func() {
						_, errs[i] = j.Append(bg, uint64(i+1), packs[i].Bufs)
						<-places
					})
				}
				writers.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				t.Logf("%s, %d attempts were cut, %d transfers at once", time.Since(began), line.cut, line.most)
				if c.cut != (line.cut > 0) || line.overlap {
					t.Errorf("%d attempts were cut; two at once for one object: %t", line.cut, line.overlap)
				}
				src, err := j.OpenSource(journal.Ref{Volume: 1, Seq: 1})
				if err != nil {
					t.Fatal(err)
				}
				b := make([]byte, bytesOf(packs[0].Bufs))
				if _, err := src.ReadAt(b, 0); err != nil || !bytes.Equal(b, bytes.Join(packs[0].Bufs, nil)) {
					t.Errorf("read back: %v", err)
				}
				seqs, err := replay(New(Config{Bucket: line, ClusterID: "c", Broker: 1}))
				if err != nil || len(seqs) != c.packs {
					t.Errorf("replayed %v, %v", seqs, err)
				}
			})
		})
	}
}

func bytesOf(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// TestPaceComesBack: once the line is fast again, packs go as many at once as before.
func TestPaceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &slowLine{Bucket: mem.New(), rate: 16 << 10, keys: map[string]bool{}}
		j := New(Config{Bucket: line, ClusterID: "c", Broker: 1})
		if _, err := replay(j); err != nil {
			t.Fatal(err)
		}
		seq := uint64(1)
		round := func() {
			t.Helper()
			if err := errors.Join(appendSized(j, seq, 8, 512<<10)...); err != nil {
				t.Fatal(err)
			}
			seq += 8
		}
		round()
		if j.pace.allowed == 8 || j.pace.rate == rateMost {
			t.Fatalf("nothing was eased: %d at once, %.0f B/s", j.pace.allowed, j.pace.rate)
		}
		line.mu.Lock()
		line.rate = 64 << 20
		line.mu.Unlock()
		for range 10 {
			round()
		}
		if j.pace.allowed != 8 || j.pace.rate != rateMost {
			t.Errorf("%d at once, %.0f B/s", j.pace.allowed, j.pace.rate)
		}
	})
}

func appendSized(j *Journal, first uint64, n, size int) []error {
	errs := make([]error, n)
	var writers sync.WaitGroup
	for i := range errs {
		c := journaltest.Make(newRand(first), 1, 1, size)
		writers.Go(func() {
			if _, err := j.Append(bg, first+uint64(i), c.Bufs); err != nil {
				errs[i] = fmt.Errorf("pack %d: %w", first+uint64(i), err)
			}
		})
	}
	writers.Wait()
	return errs
}
