package wire

import (
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

// Sender writes frames to one connection: small pieces gathered into vectored
// writes, large sections of files by sendfile where the connection is plain TCP. It
// belongs to the connection's writer.
type Sender struct {
	conn  net.Conn
	raw   syscall.RawConn // nil: no sendfile
	stall time.Duration
	till  time.Time
	count func(n int)

	views net.Buffers // the array behind what WriteTo consumes
	bytes int
	reads []*buffer.Buf
}

// NewSender writes to conn. A client that takes nothing for stall loses its
// connection. count, if not nil, is told how many bytes went out.
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
	if len(s.views) == 0 {
		return nil
	}
	if err := s.deadline(); err != nil {
		return err
	}
	var err error
	if len(s.views) == 1 {
		_, err = s.conn.Write(s.views[0])
	} else {
		rest := s.views
		_, err = rest.WriteTo(s.conn)
	}
	if s.count != nil {
		s.count(s.bytes)
	}
	s.reset()
	return err
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

// deadline gives the next write at least stall, renewing it only now and then.
func (s *Sender) deadline() error {
	if s.stall <= 0 {
		return nil
	}
	now := time.Now()
	if s.till.Sub(now) >= s.stall {
		return nil
	}
	s.till = now.Add(s.stall + s.stall/4)
	return s.conn.SetWriteDeadline(s.till)
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
		if s.count != nil {
			s.count(int(sent))
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
