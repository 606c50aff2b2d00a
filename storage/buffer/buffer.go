// Package buffer owns the memory that carries record batches from a socket to the
// journal: pooled byte slices with a count of holders.
//
// A batch's bytes are held at once by the pack that writes them, by every attempt
// to send that pack, and by readers near the end of the log. None may see the
// bytes change, so a buffer goes back to its pool only when the last holder has
// released it. Test builds (`-race` or Poison) overwrite released memory, so that
// a use after release shows up as corruption in a test and not in a customer's
// topic.
package buffer

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Poison makes Release overwrite the memory it takes back. It is set by tests
// before any buffer is used and is on in race builds.
var Poison = raceEnabled

const (
	minClass = 9  // 512 bytes
	maxClass = 21 // 2 MiB; larger buffers are left to the garbage collector
)

var pools [maxClass + 1]sync.Pool

// InUse is the number of bytes in buffers that have holders.
var inUse atomic.Int64

// InUse returns how many bytes are in buffers that somebody holds, for metrics and
// for tests that look for leaks.
func InUse() int64 { return inUse.Load() }

// Buf is a block of memory with a count of holders. The zero value is not usable;
// Get makes one. Methods may be called from any goroutine; the bytes themselves
// are written by one owner, before the buffer is shared.
type Buf struct {
	b     []byte
	class int8 // index into pools, or -1
	refs  atomic.Int32
}

// Get returns a buffer of exactly n bytes with one holder. Its contents are
// arbitrary.
func Get(n int) *Buf {
	class := minClass
	if n > 1<<minClass {
		class = bits.Len(uint(n - 1))
	}
	if class > maxClass {
		buf := &Buf{b: make([]byte, n), class: -1}
		buf.refs.Store(1)
		inUse.Add(int64(n))
		return buf
	}
	buf, _ := pools[class].Get().(*Buf)
	if buf == nil {
		buf = &Buf{b: make([]byte, 1<<class), class: int8(class)}
	}
	buf.b = buf.b[:n]
	buf.refs.Store(1)
	inUse.Add(int64(cap(buf.b)))
	return buf
}

// Bytes returns the buffer's memory; it is valid while the caller is a holder.
func (b *Buf) Bytes() []byte { return b.b }

// Retain adds a holder. The caller must be one already.
func (b *Buf) Retain() *Buf {
	if b.refs.Add(1) < 2 {
		panic("buffer: retained after its last release")
	}
	return b
}

// Release gives up the caller's hold. The last one returns the memory to its pool.
func (b *Buf) Release() {
	switch n := b.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("buffer: released more often than held")
	}
	inUse.Add(-int64(cap(b.b)))
	if Poison {
		full := b.b[:cap(b.b)]
		for i := range full {
			full[i] = 0xDB
		}
	}
	if b.class >= 0 {
		pools[b.class].Put(b)
	}
}
