package broker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/protocol"
)

// conn is one connection. run is its reader; the writer is started by it and ends
// before it returns.
type conn struct {
	srv      *Server
	listener *Listener
	socket   net.Conn // what the system has
	nc       net.Conn // what is read and written: socket, or TLS over it
	secured  *secured // nil: a plain connection
	login    *login   // nil: nobody logs in here
	ip       string
	info     api.ConnInfo

	// ctx ends when the connection is closed, requests earlier when the broker stops, and
	// present earlier yet when the client is seen to have left: what waits gets that one.
	ctx      context.Context
	cancel   context.CancelCauseFunc
	requests context.Context
	stop     context.CancelFunc
	present  context.Context
	leave    context.CancelFunc
	peer     wire.Peer
	busy     atomic.Bool // a request is being served: nobody reads the socket

	in      *wire.Input
	out     *wire.Outbox
	produce api.Stream // made with the first Produce
	rights  Rights     // nil without an authorizer, and until the first request
	begun   bool       // a frame was read; the reader's alone
	once    sync.Once
}

// Why a connection ended, besides errors of the network.
var (
	errPanic    = errors.New("panic")
	errProtocol = errors.New("not a valid request")
	errHandler  = errors.New("request cannot be answered")
)

func (s *Server) newConn(ctx context.Context, nc net.Conn, l *Listener, ip string) *conn {
	c := &conn{srv: s, listener: l, socket: nc, nc: nc, ip: ip}
	c.info = api.ConnInfo{ID: s.lastConn.Add(1), ClientHost: "/" + ip, Listener: l.Name, Principal: auth.Anonymous}
	c.info.Address, _ = netip.ParseAddr(ip) // not valid: a socket without addresses
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.requests, c.stop = context.WithCancel(c.ctx)
	c.present, c.leave = context.WithCancel(c.requests)
	c.peer = wire.NewPeer(nc)
	if l.TLS != nil {
		c.secured = s.secure(nc, l.TLS)
		c.nc = c.secured.tls
	}
	idle := s.cfg.MaxIdle
	if l.Login != nil {
		c.login = &login{cfg: l.Login}
		idle = min(idle, s.cfg.FirstFrame)
	}
	pace := wire.Pace{Idle: idle, First: s.cfg.FirstFrame, Frame: s.cfg.Frame, MinRate: s.cfg.MinRate}
	c.in = wire.NewInput(c.ctx, c.nc, s.budget.Open(), pace, func(n int) { s.metrics.received.Add(float64(n)) })
	c.out = wire.NewOutbox()
	return c
}

// run serves the connection until it ends.
func (c *conn) run() {
	open := c.srv.metrics.connections.WithLabelValues(c.info.Listener)
	open.Inc()
	var writer sync.WaitGroup
	writer.Go(c.write)
	err := c.read()
	if err == nil {
		err = io.EOF
	}
	// Earlier requests are still answered, whatever came after them; if the network
	// failed, sending says so at once.
	c.out.End()
	late := time.AfterFunc(c.srv.cfg.Drain, func() { c.close(err) })
	writer.Wait()
	late.Stop()
	c.farewell()
	c.close(err)
	c.srv.routes.Left(&c.info)
	c.in.Close()
	open.Dec()
	c.srv.admission.leave(c.ip, c.info.Listener)
	c.explain(context.Cause(c.ctx))
	c.srv.unregister(c)
}

// write is the writer: it sends answers until the connection ends.
func (c *conn) write() {
	defer c.contain()
	sent := func(n int) { c.srv.metrics.sent.Add(float64(n)) }
	sender := wire.NewSender(c.nc, c.srv.cfg.SendStall, sent)
	if c.secured != nil {
		sender = wire.NewRecordSender(c.nc, sent)
	}
	if err := c.out.Run(c.ctx, sender.Send); err != nil {
		c.close(err)
	}
}

// close ends the connection now. The first reason given is the one that counts.
func (c *conn) close(reason error) {
	c.once.Do(func() {
		c.cancel(reason)
		_ = c.socket.Close() // whatever it says, it is closed
	})
}

// finish makes the connection end after the request in progress.
func (c *conn) finish() {
	if half, ok := c.socket.(interface{ CloseRead() error }); ok {
		_ = half.CloseRead() // wakes the reader; the client may be gone already
		return
	}
	_ = c.socket.SetReadDeadline(time.Unix(1, 0))
}

// interrupt ends what requests in progress wait for.
func (c *conn) interrupt() { c.stop() }

// explain counts why the connection ended, and says so if it is the client's doing.
func (c *conn) explain(reason error) {
	kind := reasonOf(reason)
	c.srv.metrics.closed.WithLabelValues(kind).Inc()
	switch kind {
	case "client", "stop", "panic": // normal, or said already
	case "network", "idle":
		c.srv.logger.Debug("connection ended", zap.String("client", c.ip), zap.Error(reason))
	default:
		c.srv.complaints.log(c.ip, "connection closed: "+kind, zap.Error(reason), zap.String("listener", c.info.Listener))
	}
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "client"
	case errors.Is(err, errDrained):
		return "stop"
	case errors.Is(err, errPanic):
		return "panic"
	case errors.Is(err, errIdle):
		return "idle"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "too slow"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "half a request"
	case errors.Is(err, errLogin):
		return "login failed"
	case errors.Is(err, errSession):
		return "session over"
	case errors.Is(err, errHandshake):
		return "TLS handshake failed"
	case errors.Is(err, errCertificate):
		return "certificate of nobody"
	case errors.Is(err, errTLS):
		return "speaks TLS"
	case errors.Is(err, errHTTP):
		return "speaks HTTP"
	case errors.Is(err, wire.ErrFrameLength), errors.Is(err, wire.ErrFrameEnd), errors.Is(err, errProtocol):
		return "invalid request"
	case errors.Is(err, errHandler), errors.Is(err, wire.ErrAnswerSize):
		return "unanswerable request"
	}
	if code := protocol.None; errors.As(err, &code) {
		return "failed without an answer" // Produce with acks=0: the records are lost
	}
	return "network"
}
