// Package sql answers statements over topics: sessions, budgets, and what is no query. Doors
// (HTTP, PostgreSQL's wire) stand before it, the log behind it.
package sql

import (
	"context"
	"net/netip"

	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/scan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// Topics are the topics of this broker that a user may read. What one may not see is not there.
type Topics interface {
	scan.Opener
	// Topic finds a topic by its exact name; nil: there is none.
	Topic(user User, name string) *plan.Topic
	// Names are those of all topics, sorted.
	Names(user User) []string
}

// User is who asks, and from where.
type User struct {
	Name string // a principal: "User:alice"
	Host netip.Addr
}

// Config is what an engine is made of. Bytes and durations of 0 are no bound.
type Config struct {
	Topics       Topics
	MemoryBytes  int64 // of all queries
	QueryBytes   int64 // of one
	ScanBytes    int64 // that one query may read, as stored
	Timeout      time.Duration
	QueriesMax   int
	Workers      int // queries that compute at a time
	Now          func() time.Time
	Version      string // of the broker
	BatchRows    int    // 0: the usual
	Instrumented func(outcome string, q *Running)
}

// Names of the settings that bound queries.
const (
	SettingMemory  = "sql.memory.bytes"
	SettingQuery   = "sql.query.memory.bytes"
	SettingScan    = "sql.query.scan.bytes"
	SettingTimeout = "sql.query.timeout.ms"
	SettingQueries = "sql.queries.max"
)

// Engine runs the queries of a broker.
type Engine struct {
	cfg    Config
	memory pool
	turns  chan struct{}

	mu      sync.Mutex // guards running
	running map[int64]*Running
	next    int64
}

// New makes an engine; it starts nothing.
func New(cfg Config) *Engine {
	if cfg.Workers < 1 {
		cfg.Workers = 1
	}
	return &Engine{cfg: cfg, memory: pool{limit: cfg.MemoryBytes}, turns: make(chan struct{}, cfg.Workers), running: map[int64]*Running{}}
}

// pool is the memory that all queries share.
type pool struct {
	limit int64
	used  atomic.Int64
}

// Take takes memory, or fails with 53200.
func (p *pool) Take(n int64) error {
	if used := p.used.Add(n); n > 0 && p.limit > 0 && used > p.limit {
		p.used.Add(-n)
		return value.Errorf(value.OutOfMemory, "all queries together need more than %d bytes", p.limit).
			WithHint("raise %s, or wait until others have ended", SettingMemory)
	}
	return nil
}

// Give gives memory back.
func (p *pool) Give(n int64) { p.used.Add(-n) }

// Running is a query on its way.
type Running struct {
	ID       int64
	User     string
	Text     string
	Began    time.Time
	Progress *scan.Progress
	Sent     atomic.Int64 // rows
	Memory   func() int64
	cancel   context.CancelCauseFunc
}

// ErrKilled is why a query ended that somebody ended.
var ErrKilled = value.Errorf(value.Canceled, "canceling statement due to user request")

// begin admits a query.
func (e *Engine) begin(ctx context.Context, user User, text string, timeout time.Duration) (context.Context, *Running, error) {
	if timeout <= 0 || e.cfg.Timeout > 0 && timeout > e.cfg.Timeout {
		timeout = e.cfg.Timeout
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cfg.QueriesMax < 0 {
		return nil, nil, errStopping
	}
	if e.cfg.QueriesMax > 0 && len(e.running) >= e.cfg.QueriesMax {
		return nil, nil, value.Errorf(value.OutOfMemory, "%d queries run already", len(e.running)).
			WithHint("wait until one has ended (SHOW QUERIES), or raise %s", SettingQueries)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if timeout > 0 {
		limit := value.Errorf(value.Canceled, "canceling statement due to statement timeout: it ran for %v", timeout).
			WithHint("%s, or timeout_ms of the request, bounds it", SettingTimeout)
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, timeout, limit)
		inner := cancel
		cancel = func(cause error) {
			inner(cause)
			stop()
		}
	}
	e.next++
	r := &Running{ID: e.next, User: user.Name, Text: text, Began: e.cfg.Now(), cancel: cancel}
	e.running[r.ID] = r
	return ctx, r, nil
}

func (e *Engine) end(r *Running, outcome string) {
	e.mu.Lock()
	_, was := e.running[r.ID]
	delete(e.running, r.ID)
	e.mu.Unlock()
	r.cancel(nil)
	if was && e.cfg.Instrumented != nil {
		e.cfg.Instrumented(outcome, r)
	}
}

// Queries are those that run, by id. Of other users only where all is true.
func (e *Engine) Queries(user string, all bool) []*Running {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*Running
	for _, r := range e.running {
		if all || r.User == user {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Running) int { return int(a.ID - b.ID) })
	return out
}

// Kill ends a query; false: there is none of that id that the user may end.
func (e *Engine) Kill(user string, all bool, id int64) bool {
	e.mu.Lock()
	r := e.running[id]
	e.mu.Unlock()
	if r == nil || !all && r.User != user {
		return false
	}
	r.cancel(ErrKilled)
	return true
}

// Stop ends all queries and waits until none computes. None may begin any more, and those
// whose clients still take rows find that they have ended.
func (e *Engine) Stop() {
	e.mu.Lock()
	e.cfg.QueriesMax = -1
	for _, r := range e.running {
		r.cancel(errStopping)
	}
	e.mu.Unlock()
	for range e.cfg.Workers { // they are never given on
		e.turns <- struct{}{}
	}
}

var errStopping = value.Errorf("57P01", "the broker stops")

// MemoryUsed is what queries hold, in bytes.
func (e *Engine) MemoryUsed() int64 { return e.memory.used.Load() }

// catalog is what a user sees, for the planner.
type catalog struct {
	e    *Engine
	user User
}

// Topic finds a topic: by its name, else without case if one has it.
func (c catalog) Topic(name string) *plan.Topic {
	if t := c.e.cfg.Topics.Topic(c.user, name); t != nil {
		return t
	}
	names := c.e.cfg.Topics.Names(c.user)
	found := ""
	for _, n := range names {
		if equalFold(n, name) {
			if found != "" {
				return nil
			}
			found = n
		}
	}
	if found == "" {
		return nil
	}
	return c.e.cfg.Topics.Topic(c.user, found)
}

// View finds a view. There are none yet.
func (c catalog) View(string) (string, bool) { return "", false }

// Names are those of topics, sorted.
func (c catalog) Names() []string {
	out := slices.Clone(c.e.cfg.Topics.Names(c.user))
	sort.Strings(out)
	return out
}
