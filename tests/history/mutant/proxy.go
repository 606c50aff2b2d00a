// Package mutant breaks a broker on purpose, to see that a checker notices. A Proxy
// stands between clients and one correct broker, whichever, and a Mutant changes what
// passes: an acknowledged batch is gone, two offsets are swapped, half a commit is
// forgotten. Clients can not tell it from a broker with that fault.
package mutant

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// Mutant changes requests on their way to the broker, and answers on their way back.
// The proxy calls one method at a time. They say whether they changed anything.
type Mutant interface {
	Request(p *Proxy, req kmsg.Request) bool
	Response(p *Proxy, req kmsg.Request, resp kmsg.Response) bool
}

// Proxy passes Kafka's protocol between clients and one broker.
type Proxy struct {
	upstream string
	listener net.Listener
	host     string
	port     int32
	side     *wire.Redial // to the broker, for what the mutant sends by itself

	mutating sync.Mutex // held while the mutant works; guards names
	mutant   Mutant
	names    map[[16]byte]string // of topics, by id

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// New listens on a free port of the loopback interface for clients of the broker at
// upstream (host:port). Nothing is accepted before Run.
func New(upstream string, m Mutant) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return &Proxy{upstream: upstream, listener: listener, host: host, port: int32(number), mutant: m,
		side: &wire.Redial{Addr: upstream, ClientID: "mutant"}, names: map[[16]byte]string{}, conns: map[net.Conn]struct{}{}}, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Run passes frames until ctx ends, and closes everything then.
func (p *Proxy) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-ctx.Done()
		p.listener.Close()
		p.Cut()
		return nil
	})
	group.Go(func() error {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return err
			}
			group.Go(func() error { return p.serve(ctx, client) })
		}
	})
	err := group.Wait()
	p.side.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Cut closes every connection, as a broker does that goes down.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) track(c net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return func() {
		c.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	}
}

// pending is a request that waits for its answer. The request is nil where answers
// pass unseen.
type pending struct {
	id  int32
	req kmsg.Request
}

// serve passes one client's frames until either side is gone. A lost connection is the
// client's business, a frame that can not be understood is this proxy's fault.
func (p *Proxy) serve(ctx context.Context, client net.Conn) error {
	defer p.track(client)()
	broker, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return nil // the broker is down: so is this connection
	}
	defer p.track(broker)()
	if ctx.Err() != nil {
		return nil
	}
	const inFlightMax = 1000
	waiting := make(chan pending, inFlightMax)
	var group errgroup.Group
	group.Go(func() error {
		defer broker.Close()
		defer close(waiting)
		return passing(p.requests(client, broker, waiting))
	})
	group.Go(func() error {
		defer client.Close()
		err := passing(p.responses(broker, client, waiting))
		for range waiting { // so that the other side is never stuck
			continue
		}
		return err
	})
	return group.Wait()
}

// errFrame is a frame that the proxy does not understand.
var errFrame = errors.New("mutant: broken frame")

// passing drops the errors of connections that end.
func passing(err error) error {
	if errors.Is(err, errFrame) {
		return err
	}
	return nil
}

// maxFrameBytes bounds a frame.
const maxFrameBytes = 256 << 20

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxFrameBytes {
		return nil, fmt.Errorf("%w of %d bytes", errFrame, n)
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}
