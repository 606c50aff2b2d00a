// Package wire is the smallest Kafka client that tests can hold in one hand: it frames
// kmsg requests, sends them and decodes the replies, and does nothing by itself. No
// retry, no metadata, no background goroutine: a test that asks "was this very request
// answered?" needs to know exactly what went over the wire.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxFrameBytes bounds a reply: a broken length must fail a test, not its memory.
const maxFrameBytes = 256 << 20

// Conn is one connection to a broker. It is not safe for concurrent use, except that
// one goroutine may send while another receives.
type Conn struct {
	net.Conn
	reader    *bufio.Reader
	formatter *kmsg.RequestFormatter
	next      int32
	frame     []byte
}

// Dial connects to a broker at addr (host:port) as clientID.
func Dial(addr, clientID string, timeout time.Duration) (*Conn, error) {
	return DialFrom("", addr, clientID, timeout)
}

// DialFrom is Dial from an address of this machine; "" is the system's choice.
func DialFrom(local, addr, clientID string, timeout time.Duration) (*Conn, error) {
	d := net.Dialer{Timeout: timeout}
	if local != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{
		Conn:      c,
		reader:    bufio.NewReaderSize(c, 64<<10),
		formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)),
	}, nil
}

// Call sends req, whose version the caller has set, and decodes the reply to it. The
// deadline is timeout from now.
func (c *Conn) Call(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	id, err := c.Send(req)
	if err != nil {
		return nil, err
	}
	return c.Receive(id, req)
}

// Send writes req as one frame and returns its correlation id.
func (c *Conn) Send(req kmsg.Request) (int32, error) {
	c.next++
	_, err := c.Write(c.Encode(nil, req, c.next))
	return c.next, err
}

// Encode appends the frame of req with the given correlation id to dst.
func (c *Conn) Encode(dst []byte, req kmsg.Request, id int32) []byte {
	return c.formatter.AppendRequest(dst, req, id)
}

// Receive reads one frame and decodes it as the reply to req, which was sent as id.
func (c *Conn) Receive(id int32, req kmsg.Request) (kmsg.Response, error) {
	got, body, err := c.ReceiveFrame()
	if err != nil {
		return nil, err
	}
	if got != id {
		return nil, fmt.Errorf("reply to correlation id %d, expected %d", got, id)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if body, err = skipHeaderTags(body, req.Key(), resp.IsFlexible()); err != nil {
		return nil, err
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("decode %s v%d: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return resp, nil
}

// ReceiveFrame reads one frame and returns its correlation id and what follows it. The
// bytes are valid until the next call.
func (c *Conn) ReceiveFrame() (id int32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return 0, nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[:4])) - 4
	if size < 0 || size > maxFrameBytes {
		return 0, nil, fmt.Errorf("reply frame of %d bytes", size+4)
	}
	if int64(cap(c.frame)) < size {
		c.frame = make([]byte, size)
	}
	c.frame = c.frame[:size]
	if _, err := io.ReadFull(c.reader, c.frame); err != nil {
		return 0, nil, err
	}
	return int32(binary.BigEndian.Uint32(head[4:])), c.frame, nil
}

// skipHeaderTags drops the tagged fields of a flexible reply's header. ApiVersions has
// the old header at every version (KIP-511).
func skipHeaderTags(body []byte, key int16, flexible bool) ([]byte, error) {
	if !flexible || key == kmsg.ApiVersions.Int16() {
		return body, nil
	}
	r := kbin.Reader{Src: body}
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		r.Uvarint()
		r.Span(int(r.Uvarint()))
	}
	if !r.Ok() {
		return nil, errors.New("reply header: broken tagged fields")
	}
	return r.Src, nil
}
