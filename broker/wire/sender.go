package wire

import (
	"fmt"
	"io"
	"net"
	"os"
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
	patience
	// gathers: small pieces are put together before they are written, since each write
	// becomes a record of its own.
	gathers bool
	count   func(n int)

	views net.Buffers // the array behind what WriteTo consumes
	rest  net.Buffers // what it has not consumed
	bytes int
	reads []*buffer.Buf
}

// NewSender writes to conn. A client that takes nothing for stall, or too little over
// several times as long, loses its connection. count, if not nil, is told how many bytes
// went out.
func NewSender(conn net.Conn, stall time.Duration, count func(n int)) *Sender {
	return &Sender{patience: newPatience(conn, stall), count: count}
}

// NewRecordSender writes to a connection that makes a record of each write and does not
// survive one that failed, as TLS. Who waits for the client is the connection below, a
// Patient.
func NewRecordSender(conn net.Conn, count func(n int)) *Sender {
	return &Sender{patience: patience{conn: conn}, gathers: true, count: count}
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
	if s.gathers {
		return s.flushRecords()
	}
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

// recordSize is what a record of TLS holds at most.
const recordSize = 16 << 10

// flushRecords writes what was gathered in as few records as it takes.
func (s *Sender) flushRecords() error {
	defer s.reset()
	if len(s.views) == 1 {
		return s.record(s.views[0])
	}
	buf := buffer.Get(recordSize)
	defer buf.Release()
	gathered := buf.Bytes()[:0]
	for _, b := range s.views {
		for len(b) > 0 {
			if len(gathered) == 0 && len(b) >= recordSize {
				whole := len(b) - len(b)%recordSize
				if err := s.record(b[:whole]); err != nil {
					return err
				}
				b = b[whole:]
				continue
			}
			n := min(len(b), recordSize-len(gathered))
			gathered = append(gathered, b[:n]...)
			if b = b[n:]; len(gathered) < recordSize {
				continue
			}
			if err := s.record(gathered); err != nil {
				return err
			}
			gathered = gathered[:0]
		}
	}
	return s.record(gathered)
}

func (s *Sender) record(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := s.conn.Write(b)
	s.wrote(int64(n))
	return err
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
