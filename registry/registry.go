// Package registry is the schema registry as a service: one writer and one follower over
// the topic that has its state, and what both know. Decisions are those of
// registry/state; here is when they are made, and when they are answered: what is durable
// is shown, and nothing else.
//
// There are two states. The durable one is what a restart would find; the follower alone
// changes it, and reads are answered from it. The state ahead has what was appended
// besides, and decisions are made on it, so that many requests can be appended without
// waiting between them. After an append that failed, and after somebody else wrote, the
// state ahead is made anew of the durable one.
package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/state"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/topic"
)

// Options are what a registry is made of.
type Options struct {
	Topics    Topics
	Languages []schema.Language
	Defaults  state.Defaults
	Logger    *zap.Logger
	Registry  prometheus.Registerer
	Now       func() time.Time
	// ParseBytes is the account of all parsing and comparing at a time, KeptBytes bounds the
	// parsed schemas that are kept.
	ParseBytes int64
	KeptBytes  int
}

const (
	// waitMax bounds the wait of a request for its record and for its turn.
	waitMax = 30 * time.Second
	// triesMax is how often a decision is made anew since what it saw has changed.
	triesMax = 1000
	// pauseMax is how long a follower that failed waits before it begins again.
	pauseMax = 5 * time.Second
	// recordMax bounds a record of the topic.
	recordMax = 64 << 20
)

// Registry is the service. Run runs it; the other methods may be called from any
// goroutine, before and beside Run.
type Registry struct {
	opts    Options
	parser  *parser
	metrics *metrics

	mu      sync.RWMutex // guards the next four
	durable *state.State
	applied int64         // durable has all records below
	moved   chan struct{} // closed when applied has moved, and when the session has changed
	current *session      // nil: there is no topic
	fault   error         // why nothing is known; nil once the topic was read, or there is none

	// turn holds one token: whoever has it may append.
	turn    chan struct{}
	aheadMu sync.RWMutex // guards ahead; after turn
	ahead   *state.State
	next    int64 // the offset that the next append should get; of whoever has the turn

	wake chan struct{} // tells Run that there may be a topic
}

// session is one opening of the topic.
type session struct {
	part   *topic.Partition
	writer *topic.Writer

	mu     sync.Mutex // guards the rest
	guard  log.Guard
	flight int  // appends without an outcome
	stale  bool // the state ahead is not what the log has
}

var errStarting = errors.New("the registry's topic is being read")

// New makes a registry. Nothing runs yet.
func New(o Options) *Registry {
	r := &Registry{
		opts: o, parser: newParser(&o), durable: state.New(), ahead: state.New(), fault: errStarting,
		moved: make(chan struct{}), turn: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
	r.turn <- struct{}{}
	r.metrics = newMetrics(r, o.Registry)
	return r
}

// Ready says why nothing is known yet, or anymore; nil if the state is that of the topic.
func (r *Registry) Ready() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.fault
}

// Await waits until the registry knows its state; false: ctx ended first.
func (r *Registry) Await(ctx context.Context) bool {
	for {
		r.mu.RLock()
		moved, fault := r.moved, r.fault
		r.mu.RUnlock()
		if fault == nil {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// Run reads the topic and follows it until ctx ends. Without a topic the registry is
// empty; it makes one at the first write.
func (r *Registry) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		err := r.follow(ctx)
		if err == nil || ctx.Err() != nil {
			said = ""
			continue
		}
		r.close(err)
		if err.Error() != said { // the same again is no news
			said = err.Error()
			r.opts.Logger.Error("the schema registry cannot read its topic, and answers nothing", zap.Error(err))
		}
		r.pause(ctx, pauseMax)
	}
	return nil
}

// pause waits for a time, or until topics change.
func (r *Registry) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.opts.Topics.Changed():
	case <-r.wake:
	case <-ctx.Done():
	}
}

// close ends the session, if there is one; until there is another nothing is answered if
// fault is not nil, and else the registry is empty.
func (r *Registry) close(fault error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		r.current.writer.Close()
	}
	r.current, r.fault, r.durable, r.applied = nil, fault, state.New(), 0
	r.signal()
}

