package wire

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// A client that takes little at a time is served for as long as it takes something, and
// not less than slowRate bytes per second over each slowWindow: below that it only pins
// what is sent to it. Clients on bad lines take ten times as much.
const (
	slowRate   = 1 << 10
	slowWindow = 5 // of the time that a client may take nothing
)

// patience is how long a connection's writer waits for its client.
type patience struct {
	conn  net.Conn
	raw   syscall.RawConn // nil: no sendfile, and nothing is known of what the client took
	stall time.Duration   // 0: there is no bound
	till  time.Time       // the deadline that is set

	// How the client takes what is sent, looked at when a deadline passes.
	written int64     // bytes handed to the system
	taken   int64     // of them, those that the client had when it was last looked at
	moved   time.Time // when it was seen to have taken more
	slow    time.Time // since when its rate is measured; zero while nothing waits for it
	slowAt  int64     // taken, then
}

func newPatience(conn net.Conn, stall time.Duration) patience {
	s := patience{conn: conn, stall: stall}
	if tcp, ok := conn.(*net.TCPConn); ok && canSendfile {
		s.raw, _ = tcp.SyscallConn()
	}
	return s
}

// Patient is a connection whose writes wait for a slow client as a Sender does, so that
// what lies above it sees only writes that are whole and the failure that ends it.
type Patient struct {
	net.Conn
	patience
}

// NewPatient puts patience around conn. One goroutine writes at a time.
func NewPatient(conn net.Conn, stall time.Duration) *Patient {
	return &Patient{Conn: conn, patience: newPatience(conn, stall)}
}

// Write writes all of b.
func (p *Patient) Write(b []byte) (int, error) {
	p.slow = time.Time{}
	for rest := b; ; {
		if err := p.deadline(); err != nil {
			return len(b) - len(rest), err
		}
		n, err := p.Conn.Write(rest)
		p.written += int64(n)
		if rest = rest[n:]; err == nil {
			return len(b), nil
		}
		if !p.goesOn(err) {
			return len(b) - len(rest), err
		}
	}
}

// SetWriteDeadline does nothing: patience has deadlines of its own.
func (p *Patient) SetWriteDeadline(time.Time) error { return nil }

// deadline sees to it that the next write is looked at again after half of stall at
// least, renewing it only now and then.
func (s *patience) deadline() error {
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
func (s *patience) goesOn(err error) bool {
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
func (s *patience) queued() int64 {
	if s.raw == nil {
		return 0
	}
	return unconfirmed(s.raw)
}
