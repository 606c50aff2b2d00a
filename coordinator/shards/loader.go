package shards

import (
	"context"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
)

const (
	// loadsAtOnce is how many partitions of a topic are read at the same time.
	loadsAtOnce = 4
	// RetryMin is how long after a failure the log is asked again; the wait doubles up to
	// retryMax.
	RetryMin = 100 * time.Millisecond
	retryMax = 10 * time.Second
)

// Loader loads the shards of one topic, a few at once, and tells which of them it cannot
// load. Its methods may be called from any goroutine.
type Loader struct {
	*Loads
	turns *semaphore.Weighted
	log   *zap.Logger
}

// NewLoader makes a loader for the partitions of a topic.
func NewLoader(topic string, log *zap.Logger) *Loader {
	return &Loader{Loads: NewLoads(topic), turns: semaphore.NewWeighted(loadsAtOnce), log: log}
}

// Load runs try when it is the partition's turn, and again until it succeeds (true) or ctx
// ends: clients are told that the coordinator loads, and retry. Each failure is a line in
// the log.
func (l *Loader) Load(ctx context.Context, partition int32, try func(context.Context) error) bool {
	delay := RetryMin
	defer l.Tried(partition, nil)
	for {
		err := l.once(ctx, try)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		l.Tried(partition, err)
		l.log.Error("loading a coordinator's partition failed, trying again",
			zap.String("topic", l.topic), zap.Int32("partition", partition), zap.Duration("after", delay), zap.Error(err))
		select {
		case <-ctx.Done():
			return false
		case <-time.After(delay):
		}
		delay = min(2*delay, retryMax)
	}
}

func (l *Loader) once(ctx context.Context, try func(context.Context) error) error {
	if err := l.turns.Acquire(ctx, 1); err != nil {
		return err
	}
	defer l.turns.Release(1)
	return try(ctx)
}
