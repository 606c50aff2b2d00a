package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/server/httpd"
	"github.com/streamhouse/streamhouse/server/logging"
)

// part is one part of the broker. Whoever adds one writes a row in node.parts: the order
// of start and stop, readiness and the names of loggers follow from it.
type part struct {
	// name is how the log, errors and readiness call it.
	name string
	// run blocks until its context ends, drains and returns nil; an error, or an end
	// before that, stops the whole broker. nil: nothing of it runs by itself.
	run func(ctx context.Context) error
	// ready says why clients should be sent elsewhere for now. It answers at once and may
	// be called from any goroutine. nil: there is no such reason.
	ready func() error
	// notes are lines about what is not well without being such a reason; nil: none.
	notes func() []string
	// loggers are the names under which it logs.
	loggers []string
}

// ErrCutOff: a stop ran out of time. Something may still be writing, so nothing was
// closed: the process has to end at once, which loses as little as a kill, nothing that
// was acknowledged.
var ErrCutOff = errors.New("the stop ran out of time")

// running are the parts that were started. They stop in reverse order.
type running struct {
	logger *zap.Logger
	levels *logging.Levels
	// base is the context of every part. It outlives a stop: parts are stopped one by one.
	base context.Context
	// failed ends when a part has failed by itself, with the reason.
	failed context.Context
	fail   context.CancelCauseFunc

	stopping atomic.Bool

	mu    sync.Mutex // guards parts; readiness is asked for while they start
	parts []*runningPart
}

type runningPart struct {
	part
	stop context.CancelFunc
	done chan struct{} // closed when run has returned
	err  error         // what it returned, after done
}

func newRunning(ctx context.Context, logger *zap.Logger, levels *logging.Levels) *running {
	r := &running{logger: logger, levels: levels, base: context.WithoutCancel(ctx)}
	r.failed, r.fail = context.WithCancelCause(r.base)
	return r
}

// start starts parts, each of which may use those before it.
func (r *running) start(parts ...part) {
	for _, p := range parts {
		r.levels.Name(p.loggers...)
		ctx, cancel := context.WithCancel(r.base)
		s := &runningPart{part: p, stop: cancel, done: make(chan struct{})}
		r.mu.Lock()
		r.parts = append(r.parts, s)
		r.mu.Unlock()
		if p.run == nil {
			close(s.done)
			continue
		}
		go func() {
			defer close(s.done)
			s.err = p.run(ctx)
			if s.err == nil && ctx.Err() == nil {
				s.err = errors.New("ended by itself")
			}
			if s.err != nil {
				s.err = fmt.Errorf("%s: %w", p.name, s.err)
				r.fail(s.err)
			}
		}()
	}
}

// checks are the reasons against sending clients here, of the parts that were started.
func (r *running) checks() []httpd.Check {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []httpd.Check
	for _, p := range r.parts {
		if p.ready != nil {
			out = append(out, httpd.Check{Name: p.name, Ready: p.ready})
		}
	}
	return out
}

// notes are the notes of the parts that were started.
func (r *running) notes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, p := range r.parts {
		if p.notes == nil {
			continue
		}
		for _, note := range p.notes() {
			out = append(out, p.name+": "+note)
		}
	}
	return out
}

// wait returns when ctx ends or a part fails.
func (r *running) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-r.failed.Done():
		r.logger.Error("stopping, since a part of the broker failed", zap.Error(context.Cause(r.failed)))
	}
}

// stop ends the parts in reverse order: each only after everything that uses it has gone.
// One that has not gone when bound ends is named by an error that wraps ErrCutOff, and
// those before it are left as they are. Else the errors are those of the parts.
func (r *running) stop(bound context.Context) error {
	r.stopping.Store(true)
	r.mu.Lock()
	parts := slices.Clone(r.parts)
	r.mu.Unlock()
	var errs []error
	for _, p := range slices.Backward(parts) {
		p.stop()
		if !ended(p.done, bound) {
			return errors.Join(append(errs, fmt.Errorf("%w: %s had not ended", ErrCutOff, p.name))...)
		}
		r.logger.Debug("stopped", zap.String("part", p.name))
		errs = append(errs, p.err)
	}
	return errors.Join(errs...)
}

// ended waits for done, at most until bound ends.
func ended(done <-chan struct{}, bound context.Context) bool {
	select {
	case <-done:
		return true
	case <-bound.Done():
	}
	select {
	case <-done: // both, at once
		return true
	default:
		return false
	}
}

// closeMin is how long the last step of a stop may take, whatever is left of its time.
const closeMin = 2 * time.Second

// within runs fn, which has until bound ends, and closeMin at least. An error that wraps
// ErrCutOff means that it had not returned then: it goes on.
func within(bound context.Context, what string, fn func() error) error {
	least, cancel := context.WithTimeout(context.WithoutCancel(bound), closeMin)
	defer cancel()
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = fn()
	}()
	if !ended(done, bound) && !ended(done, least) {
		return fmt.Errorf("%w: %s had not ended", ErrCutOff, what)
	}
	return err
}
