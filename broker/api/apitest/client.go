package apitest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// Client speaks the protocol over a connection, with kmsg on its side.
type Client struct {
	T    testing.TB
	Conn net.Conn
	ID   string // client id
	last int32
}

// Dial connects to a broker.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Client{T: t, Conn: conn, ID: "test"}
}

// Frame encodes a request with the next correlation id.
func (c *Client) Frame(req kmsg.Request) []byte {
	c.last++
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.ID))
	return f.AppendRequest(nil, req, c.last)
}

// Send writes a request without waiting for its answer.
func (c *Client) Send(req kmsg.Request) {
	c.T.Helper()
	if _, err := c.Conn.Write(c.Frame(req)); err != nil {
		c.T.Fatalf("send: %v", err)
	}
}

// Receive reads the next answer and decodes it as the answer to req.
func (c *Client) Receive(req kmsg.Request) (kmsg.Response, int32, error) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var size [4]byte
	if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
		return nil, 0, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return nil, 0, err
	}
	correlation := int32(binary.BigEndian.Uint32(body))
	body = body[4:]
	if protocol.ResponseHeaderVersion(req.Key(), req.GetVersion()) >= 1 {
		if body[0] != 0 {
			return nil, 0, fmt.Errorf("response header has tags")
		}
		body = body[1:]
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(body); err != nil {
		return nil, 0, fmt.Errorf("decode %T v%d: %w", resp, req.GetVersion(), err)
	}
	if again := resp.AppendTo(nil); len(again) != len(body) {
		return nil, 0, fmt.Errorf("%T v%d: %d bytes came, %d when encoded again", resp, req.GetVersion(), len(body), len(again))
	}
	return resp, correlation, nil
}

// Call sends a request and returns its answer.
func (c *Client) Call(req kmsg.Request) kmsg.Response {
	c.T.Helper()
	c.Send(req)
	resp, correlation, err := c.Receive(req)
	if err != nil {
		c.T.Fatalf("%T v%d: %v", req, req.GetVersion(), err)
	}
	if correlation != c.last {
		c.T.Fatalf("%T: answer to %d, want %d", req, correlation, c.last)
	}
	return resp
}

// Closed fails the test unless the broker closes the connection without an answer.
func (c *Client) Closed() {
	c.T.Helper()
	_ = c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := c.Conn.Read(make([]byte, 64))
	if n > 0 {
		c.T.Fatalf("%d bytes came, want the connection closed", n)
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.T.Fatal("the connection is still open")
	}
}
