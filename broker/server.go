package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
)

// Server accepts connections and serves them.
type Server struct {
	cfg        Config
	routes     *api.Routes
	logger     *zap.Logger
	complaints *complaints
	budget     *wire.Budget
	answers    *wire.Answers
	admission  *admission
	metrics    *metrics
	handshakes chan struct{} // a place for each handshake that is at work

	listeners []net.Listener
	lastConn  atomic.Uint64
	stopping  atomic.Bool

	mu    sync.Mutex
	conns map[*conn]struct{}
	all   sync.WaitGroup
}

// New makes a server of what is in routes. It starts nothing.
func New(cfg Config, routes *api.Routes, logger *zap.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, routes: routes, logger: logger, complaints: newComplaints(logger),
		budget:     wire.NewBudget(cfg.MaxQueuedBytes/4, cfg.MaxQueuedBytes-cfg.MaxQueuedBytes/4),
		answers:    wire.NewAnswers(cfg.MaxAnswerBytes),
		admission:  newAdmission(resolve(cfg.Limits, net.DefaultResolver.LookupNetIP, logger), cfg.DescriptorsMax),
		conns:      make(map[*conn]struct{}),
		handshakes: make(chan struct{}, handshakesPerProcessor*runtime.GOMAXPROCS(0)),
	}
	s.metrics = newMetrics(reg, routes, s.budget, s.answers)
	return s, nil
}

// memoryPatience is how long a request may wait for memory before clients are better
// sent elsewhere.
const memoryPatience = 10 * time.Second

// Ready says why requests are not served in time, or nil. It answers at once.
func (s *Server) Ready() error {
	if waited := s.budget.Waited(); waited >= memoryPatience {
		return fmt.Errorf("request.memory.bytes are used up: a request has waited for memory for %s", waited.Round(time.Second))
	}
	return nil
}

// Listen binds all listeners, or none. After it, Addr knows the ports.
func (s *Server) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	for _, l := range s.cfg.Listeners {
		ln, err := lc.Listen(ctx, "tcp", l.Address)
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		s.listeners = append(s.listeners, ln)
	}
	return nil
}

// Addr returns the bound address of the i-th listener.
func (s *Server) Addr(i int) net.Addr { return s.listeners[i].Addr() }

func (s *Server) closeListeners() {
	for _, ln := range s.listeners {
		_ = ln.Close() // nothing was written to it
	}
}

// Run serves until ctx ends, then drains: it accepts nothing more, lets requests in
// progress finish, answers what can be answered within cfg.Drain, and closes. Listen
// comes first. The error is nil after a drain.
func (s *Server) Run(ctx context.Context) error {
	// Connections outlive ctx by the drain.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, len(s.listeners))
	var accepting sync.WaitGroup
	for i, ln := range s.listeners {
		accepting.Go(func() {
			if err := s.accept(base, ln, s.cfg.Listeners[i]); err != nil {
				failed <- err
			}
		})
	}
	var looking sync.WaitGroup
	looking.Go(func() { s.look(base) })
	defer looking.Wait()
	defer cancel()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.stopping.Store(true)
	s.closeListeners()
	accepting.Wait()
	s.drain()
	return err
}

// waitGrace is how long requests in progress may take undisturbed when the broker
// stops. Then long polls and joins, which wait for others and not for the broker, are
// cut short; what waits for durability has its answer long before.
const waitGrace = 500 * time.Millisecond

// drain ends all connections within cfg.Drain.
func (s *Server) drain() {
	gone := make(chan struct{})
	go func() {
		s.all.Wait()
		close(gone)
	}()
	s.each((*conn).finish)
	half := time.NewTimer(min(s.cfg.Drain/2, waitGrace))
	defer half.Stop()
	end := time.NewTimer(s.cfg.Drain)
	defer end.Stop()
	for {
		select {
		case <-gone:
			return
		case <-half.C:
			s.each((*conn).interrupt)
		case <-end.C:
			s.each(func(c *conn) { c.close(errDrained) })
			<-gone
			return
		}
	}
}

func (s *Server) each(fn func(*conn)) {
	s.mu.Lock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		fn(c)
	}
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// register makes a connection known; false once the server stops.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	s.all.Add(1)
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.all.Done()
}

var errDrained = errors.New("the broker is stopping")
