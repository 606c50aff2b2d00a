package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/streamhouse/streamhouse/broker/wire"
)

// handshakesPerProcessor bounds the handshakes that compute at a time, so that a storm of
// new connections leaves something for those that are there. Who waits for its client
// holds no place.
const handshakesPerProcessor = 4

// farewellMax bounds what the end of a TLS connection may take.
const farewellMax = time.Second

var (
	errHandshake = errors.New("TLS handshake")
	// errCertificate: whom the certificate is for cannot be said.
	errCertificate = errors.New("certificate")
)

// secured is the TLS side of a connection.
type secured struct {
	tls   *tls.Conn
	gate  *gate
	ended bool // nothing more can be written
}

// gate stands between TLS and its socket. While the handshake lasts it takes a place among
// those that compute, and gives it back for as long as it waits for the client.
type gate struct {
	*wire.Patient
	places chan struct{}
	inside bool
	done   <-chan struct{} // of the handshake; nil: it is over
}

func (s *Server) secure(nc net.Conn, config *tls.Config) *secured {
	g := &gate{Patient: wire.NewPatient(nc, s.cfg.SendStall), places: s.handshakes}
	return &secured{tls: tls.Server(g, config), gate: g}
}

// Read reads, without a place.
func (g *gate) Read(b []byte) (int, error) {
	if g.done == nil {
		return g.Patient.Read(b)
	}
	g.leave()
	n, err := g.Patient.Read(b)
	if err != nil {
		return n, err
	}
	select {
	case g.places <- struct{}{}:
		g.inside = true
	case <-g.done:
		return 0, context.DeadlineExceeded
	}
	return n, nil
}

func (g *gate) leave() {
	if g.inside {
		<-g.places
		g.inside = false
	}
}

// handshake makes the connection ready to be read, and finds out who the client is if it
// has shown a certificate.
func (c *conn) handshake() error {
	t, g := c.secured.tls, c.secured.gate
	ctx, cancel := context.WithTimeout(c.ctx, c.srv.cfg.Handshake)
	defer cancel()
	if err := c.socket.SetDeadline(time.Now().Add(c.srv.cfg.Handshake)); err != nil {
		return err
	}
	g.done = ctx.Done()
	err := t.HandshakeContext(ctx)
	g.done = nil
	g.leave()
	if err != nil {
		c.secured.ended = true
		return c.handshakeFault(err)
	}
	if err := c.socket.SetDeadline(time.Time{}); err != nil {
		return err
	}
	peers := t.ConnectionState().PeerCertificates
	if len(peers) == 0 || c.listener.Identify == nil || c.login != nil {
		return nil
	}
	p, err := c.listener.Identify(peers[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errCertificate, err)
	}
	c.info.Principal = p
	return nil
}

// handshakeFault says why there is no connection. A client that left before it said
// anything is no fault: probes do that.
func (c *conn) handshakeFault(err error) error {
	var plain tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF):
		return errGone
	case errors.As(err, &plain) && plain.Conn != nil:
		return fmt.Errorf("%w: the client does not speak TLS: set security.protocol=%s in the client", errHandshake, c.listener.Protocol)
	}
	return fmt.Errorf("%w: %w", errHandshake, err)
}

// farewell says that nothing more comes, so that nobody takes a connection that was cut
// for one that ended. The writer has ended.
func (c *conn) farewell() {
	if c.secured == nil || c.secured.ended || c.ctx.Err() != nil {
		return
	}
	late := time.AfterFunc(farewellMax, func() { _ = c.socket.Close() }) // it is closed next anyway
	_ = c.secured.tls.CloseWrite()
	late.Stop()
}
