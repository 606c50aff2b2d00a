package broker

import (
	"context"
	"io"
	"time"

	"github.com/streamhouse/streamhouse/broker/wire"
)

// lookEvery is how often connections whose reader is busy are looked at. A reader that
// reads notices by itself that its client left; one that waits, for memory, for room in
// the log, in a long poll or a join, would only after that.
const lookEvery = time.Second

// look ends the waits of those whose client left, until ctx ends.
func (s *Server) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.each((*conn).look)
		case <-ctx.Done():
			return
		}
	}
}

// look lets go of what the connection waits for if nobody will read its answer. A client
// that only closed its half may still read: its waits end, and it is answered.
func (c *conn) look() {
	if !c.busy.Load() {
		return
	}
	switch c.peer.State() {
	case wire.PeerGone:
		c.close(io.EOF)
	case wire.PeerDone:
		c.leave()
	}
}
