// Package pgwire speaks PostgreSQL's protocol, version 3: simple and extended queries, portals,
// text and binary values, COPY TO STDOUT, and cancelling.
package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/sql"
	"github.com/streamhouse/streamhouse/sql/parse"
)

const (
	// startTimeout is how long a connection may take until it is let in.
	startTimeout = 10 * time.Second
	// stall is how long a client may take nothing.
	stall = 30 * time.Second
	// messageMax bounds one message of a client: a statement, or the values of its parameters.
	messageMax = 16 << 20
	// connectionsMax bounds connections; one more is refused.
	connectionsMax = 64
)

// Config is what a Server is made of.
type Config struct {
	Engine  *sql.Engine
	Version string // of the broker, told to clients
	// Others lets clients of other machines in: http.anonymous is read or all.
	Others bool
	Logger *zap.Logger
}

// Server serves connections of a listener.
type Server struct {
	cfg Config

	mu    sync.Mutex // guards conns
	conns map[uint32]*conn
	next  uint32
	all   sync.WaitGroup
}

// New makes a server; it starts nothing.
func New(cfg Config) *Server { return &Server{cfg: cfg, conns: map[uint32]*conn{}} }

// Run serves connections until ctx ends, and closes the listener and all of them then. The
// error is the listener's.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	defer s.all.Wait()
	each, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if t, ok := err.(net.Error); ok && t.Timeout() {
				continue
			}
			return err
		}
		s.all.Go(func() { s.serve(each, c) })
	}
}

// serve serves one connection until it ends.
func (s *Server) serve(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	c := &conn{s: s, net: nc, in: newPeeker(nc), ctx: ctx, statements: map[string]*sql.Prepared{}, portals: map[string]*portal{}}
	c.out = pgproto3.NewBackend(c.in, c)
	c.out.SetMaxBodyLen(messageMax)
	_ = nc.SetReadDeadline(time.Now().Add(startTimeout))
	if !c.start() {
		return
	}
	defer s.forget(c)
	_ = nc.SetReadDeadline(time.Time{})
	c.loop()
	c.closePortals()
}

// remember gives a connection its number and key; false: there are too many.
func (s *Server) remember(c *conn) bool {
	c.key = make([]byte, 4)
	_, _ = rand.Read(c.key) // it never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= connectionsMax {
		return false
	}
	s.next++
	c.id = s.next
	s.conns[c.id] = c
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
}

// cancel ends what a connection runs, for who knows its key.
func (s *Server) cancel(r *pgproto3.CancelRequest) {
	s.mu.Lock()
	c := s.conns[r.ProcessID]
	s.mu.Unlock()
	if c != nil && subtle.ConstantTimeCompare(c.key, r.SecretKey) == 1 {
		c.interrupt(sql.ErrKilled)
	}
}

// conn is one connection.
type conn struct {
	s       *Server
	net     net.Conn
	in      *peeker
	out     *pgproto3.Backend
	ctx     context.Context
	session *sql.Session
	id      uint32
	key     []byte

	mu   sync.Mutex // guards stop
	stop context.CancelCauseFunc

	statements map[string]*sql.Prepared
	portals    map[string]*portal
	status     byte // I, T or E
	skipping   bool // to Sync, after an error
}

// Write is the way out: a client that takes nothing is cut off.
func (c *conn) Write(b []byte) (int, error) {
	_ = c.net.SetWriteDeadline(time.Now().Add(stall))
	return c.net.Write(b)
}

func (c *conn) interrupt(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop(cause)
	}
}

// running makes the context of what runs now, which a cancel ends.
func (c *conn) running() (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.mu.Lock()
	c.stop = cancel
	c.mu.Unlock()
	return ctx, cancel
}

// start reads until the client has said who it is; false: the connection ends.
func (c *conn) start() bool {
	for range 4 { // SSL, GSS, and what it asks for then
		msg, err := c.out.ReceiveStartupMessage()
		if err != nil {
			return false
		}
		switch m := msg.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			if _, err := c.Write([]byte{'N'}); err != nil {
				return false
			}
		case *pgproto3.CancelRequest:
			c.s.cancel(m)
			return false
		case *pgproto3.StartupMessage:
			return c.admit(m)
		}
	}
	return false
}

func (c *conn) refuse(code, text, hint string) bool {
	c.out.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: text, Hint: hint})
	_ = c.out.Flush() // the connection ends either way
	return false
}

