package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/upkeep"
)

const (
	// askPauseMin and askPauseMax bound the pause before a bucket that was away is asked
	// again; it doubles.
	askPauseMin = 250 * time.Millisecond
	askPauseMax = 15 * time.Second
	// awaySaid is how long a bucket is away between two lines about it.
	awaySaid = time.Minute
)

// contact is how a start puts questions to a bucket that may be away.
type contact struct {
	logger   *zap.Logger
	progress *progress
	// wait is how long a question may wait for its answer: bucket.wait.ms.
	wait time.Duration
	// without: the start can do without an answer, since the data folder is known and the
	// journal lies in it.
	without bool
}

// ask puts a question until there is an answer, which may be an error. false: there is
// none, and the start does without.
func (c *contact) ask(ctx context.Context, question func(context.Context) error) (answered bool, err error) {
	err = question(ctx)
	if !away(err) {
		return true, err
	}
	if c.without {
		c.logger.Warn("the bucket does not answer: the broker serves what it has, and seals nothing until it is back", zap.Error(err))
		return false, nil
	}
	c.progress.at("waiting for the bucket, which does not answer")
	bound, cancel := context.WithTimeoutCause(ctx, c.wait, fmt.Errorf("the bucket did not answer within bucket.wait.ms (%s): %w", c.wait, err))
	defer cancel()
	if err = c.insist(bound, question, err); err != nil && bound.Err() != nil {
		err = context.Cause(bound)
	}
	return true, err
}

// insist repeats a question that had no answer until it has one, or ctx ends.
func (c *contact) insist(ctx context.Context, question func(context.Context) error, err error) error {
	began, said := time.Now(), time.Time{}
	for pause := askPauseMin; away(err); pause = min(2*pause, askPauseMax) {
		if now := time.Now(); now.Sub(said) >= awaySaid {
			said = now
			c.logger.Warn("waiting for the bucket", zap.Duration("for", now.Sub(began).Round(time.Second)), zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		err = question(ctx)
	}
	if err == nil {
		c.logger.Info("the bucket answers", zap.Duration("after", time.Since(began).Round(time.Millisecond)))
	}
	return err
}

// away says whether an error means that the bucket gave no answer, rather than one that
// nobody likes.
func away(err error) bool {
	return errors.Is(err, bucket.ErrAway) || errors.Is(err, context.DeadlineExceeded)
}

// greet proves that the bucket keeps what the log counts on, and that it is the one that
// the data folder knows, if it knows one.
func (s *stores) greet(ctx context.Context, known *manifest) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := bucket.Probe(ctx, s.bucket); err != nil {
		return fmt.Errorf("bucket %s: %w", s.location, err)
	}
	if known == nil {
		return nil
	}
	return known.checkBucket(ctx, s.bucket, false)
}

// meet asks a bucket that was away at the start what a start asks: whether it is the one,
// and whether it has seen a newer state of the data folder or a copy of it. Until then
// nobody else gets to it.
func (s *stores) meet(ctx context.Context) error {
	if err := s.greet(ctx, &s.identity); err != nil {
		return err
	}
	witness, err := upkeep.CheckStore(ctx, s.meta, s.bucket, s.start)
	if err != nil {
		return err
	}
	s.witness = witness
	close(s.met)
	return nil
}

// errNotMet is what a bucket that was not asked yet gives, see meet.
var errNotMet = fmt.Errorf("%w: it was away at the start, and was not asked yet whether it is the right one", bucket.ErrAway)

// unmet is a bucket that gives nothing before it was met: it might be another.
type unmet struct {
	bucket.Bucket
	met <-chan struct{}
}

func (b unmet) closed() error {
	select {
	case <-b.met:
		return nil
	default:
		return errNotMet
	}
}

// Unwrap returns the bucket behind.
func (b unmet) Unwrap() bucket.Bucket { return b.Bucket }

func (b unmet) Create(ctx context.Context, key string, body bucket.Body) error {
	if err := b.closed(); err != nil {
		return err
	}
	return b.Bucket.Create(ctx, key, body)
}

func (b unmet) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := b.closed(); err != nil {
		return nil, err
	}
	return b.Bucket.Get(ctx, key, off, n)
}

func (b unmet) Stat(ctx context.Context, key string) (bucket.Info, error) {
	if err := b.closed(); err != nil {
		return bucket.Info{}, err
	}
	return b.Bucket.Stat(ctx, key)
}

func (b unmet) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	if err := b.closed(); err != nil {
		return err
	}
	return b.Bucket.List(ctx, prefix, after, fn)
}

func (b unmet) Delete(ctx context.Context, keys ...string) error {
	if err := b.closed(); err != nil {
		return err
	}
	return b.Bucket.Delete(ctx, keys...)
}
