// Package httpd serves health and metrics over HTTP.
package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// Check is one condition of readiness. Ready returns nil or why not; it answers at
// once.
type Check struct {
	Name  string
	Ready func() error
}

// Config is what a Server is made of.
type Config struct {
	Setting string // the name of the setting with the address; empty: http.listen
	Address string // host:port; empty: no server, Run waits for its context
	// Root is served instead of health, metrics and mounts, if it is set.
	Root     http.Handler
	Gatherer prometheus.Gatherer
	// Ready returns the conditions of readiness, which change while the broker starts.
	Ready func() []Check
	// Notes returns lines about what is not well without being a reason to send clients
	// elsewhere; nil: there are none.
	Notes func() []string
	// Mounts are what else is served. No prefix begins with another's.
	Mounts []Mount
	// ConnectionsMax bounds connections at a time; others wait. 0: no bound.
	ConnectionsMax int
	Logger         *zap.Logger
}

// Mount is a part that is served beside health and metrics, with its own checks of who asks.
type Mount struct {
	Prefix  string // "/schema-registry"; what lies under it is the part's
	Handler http.Handler
}

// The bounds of a request and of a stop.
const (
	bodyTimeout   = 30 * time.Second // of a mount's request; a part that streams moves it
	headerTimeout = 5 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 2 * time.Second
	headerBytes   = 16 << 10
)

// Server answers /health/live, /health/ready and /metrics.
type Server struct {
	cfg Config
	ln  net.Listener // after Listen
}

// New makes a server and starts nothing.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	if s.cfg.Root != nil {
		return patient(s.cfg.Root)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /health/ready", s.ready)
	mux.HandleFunc("GET /health", s.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Before the mux, which sends clients elsewhere whose paths have two slashes in a
		// row: to a part that may be a name that is empty.
		for _, m := range s.cfg.Mounts {
			if rest, ok := strings.CutPrefix(r.URL.Path, m.Prefix); ok && (rest == "" || rest[0] == '/') {
				patient(m.Handler).ServeHTTP(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// patient gives a body more time than headers get.
func patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A writer without deadlines is a test's.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		h.ServeHTTP(w, r)
	})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	var faults []error
	for _, c := range s.cfg.Ready() {
		if err := c.Ready(); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
	if s.cfg.Notes == nil {
		return
	}
	for _, note := range s.cfg.Notes() {
		fmt.Fprintln(w, note)
	}
}

// condition is a Check as /health shows it.
type condition struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why not
}

// health is what ready says, for programs: 200 if the broker is ready, else 503.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Ready  bool        `json:"ready"`
		Checks []condition `json:"checks"`
		Notes  []string    `json:"notes"`
	}{true, []condition{}, []string{}}
	for _, c := range s.cfg.Ready() {
		at := condition{Name: c.Name, Ready: true}
		if err := c.Ready(); err != nil {
			at.Ready, at.Reason, answer.Ready = false, err.Error(), false
		}
		answer.Checks = append(answer.Checks, at)
	}
	if s.cfg.Notes != nil && answer.Ready {
		answer.Notes = append(answer.Notes, s.cfg.Notes()...)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// unswallowed ends the process when a handler panics. net/http would keep that to the
// request, but what handlers ask is shared: a mutex may stay locked.
func (s *Server) unswallowed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			switch v {
			case nil:
				return
			case http.ErrAbortHandler: // how a handler breaks off its own answer
				panic(v)
			}
			s.cfg.Logger.Error("the process ends: a panic while answering over HTTP", zap.Any("panic", v),
				zap.String("path", r.URL.Path), zap.ByteString("stack", debug.Stack()))
			go panic(v) // here it would be swallowed
			select {}
		}()
		h.ServeHTTP(w, r)
	})
}

// Listen binds the address, if there is one. It comes before Run.
func (s *Server) Listen(ctx context.Context) (err error) {
	if s.cfg.Address == "" {
		return nil
	}
	if s.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Address); err != nil {
		setting := s.cfg.Setting
		if setting == "" {
			setting = "http.listen"
		}
		return fmt.Errorf("%s: %w", setting, err)
	}
	if s.cfg.ConnectionsMax > 0 {
		s.ln = netutil.LimitListener(s.ln, s.cfg.ConnectionsMax)
	}
	return nil
}

// Addr is where it listens; nil without an address.
func (s *Server) Addr() net.Addr {
	if s.ln == nil {
		return nil
	}
	return s.ln.Addr()
}

// Run serves until ctx ends. The error is that of the listener.
func (s *Server) Run(ctx context.Context) error {
	ln := s.ln
	if ln == nil {
		<-ctx.Done()
		return nil
	}
	srv := &http.Server{
		Handler: s.unswallowed(s.Handler()), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout,
		WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	s.cfg.Logger.Debug("serving health and metrics", zap.Stringer("address", ln.Addr()))
	select {
	case err := <-served:
		return fmt.Errorf("http: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // clients that hold on are cut off
	}
	<-served
	return nil
}
