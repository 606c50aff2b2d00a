package cache

import (
	"container/list"
	"context"
	"sync"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// blocks is a cache of aligned blocks of remote objects. The least recently used go
// first: readers of a log are sequential, so what is kept is there to be shared by
// readers that are close to one another, and read-ahead must survive until it is
// read. (Rejected: S3-FIFO. Its small entry queue drops the read-ahead of a few
// dozen readers before they come to it.)
//
// Memory beyond Options.MemoryBytes: what requests under way have read so far, at most
// FetchesMax times RequestSize.
type blocks struct {
	b bucket.Bucket
	o Options
	m *metrics

	slots chan struct{} // one per request under way

	ctx     context.Context // ends the requests
	cancel  context.CancelFunc
	fetches sync.WaitGroup

	mu     sync.Mutex
	byID   map[blockID]*block
	of     map[string]map[int64]*block // the same, by key, for forget
	used   *list.List                  // of *block that are loaded, the latest used in front
	bytes  int64                       // of those
	closed bool
}

type blockID struct {
	key   string
	index int64
}

// block is a part of an object: being fetched, or loaded. A block whose fetch
// failed is in no map.
type block struct {
	blockID
	ahead bool          // fetched for nobody yet
	ready chan struct{} // closed when data or err is set
	data  []byte        // never changed
	err   error
	place *list.Element // in used; nil while it is fetched
}

func newBlocks(b bucket.Bucket, o Options, m *metrics) *blocks {
	ctx, cancel := context.WithCancel(context.Background())
	return &blocks{
		b: b, o: o, m: m, slots: make(chan struct{}, o.FetchesMax), ctx: ctx, cancel: cancel,
		byID: map[blockID]*block{}, of: map[string]map[int64]*block{}, used: list.New(),
	}
}

// read fills p from off. p lies within the object of the given size.
func (c *blocks) read(ctx context.Context, key string, size int64, p []byte, off int64) error {
	// A window at a time: a large read does not pin more than a request's worth.
	window := c.o.RequestSize - c.o.RequestSize%c.o.BlockBytes
	for len(p) > 0 {
		end := min(off-off%c.o.BlockBytes+window, off+int64(len(p)))
		part := p[:end-off]
		if err := c.readWindow(ctx, key, size, part, off); err != nil {
			return err
		}
		p, off = p[len(part):], end
	}
	return nil
}

func (c *blocks) readWindow(ctx context.Context, key string, size int64, p []byte, off int64) error {
	first, last := off/c.o.BlockBytes, (off+int64(len(p))-1)/c.o.BlockBytes
	want, err := c.plan(key, size, first, last)
	if err != nil {
		return err
	}
	for _, w := range want {
		data, err := c.wait(ctx, w, size)
		if err != nil {
			return err
		}
		n := copy(p, data[off-w.index*c.o.BlockBytes:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// wait returns a block's bytes. A block that was being fetched ahead for nobody and
// failed is asked for again: there may have been no request to spare for it.
func (c *blocks) wait(ctx context.Context, w wanted, size int64) ([]byte, error) {
	for {
		data, err := w.wait(ctx)
		if err == nil || !w.second || ctx.Err() != nil {
			return data, err
		}
		again, err := c.plan(w.key, size, w.index, w.index)
		if err != nil {
			return nil, err
		}
		w = again[0]
	}
}

// wanted is a block that a reader waits for. second: somebody else's read-ahead is
// bringing it.
type wanted struct {
	*block
	second bool
}

func (b *block) wait(ctx context.Context) ([]byte, error) {
	select {
	case <-b.ready:
		return b.data, b.err
	default:
	}
	select {
	case <-b.ready:
		return b.data, b.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// plan finds the blocks first to last and starts a request for each run of missing
// ones. A reader that comes from the block before is sequential: then the blocks
// behind are fetched too.
func (c *blocks) plan(key string, size, first, last int64) ([]wanted, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	want := make([]wanted, 0, last-first+1)
	var missing []*block
	for i := first; i <= last; i++ {
		b := c.byID[blockID{key, i}]
		if b == nil {
			b = c.add(key, i, false)
			missing = append(missing, b)
		} else {
			c.hit(b)
		}
		want = append(want, wanted{b, b.ahead && b.place == nil})
	}
	sequential := first > 0 && c.byID[blockID{key, first - 1}] != nil
	if sequential {
		missing = c.planAhead(missing, key, size, last)
	}
	c.startRuns(missing, size)
	return want, nil
}

func (c *blocks) hit(b *block) {
	c.m.hits.Inc()
	if b.place != nil {
		c.used.MoveToFront(b.place)
	}
}

// planAhead adds blocks behind last to what is to be fetched, once half of the
// read-ahead has been used up, so that requests stay large.
func (c *blocks) planAhead(missing []*block, key string, size, last int64) []*block {
	ahead := c.o.AheadBytes / c.o.BlockBytes
	end := min(last+ahead, (size-1)/c.o.BlockBytes)
	if half := last + (ahead+1)/2; len(missing) == 0 && half <= end && c.byID[blockID{key, half}] != nil {
		return missing
	}
	for i := last + 1; i <= end; i++ {
		if c.byID[blockID{key, i}] == nil {
			missing = append(missing, c.add(key, i, true))
		}
	}
	return missing
}

// add makes a block that is to be fetched.
func (c *blocks) add(key string, index int64, ahead bool) *block {
	if ahead {
		c.m.ahead.Inc()
	} else {
		c.m.misses.Inc()
	}
	b := &block{blockID: blockID{key, index}, ahead: ahead, ready: make(chan struct{})}
	c.byID[b.blockID] = b
	if c.of[key] == nil {
		c.of[key] = map[int64]*block{}
	}
	c.of[key][index] = b
	return b
}

// remove takes a block out of the maps, if it is still the one that is there.
func (c *blocks) remove(b *block) {
	if c.byID[b.blockID] != b {
		return
	}
	delete(c.byID, b.blockID)
	delete(c.of[b.key], b.index)
	if len(c.of[b.key]) == 0 {
		delete(c.of, b.key)
	}
	if b.place != nil {
		c.used.Remove(b.place)
		b.place = nil
		c.bytes -= int64(len(b.data))
		c.m.bytes.Set(float64(c.bytes))
	}
}

// loaded makes a block's bytes known and makes room for them.
func (c *blocks) loaded(b *block, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.data = data
	close(b.ready)
	if c.byID[b.blockID] != b {
		return // forgotten meanwhile: those who wait get it, nobody else
	}
	b.place = c.used.PushFront(b)
	c.bytes += int64(len(data))
	for c.bytes > c.o.MemoryBytes {
		c.m.evictions.Inc()
		c.remove(c.used.Back().Value.(*block))
	}
	c.m.bytes.Set(float64(c.bytes))
}

// failed tells those who wait; the next reader tries again.
func (c *blocks) failed(run []*block, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range run {
		c.remove(b)
		b.err = err
		close(b.ready)
	}
}

func (c *blocks) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.of[key] {
		c.remove(b)
	}
}

func (c *blocks) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.fetches.Wait()
}
