package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/streamhouse/streamhouse/storage/buffer"
)

const (
	// sendfileMin is the size from which a section of a file goes from file to
	// socket; below, reading it is cheaper than the system call of its own.
	sendfileMin = 64 << 10
	// flushBytes and flushViews bound what is gathered into one write.
	flushBytes = 1 << 20
	flushViews = 512
	// sendfileStep is how much one deadline covers.
	sendfileStep = 4 << 20
)

// A client that takes little at a time is served for as long as it takes something, and
// not less than slowRate bytes per second over each slowWindow: below that it only pins
// what is sent to it. Clients on bad lines take ten times as much.
const (
	slowRate   = 1 << 10
	slowWindow = 5 // of the time that a client may take nothing
)

// Sender writes frames to one connection: small pieces gathered into vectored
// writes, large sections of files by sendfile where the connection is plain TCP. It
// belongs to the connection's writer.
type Sender struct {
	conn  net.Conn
	raw   syscall.RawConn // nil: no sendfile
	stall time.Duration
	till  time.Time // the deadline that is set
	count func(n int)

	// How the client takes what is sent, looked at when a deadline passes.
	written int64     // bytes handed to the system
	taken   int64     // of them, those that the client had when it was last looked at
	moved   time.Time // when it was seen to have taken more
	slow    time.Time // since when its rate is measured; zero while nothing waits for it
	slowAt  int64     // taken, then

	views net.Buffers // the array behind what WriteTo consumes
	rest  net.Buffers // what it has not consumed
	bytes int
	reads []*buffer.Buf
}

// NewSender writes to conn. A client that takes nothing for stall, or too little over
// several times as long, loses its connection. count, if not nil, is told how many bytes
// went out.
func NewSender(conn net.Conn, stall time.Duration, count func(n int)) *Sender {
	s := &Sender{conn: conn, stall: stall, count: count}
	if tcp, ok := conn.(*net.TCPConn); ok && canSendfile {
		s.raw, _ = tcp.SyscallConn()
	}
	return s
}

// Send writes the frames in order. It does not release them.
func (s *Sender) Send(frames []*Frame) error {
	defer s.reset()
	s.slow = time.Time{}
	for _, f := range frames {
		if err := s.frame(f); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *Sender) frame(f *Frame) error {
	from := 0
	for i := 0; i < len(f.cuts); i++ {
		c := &f.cuts[i]
		if c.at > from {
			if err := s.add(f.Meta[from:c.at]); err != nil {
				return err
			}
			from = c.at
		}
		if err := s.data(&c.data); err != nil {
			return err
		}
	}
	return s.add(f.Meta[from:])
}

func (s *Sender) data(c *Data) error {
	switch {
	case c.File == nil:
		return s.add(c.Mem)
	case c.Len >= sendfileMin && s.raw != nil:
		if err := s.flush(); err != nil {
			return err
		}
		return s.sendfile(c.File, c.Pos, c.Len)
	}
	for pos, left := c.Pos, c.Len; left > 0; {
		n := min(left, flushBytes)
		buf := buffer.Get(int(n))
		s.reads = append(s.reads, buf)
		if _, err := c.File.ReadAt(buf.Bytes(), pos); err != nil {
			return fmt.Errorf("read %s at %d: %w", c.File.Name(), pos, err)
		}
		if err := s.add(buf.Bytes()); err != nil {
			return err
		}
		pos, left = pos+n, left-n
	}
	return nil
}

// add gathers b, and writes when much has been gathered.
func (s *Sender) add(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	s.views = append(s.views, b)
	s.bytes += len(b)
	if s.bytes >= flushBytes || len(s.views) >= flushViews {
		return s.flush()
	}
	return nil
}

func (s *Sender) flush() error {
	s.rest = s.views
	for len(s.rest) > 0 {
		if err := s.deadline(); err != nil {
			return err
		}
		n, err := s.write()
		s.wrote(n)
		if err != nil && !s.goesOn(err) {
			return err
		}
	}
	s.reset()
	return nil
}

// write hands the rest to the system, and takes off what it took.
func (s *Sender) write() (int64, error) {
	if len(s.rest) > 1 {
		return s.rest.WriteTo(s.conn)
	}
	n, err := s.conn.Write(s.rest[0])
	if s.rest[0] = s.rest[0][n:]; err == nil {
		s.rest = nil
	}
	return int64(n), err
}

func (s *Sender) wrote(n int64) {
	s.written += n
	if s.count != nil {
		s.count(int(n))
	}
}

// reset forgets what was gathered and releases what was read for it.
func (s *Sender) reset() {
	clear(s.views)
	s.views, s.bytes = s.views[:0], 0
	for i, b := range s.reads {
		b.Release()
		s.reads[i] = nil
	}
	s.reads = s.reads[:0]
}

// deadline sees to it that the next write is looked at again after half of stall at
// least, renewing it only now and then.
func (s *Sender) deadline() error {
	if s.stall <= 0 {
		return nil
	}
	now := time.Now()
	if s.till.Sub(now) >= s.stall/2 {
		return nil
	}
	if s.slow.IsZero() { // nothing waited until now
		s.taken, s.moved = s.written-s.queued(), now
	}
	s.till = now.Add(s.stall/2 + s.stall/8)
	return s.conn.SetWriteDeadline(s.till)
}

// goesOn says whether a write that failed did so because the client is slow, but not too
// slow. The system's buffer is room for megabytes, of which it tells only when a good
// part has become free; so what counts is what the client has confirmed.
func (s *Sender) goesOn(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	now, taken := time.Now(), s.written-s.queued()
	if s.slow.IsZero() {
		s.slow, s.slowAt = now, s.taken
	}
	if taken > s.taken {
		s.taken, s.moved = taken, now
	}
	if over := now.Sub(s.slow); over >= slowWindow*s.stall {
		if float64(taken-s.slowAt) < slowRate*over.Seconds() {
			return false
		}
		s.slow, s.slowAt = now, taken
	}
	return now.Sub(s.moved) < s.stall
}

// queued is how much of what was written the client has not confirmed, in bytes.
func (s *Sender) queued() int64 {
	if s.raw == nil {
		return 0
	}
	return unconfirmed(s.raw)
}

// sendfile moves a section of a file to the socket. It names the position in each
// call, since readers share the file.
func (s *Sender) sendfile(f *os.File, pos, n int64) error {
	fd := f.Fd()
	for n > 0 {
		if err := s.deadline(); err != nil {
			return err
		}
		step := min(n, sendfileStep)
		sent, err := sendfile(s.raw, fd, pos, step)
		pos, n = pos+sent, n-sent
		s.wrote(sent)
		if err != nil && s.goesOn(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("send %s: %w", f.Name(), err)
		}
		if sent == 0 {
			return fmt.Errorf("send %s at %d: %w", f.Name(), pos, io.ErrUnexpectedEOF)
		}
	}
	return nil
}
