package broker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/protocol"
)

var errIdle = errors.New("idle")

// headerFirst is how much of a frame is looked at first for its header; one with a
// long client id needs a second look.
const headerFirst = 128

// read serves requests in order until the client or the broker ends it, which is
// nil, or the connection has to be closed.
func (c *conn) read() (err error) {
	defer c.contain()
	err = io.ErrUnexpectedEOF // what a panic leaves behind
	if c.secured != nil {
		if err := c.handshake(); err != nil {
			return err
		}
	}
	for {
		err = c.next()
		switch {
		case err == nil && !c.srv.stopping.Load():
			continue
		case errors.Is(err, errGone):
			return nil
		case c.srv.stopping.Load():
			return errDrainedIf(err)
		}
		return err
	}
}

// errGone: the client closed the connection between two requests.
var errGone = errors.New("client left")

// errDrainedIf turns the end of a drained connection into a clean one: what is
// settled is still sent.
func errDrainedIf(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// frame waits for the next frame, of limit bytes at most.
func (c *conn) frame(limit int) error {
	if n, err := c.in.Next(limit); err != nil {
		switch {
		case errors.Is(err, wire.ErrFrameLength) && !c.begun:
			return c.stranger(n, err)
		case errors.Is(err, io.EOF):
			return errGone
		case errors.Is(err, os.ErrDeadlineExceeded) && !c.in.Buffered():
			return fmt.Errorf("%w: %w", errIdle, err)
		}
		return err
	}
	c.begun = true
	return nil
}

// next reads one request and sees to its answer.
func (c *conn) next() error {
	if c.login != nil && c.login.state != loginDone {
		c.busy.Store(true) // a login may wait, too
		defer c.busy.Store(false)
		return c.loginNext()
	}
	if err := c.frame(c.srv.cfg.MaxRequestBytes); err != nil {
		return err
	}
	start := time.Now()
	r, err := c.header()
	if err != nil {
		return err
	}
	c.busy.Store(true)
	done := false
	if c.login != nil {
		done, err = c.session(r, start)
	}
	if !done && err == nil {
		_, err = c.serve(r, start)
	}
	c.busy.Store(false)
	if err != nil {
		r.Bill.Release() // there is no answer
		return err
	}
	return c.in.End()
}

// header reads the request's header.
func (c *conn) header() (*api.Request, error) {
	length := c.in.Left()
	for n := min(headerFirst, length); ; n = min(8*n, length) {
		b, err := c.in.Peek(n)
		if err != nil {
			return nil, err
		}
		h, err := protocol.ParseRequestHeader(b)
		if errors.Is(err, protocol.ErrShort) && n < length {
			continue
		}
		if len(b) >= protocol.MinFrame && h.Key == protocol.KeyApiVersions && protocol.CheckVersion(h.Key, h.Version) != nil {
			err = nil // its header is answered, whatever follows (KIP-511)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProtocol, err)
		}
		if limit := protocol.FrameLimit(h.Key, false, c.srv.cfg.MaxRequestBytes); length > limit {
			return nil, fmt.Errorf("%w: %d bytes for %s, at most %d are read", wire.ErrFrameLength, length, protocol.Name(h.Key), limit)
		}
		return &api.Request{
			Key: h.Key, Version: h.Version, CorrelationID: h.CorrelationID,
			ClientID: h.ClientID, ClientIDNull: !h.HasClientID, Conn: &c.info, Present: c.present, Memory: c.in,
			Bill: c.srv.answers.Open(),
		}, c.in.Skip(h.Size)
	}
}

// serve runs the handler of a request whose header was read, and returns the first error in
// the answer.
func (c *conn) serve(r *api.Request, start time.Time) (protocol.Code, error) {
	route := c.srv.routes.Route(r.Key, r.Version)
	c.authorise()
	switch {
	case route != nil && route.Streamer != nil:
		if c.produce == nil {
			c.produce = route.Streamer.Open(c.out, &c.info)
		}
		return protocol.None, c.produce.Serve(c.requests, r, c.in, start, c.srv.metrics.byKey[r.Key])
	case route == nil && r.Key == protocol.KeyApiVersions:
		r.Version = 0
		return protocol.UnsupportedVersion, c.push(r, api.Encode(r, api.ApiVersionsUnsupported()), protocol.UnsupportedVersion, start)
	case route == nil:
		return protocol.None, fmt.Errorf("%w: %s version %d is not served", errProtocol, protocol.Name(r.Key), r.Version)
	}
	if err := c.out.Quiet(c.ctx); err != nil {
		return protocol.None, err
	}
	if err := c.body(r); err != nil {
		return protocol.None, err
	}
	f, first, err := route.Answer(c.requests, r)
	if err != nil {
		return protocol.None, fmt.Errorf("%w: %s: %w", errHandler, protocol.Name(r.Key), err)
	}
	return first, c.push(r, f, first, start)
}

// body reads and decodes the body of a request.
func (c *conn) body(r *api.Request) error {
	body, err := c.in.Rest(c.present)
	if err != nil {
		return err
	}
	return c.decode(r, body)
}

// decode makes the request of its body, once what that takes is known and free.
func (c *conn) decode(r *api.Request, body []byte) error {
	shape, err := protocol.Walk(r.Key, r.Version, body)
	if err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	if err := c.in.Reserve(c.present, shape.Memory); err != nil {
		return err
	}
	if r.Body, err = protocol.Unmarshal(r.Key, r.Version, body); err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	return nil
}

// push hands an answer to the writer, once there is room among those that wait for their
// clients. What a fetch sends it counts itself.
func (c *conn) push(r *api.Request, f *wire.Frame, first protocol.Code, start time.Time) error {
	c.srv.metrics.byKey[r.Key].Observe(first, time.Since(start))
	if err := r.Bill.AtLeast(c.present, int64(len(f.Meta))); err != nil {
		f.Release()
		return fmt.Errorf("%w: %s: %w", errHandler, protocol.Name(r.Key), err)
	}
	r.Body = nil
	return c.out.Push(c.ctx, &wire.Slot{Ready: f, Hold: r.Bill.Holder()})
}
