// Package link is the network between clients and a server of a test, on the loopback
// interface: it passes bytes, and breaks as networks do. Connections are cut; they stay
// open while nothing arrives any more, in one direction or in both; bytes wait; the link
// is slow. It knows nothing of what it passes.
package link

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Direction of bytes.
type Direction int

// Directions: Up is towards the server.
const (
	Up Direction = iota
	Down
)

// State is what becomes of bytes, by direction.
type State struct {
	// Swallow: they are read and forgotten, and the sockets stay open. A connection
	// that lost bytes is reset by the next Heal: no real one goes on after a gap.
	Swallow [2]bool
	// Hold: they wait, in the buffers of both sides, and go on after Heal.
	Hold [2]bool
	// Delay of every piece of at most pieceBytes: latency, and a bound of the rate.
	Delay time.Duration
}

const (
	pieceBytes  = 16 << 10
	dialTimeout = 2 * time.Second
	// look is how often a connection looks whether it may pass bytes again.
	look = 2 * time.Millisecond
)

// Link is one such network. Its methods may be called from any goroutine.
type Link struct {
	listener net.Listener

	mu       sync.Mutex
	upstream string
	state    State
	pairs    map[*pair]struct{}
}

// pair is a client's connection and the one to the server that belongs to it.
type pair struct {
	client, server *net.TCPConn
	lost           bool // bytes of it were swallowed; guarded by the link's mu
}

// New listens on a free port. Nothing is accepted before Run. upstream is host:port and
// may be named later.
func New(upstream string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Link{listener: listener, upstream: upstream, pairs: map[*pair]struct{}{}}, nil
}

// Addr is where clients connect.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// SetUpstream names the server for connections from now on.
func (l *Link) SetUpstream(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.upstream = addr
}

// Set makes a state hold for all connections, those that come as well.
func (l *Link) Set(s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
}

// Heal passes bytes as they come again. Connections that lost some are reset, and
// counted.
func (l *Link) Heal() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = State{}
	reset := 0
	for p := range l.pairs {
		if p.lost {
			p.reset()
			reset++
		}
	}
	return reset
}

// Cut resets all connections and returns how many there were.
func (l *Link) Cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.reset()
	}
	return len(l.pairs)
}

// reset closes both sides without delivering what is buffered.
func (p *pair) reset() {
	for _, c := range []*net.TCPConn{p.client, p.server} {
		// A connection that is gone already needs neither.
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// Run passes bytes until ctx ends, and closes everything then.
func (l *Link) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-ctx.Done()
		l.listener.Close()
		l.Cut()
		return nil
	})
	group.Go(func() error {
		for {
			client, err := l.listener.Accept()
			if err != nil {
				return err
			}
			group.Go(func() error {
				l.serve(ctx, client.(*net.TCPConn))
				return nil
			})
		}
	})
	if err := group.Wait(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// serve passes one client's bytes until either side is gone.
func (l *Link) serve(ctx context.Context, client *net.TCPConn) {
	defer client.Close()
	l.mu.Lock()
	upstream := l.upstream
	l.mu.Unlock()
	server, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", upstream)
	if err != nil {
		return // the server is down: so is this connection
	}
	p := &pair{client: client, server: server.(*net.TCPConn)}
	defer p.server.Close()
	l.mu.Lock()
	l.pairs[p] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.pairs, p)
	}()
	if ctx.Err() != nil {
		return // Run's last cut did not see this one
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(ctx, p, Up, p.client, p.server) })
	both.Go(func() { l.pump(ctx, p, Down, p.server, p.client) })
	both.Wait()
}

// pump passes one direction. When it ends, so does the connection: half a TCP close is
// nothing that Kafka's or S3's clients use.
func (l *Link) pump(ctx context.Context, p *pair, d Direction, from, to *net.TCPConn) {
	defer p.client.Close()
	defer p.server.Close()
	piece := make([]byte, pieceBytes)
	for {
		n, err := from.Read(piece)
		if n > 0 && !l.pass(ctx, p, d, to, piece[:n]) {
			return
		}
		if err != nil {
			l.linger(ctx, p, d, err)
			return
		}
	}
}

// pass hands on a piece, or forgets it. It says whether the connection goes on.
func (l *Link) pass(ctx context.Context, p *pair, d Direction, to *net.TCPConn, piece []byte) bool {
	l.mu.Lock()
	s := l.state
	l.mu.Unlock()
	if s.Delay > 0 && !pause(ctx, s.Delay) {
		return false
	}
	for {
		l.mu.Lock()
		s = l.state
		if s.Swallow[d] {
			p.lost = true
		}
		lost := p.lost
		l.mu.Unlock()
		switch {
		case lost:
			return true // whatever follows a gap is lost with it
		case !s.Hold[d]:
			_, err := to.Write(piece)
			return err == nil
		case !pause(ctx, look):
			return false
		}
	}
}

// linger keeps the other side from noticing an orderly end while nothing passes.
func (l *Link) linger(ctx context.Context, p *pair, d Direction, err error) {
	if !errors.Is(err, io.EOF) {
		return
	}
	for {
		l.mu.Lock()
		quiet := l.state.Hold[d] || l.state.Swallow[d]
		if l.state.Swallow[d] {
			p.lost = true // the end itself is lost
		}
		l.mu.Unlock()
		if !quiet || !pause(ctx, look) {
			return
		}
	}
}

// pause says whether ctx still lasts after d.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
