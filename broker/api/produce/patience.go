package produce

import (
	"context"
	"sync"
	"time"
)

// patience is the context of everything that one request waits for before its batches
// have their places. It ends with the connection's, and when timeout has passed since
// somebody first waited: a request that waits for nothing, as nearly all do, pays for no
// timer, and one that takes long to arrive is not late before it has asked for anything.
type patience struct {
	context.Context
	timeout time.Duration

	once    sync.Once
	bounded context.Context
	cancel  context.CancelFunc
}

func (p *patience) begin() context.Context {
	p.once.Do(func() { p.bounded, p.cancel = context.WithTimeout(p.Context, p.timeout) })
	return p.bounded
}

// Done, Err and Deadline are those of the bounded context.
func (p *patience) Done() <-chan struct{} { return p.begin().Done() }

func (p *patience) Err() error { return p.begin().Err() }

func (p *patience) Deadline() (time.Time, bool) { return p.begin().Deadline() }

// end lets go of the timer, if there is one. Nobody waits any more.
func (p *patience) end() {
	p.once.Do(func() { p.cancel = func() {} })
	p.cancel()
}
