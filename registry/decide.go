package registry

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/state"
	"github.com/streamhouse/streamhouse/storage/topic"
)

// errAgain: what a decision saw has changed.
var errAgain = errors.New("again")

// Decide makes a decision, carries it out and returns its answer once all that it is
// built on is durable and shown. Errors are the decision's, StoreFailed and TimedOut.
func (r *Registry) Decide(ctx context.Context, decision func(*state.Tx) (state.Commit, error)) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, waitMax)
	defer cancel()
	for range triesMax {
		if err := r.Ready(); err != nil {
			return nil, schema.Errorf(schema.StoreFailed, "%v", err)
		}
		tx := r.tx(ctx, func(f func(*state.State)) {
			r.aheadMu.RLock()
			defer r.aheadMu.RUnlock()
			f(r.ahead)
		})
		answer, err := r.attempt(ctx, tx, decision)
		if !errors.Is(err, errAgain) {
			return answer, err
		}
	}
	return nil, schema.Errorf(schema.TimedOut, "others change the same subject all the time")
}

// attempt makes a decision once.
func (r *Registry) attempt(ctx context.Context, tx *state.Tx, decision func(*state.Tx) (state.Commit, error)) (any, error) {
	if err := r.fresh(ctx); err != nil {
		return nil, err
	}
	commit, err := decision(tx)
	if err != nil {
		return nil, err
	}
	select {
	case <-r.turn:
	case <-ctx.Done():
		return nil, timedOut()
	}
	answer, wait, err := r.carryOut(ctx, tx, commit)
	r.turn <- struct{}{}
	if err != nil {
		return nil, err
	}
	return answer, wait()
}

func timedOut() error {
	return schema.Errorf(schema.TimedOut, "The registry's topic did not take the record in time")
}

// carryOut runs a commit and appends its entries. It returns what waits for them. The
// caller has the turn.
func (r *Registry) carryOut(ctx context.Context, tx *state.Tx, commit state.Commit) (any, func() error, error) {
	s := r.session()
	if s != nil && s.isStale() {
		return nil, nil, errAgain
	}
	r.aheadMu.RLock()
	holds := tx.Holds(r.ahead)
	r.aheadMu.RUnlock()
	if !holds {
		return nil, nil, errAgain
	}
	// Only whoever has the turn changes the state ahead, so that it stands still here.
	r.aheadMu.Lock()
	entries, answer, err := commit(r.ahead)
	r.aheadMu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	if len(entries) == 0 {
		at := r.next
		return answer, func() error { return r.reach(ctx, s, at) }, nil
	}
	if s == nil {
		return nil, nil, r.create(ctx)
	}
	if s.part.Bounds().HighWatermark > r.next { // somebody else writes
		s.spoil()
		return nil, nil, errAgain
	}
	wait, err := r.append(ctx, s, entries)
	return answer, wait, err
}

// append puts entries into the log and the state ahead.
func (r *Registry) append(ctx context.Context, s *session, entries []entry.Entry) (func() error, error) {
	records := make([]topic.Record, len(entries))
	for i := range entries {
		records[i] = topic.Record{Key: entries[i].KeyBytes(), Value: entries[i].ValueBytes()}
	}
	now := r.opts.Now().UnixMilli()
	r.aheadMu.Lock()
	for i := range entries {
		r.ahead.Apply(&entries[i], now)
	}
	r.aheadMu.Unlock()
	want := r.next
	r.next += int64(len(records))
	s.mu.Lock()
	s.flight++
	guard := s.guard
	s.mu.Unlock()
	outcome := make(chan error, 1)
	s.writer.Append(ctx, guard, records, func(base int64, err error) {
		s.mu.Lock()
		s.flight--
		s.stale = s.stale || err != nil || base != want
		s.mu.Unlock()
		if err == nil && base > want {
			want = base
		}
		outcome <- err
	})
	return func() error {
		select {
		case err := <-outcome:
			if err != nil {
				return r.storeFailed(err)
			}
			return r.reach(ctx, s, want+int64(len(records)))
		case <-ctx.Done():
			s.spoil()
			return timedOut()
		}
	}, nil
}

func (r *Registry) storeFailed(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) && e.Code == protocol.MessageTooLarge {
		return schema.Errorf(schema.TooLarge, "The record is larger than the registry's topic takes: %v", err)
	}
	r.opts.Logger.Warn("the schema registry could not write its topic", zap.Error(err))
	if errors.Is(err, protocol.RequestTimedOut) {
		return timedOut()
	}
	return schema.Errorf(schema.StoreFailed, "Error while writing to the registry's topic: %v", err)
}

// reach waits until the durable state has all below an offset.
func (r *Registry) reach(ctx context.Context, s *session, offset int64) error {
	for {
		r.mu.RLock()
		moved, applied, now := r.moved, r.applied, r.current
		r.mu.RUnlock()
		switch {
		case now != s:
			return schema.Errorf(schema.StoreFailed, "The registry's topic was opened anew; ask what became of the request")
		case s == nil || applied >= offset:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return timedOut()
		}
	}
}

func (r *Registry) session() *session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.current
}

func (s *session) isStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale || !s.part.Standing(s.guard)
}

func (s *session) spoil() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}

// fresh makes the state ahead anew if it is not what the log has.
func (r *Registry) fresh(ctx context.Context) error {
	s := r.session()
	if s != nil && !s.isStale() {
		return nil
	}
	select {
	case <-r.turn:
	case <-ctx.Done():
		return timedOut()
	}
	defer func() { r.turn <- struct{}{} }()
	if s = r.session(); s == nil {
		r.aheadMu.Lock()
		r.ahead, r.next = state.New(), 0
		r.aheadMu.Unlock()
		return nil
	}
	if !s.isStale() {
		return nil
	}
	return r.catchUp(ctx, s)
}

// catchUp waits until nothing is on its way and takes the durable state over. The caller
// has the turn.
func (r *Registry) catchUp(ctx context.Context, s *session) error {
	for {
		guard := s.part.Guard() // before the state is read that appends will build on
		r.mu.RLock()
		moved, applied, now := r.moved, r.applied, r.current
		r.mu.RUnlock()
		if now != s {
			return errAgain
		}
		s.mu.Lock()
		flight := s.flight
		s.mu.Unlock()
		if flight == 0 && applied >= s.part.Bounds().HighWatermark {
			r.mu.RLock()
			ahead, next := r.durable.Clone(), r.applied
			r.mu.RUnlock()
			r.aheadMu.Lock()
			r.ahead, r.next = ahead, next
			r.aheadMu.Unlock()
			s.mu.Lock()
			s.guard, s.stale = guard, false
			s.mu.Unlock()
			return nil
		}
		if err := r.waitMoved(ctx, moved); err != nil {
			return err
		}
	}
}

// waitMoved waits until the durable state has moved, or for a moment: an append that
// fails moves nothing.
func (r *Registry) waitMoved(ctx context.Context, moved <-chan struct{}) error {
	again := time.NewTimer(lookAgain)
	defer again.Stop()
	select {
	case <-moved:
	case <-again.C:
	case <-ctx.Done():
		return timedOut()
	}
	return nil
}

// create makes the topic and waits until it is open. It returns errAgain then.
func (r *Registry) create(ctx context.Context) error {
	if err := r.opts.Topics.Create(ctx); err != nil {
		return schema.Errorf(schema.StoreFailed, "The registry's topic cannot be made: %v", err)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	for {
		r.mu.RLock()
		moved, now := r.moved, r.current
		r.mu.RUnlock()
		if now != nil {
			return errAgain
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return timedOut()
		}
	}
}
