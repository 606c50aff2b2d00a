package segment

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// ReadFunc fills p with the bytes of a segment object at off, or fails; a short
// read is an error. It is called from many goroutines.
type ReadFunc func(ctx context.Context, s metadata.Segment, p []byte, off int64) error

// Index caches directories and extent lists of sealed segments, so that a start
// needs none of them and memory does not grow with what is sealed. Each is loaded
// when it is first asked for, once however many ask at the same time, and the least
// recently used ones go when the bound is passed. It is safe for concurrent use.
type Index struct {
	// Distrust, if it is set before the first use, is told of a segment of which something
	// that was read does not check, before it is read once more: a cache then lets go of
	// what it has fetched. A transfer may damage bytes that are good where they lie.
	Distrust func(metadata.Segment)

	read ReadFunc
	max  int64

	mu      sync.Mutex
	items   map[itemKey]*list.Element // of *item
	lru     list.List                 // front: most recently used
	bytes   int64
	loading map[itemKey]*load
}

// itemKey names a cached extent list or list of transactions, or with the zero topic a directory: no topic
// has that id.
type itemKey struct {
	segment metadata.SegmentID
	id      pack.PartitionID
	txns    bool // its transactions, not its extents
}

type item struct {
	key   itemKey
	value any // *Reader, []pack.Extent or Transactions
	bytes int64
}

// load is one load under way; done is closed when value and err are set.
type load struct {
	done  chan struct{}
	value any
	err   error
}

// NewIndex makes an index that holds about bytesMax bytes at most.
func NewIndex(bytesMax int64, read ReadFunc) *Index {
	return &Index{
		read:    read,
		max:     bytesMax,
		items:   make(map[itemKey]*list.Element),
		loading: make(map[itemKey]*load),
	}
}

// Extents returns where the batches of a partition lie in a segment, in offset
// order; not to be changed.
func (x *Index) Extents(ctx context.Context, s metadata.Segment, id pack.PartitionID) ([]pack.Extent, error) {
	v, err := x.get(ctx, s, itemKey{segment: s.ID, id: id}, func() (any, int64, error) {
		r, err := x.directory(ctx, s)
		if err != nil {
			return nil, 0, err
		}
		xs, err := r.Detach(source{ctx, x.read, s}).Extents(id)
		return xs, int64(len(xs))*extentBytes + itemOverhead, err
	})
	if err != nil {
		return nil, err
	}
	return v.([]pack.Extent), nil
}

// Part returns the directory entry of a partition; false if the segment has none.
func (x *Index) Part(ctx context.Context, s metadata.Segment, id pack.PartitionID) (Part, bool, error) {
	r, err := x.directory(ctx, s)
	if err != nil {
		return Part{}, false, err
	}
	p, ok := r.Find(id)
	return p, ok, nil
}

// State reads the state block that a metadata.State points at. It is not cached:
// a partition loads its state once.
func (x *Index) State(ctx context.Context, s metadata.Segment, id pack.PartitionID, pos, n int64) (State, error) {
	var state State
	err := x.reread(s, func() (err error) {
		state, err = ReadState(source{ctx, x.read, s}, id, pos, n)
		return err
	})
	return state, err
}

// Forget drops what is cached of a segment that is about to be deleted.
func (x *Index) Forget(id metadata.SegmentID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, e := range x.items {
		if key.segment == id {
			x.remove(e)
		}
	}
}

// Bytes is about how much memory the cached items take.
func (x *Index) Bytes() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.bytes
}

const itemOverhead = 256 // map, list and struct around an item, roughly

func (x *Index) directory(ctx context.Context, s metadata.Segment) (*Reader, error) {
	v, err := x.get(ctx, s, itemKey{segment: s.ID}, func() (any, int64, error) {
		r, err := Open(source{ctx, x.read, s}, s.Bytes)
		if err != nil {
			return nil, 0, err
		}
		r = r.Detach(nil)
		return r, r.MemoryBytes() + itemOverhead, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*Reader), nil
}

// get returns the cached item or loads it. Whoever comes while it is being loaded
// waits; if that load fails because its caller gave up, one of those waiting takes
// over.
func (x *Index) get(ctx context.Context, s metadata.Segment, key itemKey, fn func() (any, int64, error)) (any, error) {
	for {
		x.mu.Lock()
		if e := x.items[key]; e != nil {
			x.lru.MoveToFront(e)
			x.mu.Unlock()
			return e.Value.(*item).value, nil
		}
		l := x.loading[key]
		if l == nil {
			l = &load{done: make(chan struct{})}
			x.loading[key] = l
			x.mu.Unlock()
			return x.load(s, key, l, fn)
		}
		x.mu.Unlock()
		select {
		case <-l.done:
			if !errors.Is(l.err, context.Canceled) && !errors.Is(l.err, context.DeadlineExceeded) {
				return l.value, l.err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// load runs fn for everybody who waits on l and caches what it returns.
func (x *Index) load(s metadata.Segment, key itemKey, l *load, fn func() (any, int64, error)) (any, error) {
	var n int64
	l.err = errors.New("segment: load did not return") // stands only if fn panics
	defer func() {
		x.mu.Lock()
		delete(x.loading, key)
		if l.err == nil {
			x.insert(&item{key, l.value, n})
		}
		x.mu.Unlock()
		close(l.done)
	}()
	l.err = x.reread(s, func() (err error) {
		l.value, n, err = fn()
		return err
	})
	return l.value, l.err
}

// readTries is how often bytes have to be read before they count as damaged.
const readTries = 3

// reread calls fn, and again while what it read of the segment does not check.
func (x *Index) reread(s metadata.Segment, fn func() error) error {
	for try := 1; ; try++ {
		err := fn()
		if !errors.Is(err, ErrDamaged) || try == readTries {
			return err
		}
		if x.Distrust != nil {
			x.Distrust(s)
		}
	}
}

// insert adds an item and drops the oldest ones while the bound is passed, but not
// the new one itself. The caller holds mu.
func (x *Index) insert(it *item) {
	x.items[it.key] = x.lru.PushFront(it)
	x.bytes += it.bytes
	for x.bytes > x.max && x.lru.Len() > 1 {
		x.remove(x.lru.Back())
	}
}

func (x *Index) remove(e *list.Element) {
	it := x.lru.Remove(e).(*item)
	delete(x.items, it.key)
	x.bytes -= it.bytes
}

// source reads one segment on behalf of one caller.
type source struct {
	ctx  context.Context
	read ReadFunc
	seg  metadata.Segment
}

// ReadAt reads all of p or fails.
func (s source) ReadAt(p []byte, off int64) (int, error) {
	if err := s.read(s.ctx, s.seg, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}