// signal wakes those who wait for the durable state; the caller holds mu.
func (r *Registry) signal() {
	close(r.moved)
	r.moved = make(chan struct{})
}

// follow is one session, or the wait for one. It returns nil when there is no topic.
func (r *Registry) follow(ctx context.Context) error {
	t, ok := r.opts.Topics.Find()
	if !ok {
		r.close(nil)
		r.pause(ctx, time.Hour)
		return nil
	}
	if t.Partitions != 1 || !t.Compact {
		return fmt.Errorf("topic %s has to have one partition and cleanup.policy=compact to be the schema registry's: it has %d, compact: %v", t.Name, t.Partitions, t.Compact)
	}
	part, err := r.opts.Topics.Open(ctx, t)
	if err != nil {
		return fmt.Errorf("topic %s: %w", t.Name, err)
	}
	r.close(errStarting)
	s := &session{part: part, stale: true}
	s.writer = topic.NewWriter(part, topic.WriterOptions{Now: r.opts.Now, BatchMax: func() int {
		if now, ok := r.opts.Topics.Find(); ok {
			return now.BatchMax
		}
		return t.BatchMax
	}})
	f := topic.Follower{
		Partition: part, RecordMax: recordMax, Apply: r.apply,
		CaughtUp: func(end int64) { r.caughtUp(s, end) },
		Failed: func(err error, pause time.Duration) {
			r.opts.Logger.Warn("the schema registry waits for its topic", zap.Error(err), zap.Duration("pause", pause))
		},
	}
	err = f.Run(ctx)
	if errors.Is(err, protocol.UnknownTopicOrPartition) {
		err = nil // deleted; another may be there
	}
	if err == nil {
		r.close(errStarting)
	}
	return err
}

func (r *Registry) caughtUp(s *session, end int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied = end
	if r.current == nil {
		r.current, r.fault = s, nil
		subjects, ids := r.durable.Counts()
		r.opts.Logger.Info("the schema registry has read its topic",
			zap.Int("subjects", subjects), zap.Int("ids", ids), zap.Int64("end", end))
	}
	r.signal()
}

// apply folds a record into the durable state. What does not parse is counted and passed
// by: others write the topic too.
func (r *Registry) apply(rec *record.Record) error {
	e, err := entry.Decode(rec.Key, rec.Value)
	if err != nil {
		r.metrics.skipped.Inc()
		return nil
	}
	r.intern(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.durable.Apply(e, rec.Timestamp)
	return nil
}

// intern lets an entry share its schema with the state ahead: a text is kept once.
func (r *Registry) intern(e *entry.Entry) {
	v, ok := e.Value.(*entry.SchemaValue)
	if !ok {
		return
	}
	r.aheadMu.RLock()
	known := r.ahead.ByID(e.Key.Name.Context, v.ID)
	r.aheadMu.RUnlock()
	if known != nil && known.Schema.Equal(v.Content) {
		v.Content = known.Schema
	}
}

// View runs a function on the durable state, which it must not keep. Errors: StoreFailed
// while nothing is known.
func (r *Registry) View(f func(*state.State)) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.fault != nil {
		return schema.Errorf(schema.StoreFailed, "%v", r.fault)
	}
	f(r.durable)
	return nil
}

// Look is a transaction on the durable state, for what only reads.
func (r *Registry) Look(ctx context.Context) *state.Tx {
	return r.tx(ctx, func(f func(*state.State)) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		f(r.durable)
	})
}

func (r *Registry) tx(ctx context.Context, look func(func(*state.State))) *state.Tx {
	stop := r.opts.Now().Add(compareMax)
	return &state.Tx{
		Look: look, Defaults: r.opts.Defaults,
		Parse: func(t schema.Type, src *schema.Source) (schema.Parsed, error) { return r.parser.parse(ctx, t, src) },
		Work:  &schema.Work{Stop: func() bool { return ctx.Err() != nil || r.opts.Now().After(stop) }},
	}
}

// compareMax bounds the comparisons of one request.
const compareMax = 5 * time.Second
