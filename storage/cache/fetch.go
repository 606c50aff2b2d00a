package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// errAheadDropped ends read-ahead for which there was no request to spare.
var errAheadDropped = errors.New("cache: read-ahead was dropped")

// slowLine is how many bytes per second a request brings at least beyond FetchTime: a line
// without life is the bucket's to notice.
const slowLine = 4 << 10

// startRuns starts one goroutine per run of neighbouring blocks. The caller holds
// the lock; close waits for the goroutines.
func (c *blocks) startRuns(missing []*block, size int64) {
	most := int(c.o.RequestSize / c.o.BlockBytes)
	for len(missing) > 0 {
		n := 1
		for n < len(missing) && n < most && missing[n].index == missing[n-1].index+1 {
			n++
		}
		run := missing[:n:n]
		missing = missing[n:]
		c.fetches.Go(func() { c.fetch(run, size) })
	}
}

// fetch brings a run of blocks in one request. Blocks are known as soon as each has
// arrived.
func (c *blocks) fetch(run []*block, size int64) {
	if err := c.takeSlot(run[0].ahead); err != nil {
		c.failed(run, err)
		return
	}
	defer func() { <-c.slots }()
	bytes := int64(len(run)) * c.o.BlockBytes
	ctx, cancel := context.WithTimeout(c.ctx, c.o.FetchTime+time.Duration(bytes)*time.Second/slowLine)
	defer cancel()
	done, err := c.stream(ctx, run, size)
	if err != nil {
		c.failed(run[done:], err)
	}
}

// takeSlot waits for a request's place. Read-ahead does not wait: it would stand in
// the way of those who need their bytes now.
func (c *blocks) takeSlot(ahead bool) error {
	if ahead {
		select {
		case c.slots <- struct{}{}:
			return nil
		default:
			return errAheadDropped
		}
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-c.ctx.Done():
		return errClosed
	}
}

// stream reads the run and returns how many blocks it has made known.
func (c *blocks) stream(ctx context.Context, run []*block, size int64) (int, error) {
	key := run[0].key
	off := run[0].index * c.o.BlockBytes
	end := min((run[len(run)-1].index+1)*c.o.BlockBytes, size)
	r, err := c.b.Get(ctx, key, off, end-off)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for i, b := range run {
		data := make([]byte, min(c.o.BlockBytes, end-off))
		if _, err := io.ReadFull(r, data); err != nil {
			return i, fmt.Errorf("read %s at %d: %w", key, off, err)
		}
		c.m.fetched.Add(float64(len(data)))
		if c.o.Verify != nil {
			if err := c.o.Verify(key, off, data); err != nil {
				return i, fmt.Errorf("block of %s at %d: %w", key, off, err)
			}
		}
		c.loaded(b, data)
		off += int64(len(data))
	}
	return len(run), nil
}