func (c *conn) admit(m *pgproto3.StartupMessage) bool {
	from, err := netip.ParseAddrPort(c.net.RemoteAddr().String())
	if err != nil || !c.s.cfg.Others && !from.Addr().Unmap().IsLoopback() {
		return c.refuse("28000", "without a login this is answered on the broker's own machine only", "set http.anonymous to read or all, where everybody who reaches this address may use it")
	}
	if !c.s.remember(c) {
		return c.refuse("53300", "there are too many connections", "")
	}
	c.session = c.s.cfg.Engine.NewSession(sql.User{Name: auth.Anonymous.String(), Host: from.Addr().Unmap()})
	c.session.Set("application_name", m.Parameters["application_name"])
	if db := m.Parameters["database"]; db != "" {
		c.session.Database = db
	}
	c.status = 'I'
	if minor := m.ProtocolVersion & 0xffff; minor > 0 {
		c.out.Send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 0})
	}
	c.out.Send(&pgproto3.AuthenticationOk{})
	for _, name := range []string{"server_version", "server_encoding", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings", "is_superuser", "default_transaction_read_only", "application_name"} {
		v, _ := c.session.Setting(name)
		c.out.Send(&pgproto3.ParameterStatus{Name: name, Value: v})
	}
	c.out.Send(&pgproto3.ParameterStatus{Name: "streamhouse_version", Value: c.s.cfg.Version})
	c.out.Send(&pgproto3.BackendKeyData{ProcessID: c.id, SecretKey: c.key})
	return c.ready()
}

func (c *conn) ready() bool {
	c.out.Send(&pgproto3.ReadyForQuery{TxStatus: c.status})
	return c.out.Flush() == nil
}

// loop answers messages until the client goes.
func (c *conn) loop() {
	for {
		msg, err := c.out.Receive()
		if err != nil {
			var large *pgproto3.ExceededMaxBodyLenErr
			if errors.As(err, &large) {
				c.refuse("54000", "the message is larger than what is taken", "")
			}
			return
		}
		if _, sync := msg.(*pgproto3.Sync); c.skipping && !sync {
			if _, end := msg.(*pgproto3.Terminate); end {
				return
			}
			continue
		}
		ok := true
		switch m := msg.(type) {
		case *pgproto3.Query:
			c.simple(m.String)
			ok = c.ready()
		case *pgproto3.Parse:
			c.extended(c.parse(m))
		case *pgproto3.Bind:
			c.extended(c.bind(m))
		case *pgproto3.Describe:
			c.extended(c.describe(m))
		case *pgproto3.Execute:
			c.extended(c.execute(m))
		case *pgproto3.Close:
			c.close(m)
		case *pgproto3.Sync:
			c.skipping = false
			if c.status == 'I' {
				c.closePortals()
			}
			ok = c.ready()
		case *pgproto3.Flush:
			ok = c.out.Flush() == nil
		case *pgproto3.Terminate:
			return
		default:
			c.refuse("08P01", "a message that is not expected here", "")
			return
		}
		if !ok {
			return
		}
	}
}

func (c *conn) closePortals() {
	for name := range c.portals {
		c.drop(name)
	}
}

func (c *conn) drop(name string) {
	if p := c.portals[name]; p != nil {
		p.close()
		delete(c.portals, name)
	}
}

// transaction follows BEGIN, COMMIT and ROLLBACK; false: the statement is not run, since the
// transaction has failed.
func (c *conn) transaction(st *parse.Statement) bool {
	switch st.Kind {
	case "BEGIN":
		if c.status == 'I' {
			c.status = 'T'
		}
	case "COMMIT", "ROLLBACK":
		c.status = 'I'
		c.closePortals()
	default:
		return c.status != 'E'
	}
	return true
}

// peeker is the way in; while a query runs it is watched for the client's end.
type peeker struct {
	net  net.Conn
	have []byte
}

func newPeeker(c net.Conn) *peeker { return &peeker{net: c} }

// Read implements io.Reader.
func (p *peeker) Read(b []byte) (int, error) {
	if len(p.have) > 0 {
		n := copy(b, p.have)
		p.have = p.have[n:]
		return n, nil
	}
	return p.net.Read(b)
}

// watch calls gone if the client hangs up, until the function that it returns is called. It
// reads one byte ahead at most.
func (p *peeker) watch(gone func()) (stop func()) {
	if len(p.have) > 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var b [1]byte
		n, err := p.net.Read(b[:])
		if n == 1 {
			p.have = []byte{b[0]}
		}
		var timeout net.Error
		if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
			gone()
		}
	}()
	return func() {
		_ = p.net.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = p.net.SetReadDeadline(time.Time{})
	}
}

var be = binary.BigEndian
