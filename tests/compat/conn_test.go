package compat

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

func connection(c *testCase, lane int16) string {
	if c.on == "" {
		return ""
	}
	return each(c.on, lane)
}

func (w *world) send(c *testCase, lane int16, req kmsg.Request) error {
	conn, err := w.dial(connection(c, lane))
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	id, err := conn.Send(req)
	w.pending[each(c.name, lane)] = pending{conn, id, req}
	return err
}

func (w *world) ask(c *testCase, lane int16, req kmsg.Request) (kmsg.Response, error) {
	conn, err := w.dial(connection(c, lane))
	if err != nil {
		return nil, err
	}
	wait := patience
	switch {
	case c.silent:
		wait = silence
	case c.shape && w.kafka():
		wait = longSilence
	}
	resp, err := conn.Call(req, wait)
	if o, ok := resp.(oldest); ok {
		resp = o.Response
	}
	if w.kafka() && err == nil && changes(req) && succeeded(resp) {
		time.Sleep(settling)
	}
	return resp, err
}

func (w *world) kafka() bool { return w.broker.Options().Kind == peers.Kafka }

func (w *world) call(on string, req kmsg.Request) (kmsg.Response, error) {
	conn, err := w.dial(on)
	if err != nil {
		return nil, err
	}
	return conn.Call(req, patience)
}

func (w *world) dial(name string) (*wire.Conn, error) {
	if conn := w.conns[name]; conn != nil {
		return conn, nil
	}
	conn, err := wire.Dial(w.broker.Addr(), "compat", patience)
	if err == nil {
		w.conns[name] = conn
	}
	return conn, err
}

func (w *world) drop(name string) {
	if conn := w.conns[name]; conn != nil {
		conn.Close()
		delete(w.conns, name)
	}
}

func closed(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &op) && op.Op == "write"
}
