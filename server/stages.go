package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// stage is a part of the broker that runs until its context ends. run blocks, drains
// and returns; an error before the end stops the whole broker.
type stage struct {
	name string
	run  func(ctx context.Context) error
}

type ended struct {
	name string
	err  error
}

// runStages starts the stages in order and, when ctx ends or one of them fails,
// stops them in reverse order: each is stopped only after everything that uses it
// has gone. bound limits the whole stop; what is not gone by then is named in the
// error.
func runStages(ctx context.Context, logger *zap.Logger, bound func() time.Duration, stages []stage) error {
	// Stages outlive ctx: they are stopped one by one.
	base := context.WithoutCancel(ctx)
	cancels := make([]context.CancelFunc, len(stages))
	done := make([]chan struct{}, len(stages))
	failed := make(chan ended, len(stages))
	for i, s := range stages {
		run, cancel := context.WithCancel(base)
		defer cancel()
		cancels[i], done[i] = cancel, make(chan struct{})
		go func() {
			defer close(done[i])
			err := s.run(run)
			if err == nil && run.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				failed <- ended{s.name, err}
			}
		}()
	}
	var cause error
	select {
	case <-ctx.Done():
	case f := <-failed:
		cause = fmt.Errorf("%s: %w", f.name, f.err)
		logger.Error("stopping, since a part of the broker failed", zap.String("part", f.name), zap.Error(f.err))
	}
	deadline := time.NewTimer(bound())
	defer deadline.Stop()
	for i := len(stages) - 1; i >= 0; i-- {
		cancels[i]()
		select {
		case <-done[i]:
			logger.Debug("stopped", zap.String("part", stages[i].name))
		case <-deadline.C:
			return errors.Join(cause, fmt.Errorf("%s did not stop in time", stages[i].name))
		}
	}
	for {
		select {
		case f := <-failed:
			cause = errors.Join(cause, fmt.Errorf("%s: %w", f.name, f.err))
		default:
			return cause
		}
	}
}
