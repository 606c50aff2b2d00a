// Package retry is a bucket that tries again, with growing and jittered pauses, for
// a bounded number of times and a bounded time.
//
// It decides nothing about unknown outcomes: when an attempt of Create failed and a
// later one finds the key taken, ErrExists is returned, and it may well be the
// caller's own object. The caller compares the content, as the port says.
package retry

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Options bound the tries. Zero fields get the defaults.
type Options struct {
	Attempts  int           // in all, per call; default 6
	PauseBase time.Duration // upper bound of the first pause, doubled for each one after; default 100 ms
	PauseMax  time.Duration // upper bound of every pause; default 5 s
	TimeMax   time.Duration // no attempt begins later than this after the first; default 2 min
}

func (o Options) withDefaults() Options {
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	if o.PauseBase <= 0 {
		o.PauseBase = 100 * time.Millisecond
	}
	if o.PauseMax <= 0 {
		o.PauseMax = 5 * time.Second
	}
	if o.TimeMax <= 0 {
		o.TimeMax = 2 * time.Minute
	}
	return o
}

// pause returns how long to wait before attempt n, n from 2. It is between half the
// bound and the bound, so that a herd spreads and none hammers.
func (o Options) pause(n int) time.Duration {
	bound := o.PauseBase
	for i := 2; i < n && bound < o.PauseMax; i++ {
		bound *= 2
	}
	bound = min(bound, o.PauseMax)
	return bound/2 + rand.N(bound/2+1)
}

// Do runs fn until it succeeds, gives a final error (bucket.Final), ctx ends, or the
// options' bounds are reached: bucket.ErrAway. The error is the last one of fn, with the
// number of attempts if there was more than one.
func Do(ctx context.Context, o Options, fn func() error) error {
	o = o.withDefaults()
	begin := time.Now()
	for n := 1; ; n++ {
		err := fn()
		if bucket.Final(err) || ctx.Err() != nil {
			return err
		}
		pause := o.pause(n + 1)
		if n >= o.Attempts || time.Since(begin)+pause > o.TimeMax {
			return fmt.Errorf("%w after %d attempts: %w", bucket.ErrAway, n, err)
		}
		if !sleep(ctx, pause) {
			return fmt.Errorf("%w (last failure: %w)", ctx.Err(), err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Bucket tries every call of another bucket again.
type Bucket struct {
	bucket.Bucket
	o Options
}

// New wraps b.
func New(b bucket.Bucket, o Options) *Bucket { return &Bucket{b, o.withDefaults()} }

// Unwrap returns the bucket behind.
func (b *Bucket) Unwrap() bucket.Bucket { return b.Bucket }

// Create stores an object. See the package comment about ErrExists.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	return Do(ctx, b.o, func() error { return b.Bucket.Create(ctx, key, body) })
}

// Get opens a range. A reader that fails midway goes on where it stopped, in a new
// request: objects do not change.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, b: b, key: key, off: off, at: off, left: n}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// Stat returns an object's size.
func (b *Bucket) Stat(ctx context.Context, key string) (info bucket.Info, err error) {
	err = Do(ctx, b.o, func() error {
		info, err = b.Bucket.Stat(ctx, key)
		return err
	})
	return info, err
}

// List lists objects. An attempt goes on behind the last key that fn has seen.
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	var stop error
	err := Do(ctx, b.o, func() error {
		err := b.Bucket.List(ctx, prefix, after, func(i bucket.Info) error {
			after = i.Key
			stop = fn(i)
			return stop
		})
		if stop != nil {
			return nil // what fn says is not to be tried again
		}
		return err
	})
	if stop != nil {
		return stop
	}
	return err
}

// Delete removes objects.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	return Do(ctx, b.o, func() error { return b.Bucket.Delete(ctx, keys...) })
}

// reader reads a range over as many requests as it takes. left < 0: to the end.
type reader struct {
	ctx       context.Context
	b         *Bucket
	key       string
	off, left int64
	r         io.ReadCloser
	resumed   int   // since it last came on
	at        int64 // where it was when that was
}

// comesOn is how many bytes between two breaks show that a range is coming, if slowly:
// the tries count anew then.
const comesOn = 64 << 10

func (r *reader) open() error {
	return Do(r.ctx, r.b.o, func() (err error) {
		r.r, err = r.b.Bucket.Get(r.ctx, r.key, r.off, r.left)
		return err
	})
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		n, err := r.r.Read(p)
		r.off += int64(n)
		if r.left > 0 {
			if r.left -= int64(n); r.left == 0 {
				return n, io.EOF
			}
		}
		switch {
		case err == nil || err == io.EOF:
			return n, err
		case n > 0:
			return n, nil // the error comes again, or not
		}
		if err := r.resume(err); err != nil {
			return 0, err
		}
	}
}

// resume opens the rest of the range after a reader failed with cause.
func (r *reader) resume(cause error) error {
	if r.off-r.at >= comesOn {
		r.resumed, r.at = 0, r.off
	}
	if r.resumed++; r.resumed >= r.b.o.Attempts || bucket.Final(cause) || r.ctx.Err() != nil {
		return fmt.Errorf("read %s at %d: %w", r.key, r.off, cause)
	}
	old := r.r
	defer old.Close()
	if !sleep(r.ctx, r.b.o.pause(r.resumed+1)) {
		return r.ctx.Err()
	}
	if err := r.open(); err != nil {
		r.r = old
		return fmt.Errorf("read %s again from %d: %w", r.key, r.off, err)
	}
	return nil
}

func (r *reader) Close() error { return r.r.Close() }
