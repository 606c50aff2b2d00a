package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/streamhouse/streamhouse/storage/buffer"
)

// What a frame can be refused for.
var (
	// ErrFrameLength: the declared length is negative or above the limit.
	ErrFrameLength = errors.New("frame length out of range")
	// ErrFrameEnd: something in the frame claims to reach beyond its end.
	ErrFrameEnd = errors.New("field reaches beyond the end of its frame")
)

const (
	smallSize = 2 << 10
	// firstTrust is the largest chunk a new connection gets ahead of its bytes. Each
	// filled chunk doubles it, up to maxTrust, so that large batches of a client
	// that really sends them are read in place while a liar costs 32 KiB.
	firstTrust = 32 << 10
	maxTrust   = 1 << 20
	// lookahead is how far a read goes past what is needed now: it saves system
	// calls, and bounds what is copied when a batch does not fit its chunk.
	lookahead = 64 << 10
	// wantedHaste and wantedRate are how much less time a frame has, and how much faster it
	// must come, while others wait for the memory that it holds: else a few who send little
	// by little keep out all who would be done in no time.
	wantedHaste = 8
	wantedRate  = 32
	// smallChunk is the smallest chunk.
	smallChunk = 512
)

// Conn is the reading side of a connection.
type Conn interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// Pace says how long a client may take.
type Pace struct {
	Idle time.Duration // between frames
	// First and Frame bound how long a frame may keep the reader waiting in all, the
	// first of a connection and later ones; each MinRate bytes that arrive give
	// another second. Time the broker itself takes does not count.
	First   time.Duration
	Frame   time.Duration
	MinRate int64 // bytes per second
}

// Input reads frames. It hands out record batches as views of the chunks that the
// socket was read into (Take), and everything else as short-lived views (Peek) or
// as memory of its own (Rest). It belongs to the connection's reader.
//
//	          Next                     Peek, Skip, Take, Rest
//	+-------+ waits   +--------------+ each waits for the bytes that it needs
//	|between|-------->| in a frame   |-------------------------------------.
//	|frames | length  | left > 0     |                                     |
//	+-------+         +--------------+                                     v
//	    ^   End: what is left is skipped, what was   +-------------------------------+
//	    '-- taken is given back -------------------- | consumed (left == 0)          |
//	                                                 | Free: given back before End,  |
//	                                                 | by a request that waits       |
//	                                                 +-------------------------------+
//
// An error of any of them is the end of the connection. What it reads into:
//
//	buf         when                            charged to the budget
//	small       between frames, small fields    nothing
//	chunk       from the first Take on, while   its size, in the lane that held says;
//	            anything of it is not consumed  batches keep it by holds of their own
//	Rest's own  large requests, read in place   taken, until Free or End
type Input struct {
	ctx   context.Context // the connection's
	conn  Conn
	acct  *Account
	pace  Pace
	trust int

	buf   []byte      // what is read into: small or chunk's bytes
	chunk *buffer.Buf // nil while buf is small
	r, w  int         // buf[r:w] arrived and is not consumed

	lane  Lane         // of the frame
	taken [lanes]int64 // by the frame, besides the chunk
	held  Lane         // what the chunk is charged to

	left     int   // bytes of the frame that are not consumed
	total    int   // bytes of the frame
	arrived  int64 // bytes read since the frame began
	waited   time.Duration
	idleTill time.Time
	// hurry: others have wanted the memory that the frame holds, since so much of it had
	// been waited for and had arrived.
	hurry        bool
	hurryWaited  time.Duration
	hurryArrived int64
	frames       uint64
	bytes        func(n int) // counts what is read; may be nil

	small [smallSize]byte
}

// NewInput reads conn; count, if not nil, is told how many bytes each read brought.
// ctx is the connection's: when it ends, so does waiting for memory.
func NewInput(ctx context.Context, conn Conn, acct *Account, pace Pace, count func(n int)) *Input {
	in := &Input{ctx: ctx, conn: conn, acct: acct, pace: pace, trust: firstTrust, bytes: count}
	in.buf = in.small[:]
	return in
}

// SetIdle changes how long the client may take between frames, from the next one on.
func (in *Input) SetIdle(d time.Duration) { in.pace.Idle, in.idleTill = d, time.Time{} }

// Next waits for the next frame and returns its length, which is at most limit. The
// error is io.EOF when the client left between frames; with ErrFrameLength the length is
// the one that was declared.
func (in *Input) Next(limit int) (int, error) {
	in.left, in.total, in.arrived, in.waited, in.hurry = 4, 4, int64(in.w-in.r), 0, false
	if in.w == in.r {
		in.shrink()
		if err := in.idle(); err != nil {
			return 0, err
		}
	}
	size, err := in.Peek(4)
	if err != nil {
		return 0, err
	}
	n := int(int32(binary.BigEndian.Uint32(size)))
	in.r += 4
	if n < 0 || n > limit {
		return n, fmt.Errorf("%w: %d bytes, at most %d are read", ErrFrameLength, n, limit)
	}
	in.left, in.total = n, n
	if in.lane = Large; n <= smallFrame {
		in.lane = Small
	}
	return n, nil
}

// Buffered says whether bytes of another frame have arrived already.
func (in *Input) Buffered() bool { return in.w > in.r }

// Arrived is how many bytes can be consumed without waiting for the socket.
func (in *Input) Arrived() int { return in.w - in.r }

// shrink goes back to the small buffer, so that waiting holds no chunk.
func (in *Input) shrink() {
	n := copy(in.small[:], in.buf[in.r:in.w])
	in.replace(nil)
	in.buf, in.r, in.w = in.small[:], 0, n
}

// idle waits for a first byte. The deadline is renewed only now and then, since that
// costs as much as a small request.
func (in *Input) idle() error {
	now := time.Now()
	if in.pace.Idle > 0 && in.idleTill.Sub(now) < in.pace.Idle {
		in.idleTill = now.Add(in.pace.Idle + in.pace.Idle/8)
		if err := in.conn.SetReadDeadline(in.idleTill); err != nil {
			return err
		}
	}
	return in.read(in.small[:])
}

// read reads once and accounts for it; in.buf must be what b is a prefix of.
func (in *Input) read(b []byte) error {
	n, err := in.conn.Read(b[in.w:])
	if n > 0 {
		in.w += n
		in.arrived += int64(n)
		if in.bytes != nil {
			in.bytes(n)
		}
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Left is how many bytes of the frame are not consumed.
func (in *Input) Left() int { return in.left }

// Peek returns the next n bytes of the frame without consuming them. They are valid
// until the next call of any method, except for a Skip of no more than n, and may
// not be changed.
func (in *Input) Peek(n int) ([]byte, error) {
	if n < 0 || n > in.left {
		return nil, ErrFrameEnd
	}
	if in.w-in.r < n {
		if err := in.fill(n); err != nil {
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n], nil
}

// PeekSome returns between 1 and n of the next bytes of the frame, as many as have
// arrived, waiting only if there are none. At the frame's end it returns none.
func (in *Input) PeekSome(n int) ([]byte, error) {
	n = min(n, in.left)
	if in.w == in.r && n > 0 {
		if err := in.fill(1); err != nil {
			return nil, err
		}
	}
	return in.buf[in.r : in.r+min(n, in.w-in.r)], nil
}

// Skip consumes n bytes of the frame, reading and dropping what has not arrived.
func (in *Input) Skip(n int) error {
	if n < 0 || n > in.left {
		return ErrFrameEnd
	}
	for {
		have := min(n, in.w-in.r)
		in.r += have
		in.left -= have
		if n -= have; n == 0 {
			return nil
		}
		if err := in.fill(1); err != nil {
			return err
		}
	}
}

// Take consumes the next n bytes of the frame and returns them with a hold on the
// chunk they lie in. The caller owns the hold and these bytes, and may change them.
func (in *Input) Take(n int) (*buffer.Buf, []byte, error) {
	if n < 0 || n > in.left {
		return nil, nil, ErrFrameEnd
	}
	if in.chunk == nil {
		if err := in.grow(n); err != nil {
			return nil, nil, err
		}
	}
	if in.w-in.r < n {
		if err := in.fill(n); err != nil {
			return nil, nil, err
		}
	}
	b := in.buf[in.r : in.r+n : in.r+n]
	in.r += n
	in.left -= n
	return in.chunk.Retain(), b, nil
}

// Rest consumes what is left of the frame and returns it as memory that belongs to
// the caller. It counts against the budget until Free or End. ctx ends a wait for it.
func (in *Input) Rest(ctx context.Context) ([]byte, error) {
	n := in.left
	size := min(n, max(firstTrust, in.w-in.r))
	if err := in.take(ctx, size); err != nil {
		return nil, err
	}
	out := make([]byte, 0, size)
	for {
		have := min(n-len(out), in.w-in.r)
		out = append(out, in.buf[in.r:in.r+have]...)
		in.r += have
		in.left -= have
		if len(out) == n {
			return out, nil
		}
		if len(out) == cap(out) {
			bigger := min(n, 2*cap(out))
			if err := in.take(ctx, bigger-cap(out)); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, bigger), out...)
		}
		if err := in.into(&out, n); err != nil {
			return nil, err
		}
	}
}

// into reads the frame's next bytes: large ones straight behind *out, others through
// the buffer.
func (in *Input) into(out *[]byte, n int) error {
	room := min(cap(*out), n) - len(*out)
	if room < smallSize {
		return in.fill(1)
	}
	if err := in.pacing(); err != nil {
		return err
	}
	start := time.Now()
	got, err := in.conn.Read((*out)[len(*out) : len(*out)+room])
	in.waited += time.Since(start)
	if got == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return in.early(err)
	}
	in.arrived += int64(got)
	if in.bytes != nil {
		in.bytes(got)
	}
	*out = (*out)[:len(*out)+got]
	in.left -= got
	return nil
}

// Reserve takes n bytes of the budget until Free or End, for what is made of the frame.
// ctx ends a wait for it.
func (in *Input) Reserve(ctx context.Context, n int) error {
	if n > smallDecoded {
		in.lane = Large
	}
	return in.take(ctx, n)
}

// Free gives up what the frame holds before its End, for a request that waits for others
// now and what it keeps is counted elsewhere. All of the frame was consumed; bytes behind
// it stay, in no more room than they need.
func (in *Input) Free() {
	for l, n := range in.taken {
		in.acct.Give(Lane(l), n)
	}
	in.taken = [lanes]int64{}
	have := in.w - in.r
	switch size := chunkSize(have + 1); {
	case in.chunk == nil:
	case have <= smallSize:
		in.shrink()
	case size < len(in.buf):
		if held, ok := in.tryTake(size); ok {
			in.move(buffer.Get(size), held)
		}
	}
}

// End gives up what the frame holds, and skips what is left of it.
func (in *Input) End() error {
	err := in.Skip(in.left)
	in.frames++
	if in.chunk != nil && in.w == in.r {
		in.shrink()
	}
	for l, n := range in.taken {
		if n > 0 {
			in.acct.Give(Lane(l), n)
			in.taken[l] = 0
		}
	}
	return err
}

// Close gives up all memory.
func (in *Input) Close() {
	in.r, in.w = 0, 0
	in.shrink()
	in.acct.GiveAll()
}

// fill reads until n bytes lie together at buf[r:].
func (in *Input) fill(n int) error {
	for in.w-in.r < n {
		if in.chunk == nil && n <= smallSize {
			in.w = copy(in.buf, in.buf[in.r:in.w])
			in.r = 0
		}
		if in.w == len(in.buf) || (in.r > 0 && len(in.buf)-in.r < n) {
			if err := in.grow(n); err != nil {
				return err
			}
		}
		if err := in.pacing(); err != nil {
			return err
		}
		start := time.Now()
		err := in.read(in.buf[:min(len(in.buf), max(in.r+n, in.w)+lookahead)])
		in.waited += time.Since(start)
		if err != nil {
			return in.early(err)
		}
	}
	return nil
}

// grow moves to a chunk that has room for n bytes, or for as many of them as the
// connection is trusted with, and copies what is not consumed.
func (in *Input) grow(n int) error {
	have := in.w - in.r
	if in.chunk != nil && in.w == len(in.buf) && len(in.buf) >= in.trust {
		in.trust = min(2*in.trust, maxTrust)
	}
	size := max(min(in.left, in.trust), min(n, max(in.trust, 2*have)))
	size = max(size, have+1)
	// A small batch pins its chunk until it is durable. If nothing came behind it the chunk
	// is its own, and no larger than it must be.
	if have > in.left || size > 4<<10 {
		size = chunkSize(size)
	} else {
		size = max(smallChunk, 1<<bits.Len(uint(size-1)))
	}
	held, err := in.wait(in.ctx, size)
	if err != nil {
		return err
	}
	in.move(buffer.Get(size), held)
	return nil
}

// move goes on in a chunk that was charged to held.
func (in *Input) move(next *buffer.Buf, held Lane) {
	have := copy(next.Bytes(), in.buf[in.r:in.w])
	in.replace(next)
	in.held = held
	in.buf, in.r, in.w = next.Bytes(), 0, have
}

// replace changes the chunk and gives back what the old one was charged.
func (in *Input) replace(next *buffer.Buf) {
	if in.chunk != nil {
		in.acct.Give(in.held, int64(len(in.buf)))
		in.chunk.Release()
	}
	in.chunk = next
}

// chunkSize rounds up to a power of two, as the pools hold, of at least 4 KiB.
func chunkSize(n int) int {
	size := 4 << 10
	for size < n {
		size *= 2
	}
	return size
}

// pacing sets the deadline of the next read within a frame.
func (in *Input) pacing() error {
	if in.pace.Frame <= 0 {
		return nil
	}
	in.idleTill = time.Time{}
	return in.conn.SetReadDeadline(time.Now().Add(in.allowance()))
}

func (in *Input) allowance() time.Duration {
	allowed := in.pace.Frame
	if in.frames == 0 {
		allowed = in.pace.First
	}
	if in.pace.MinRate > 0 {
		allowed += time.Duration(in.arrived) * time.Second / time.Duration(in.pace.MinRate)
	}
	switch wanted := in.acct.Wanted(); {
	case !wanted:
		in.hurry = false
	case !in.hurry:
		in.hurry, in.hurryWaited, in.hurryArrived = true, in.waited, in.arrived
		fallthrough
	default:
		haste := in.hurryWaited + in.pace.Frame/wantedHaste
		if in.pace.MinRate > 0 {
			haste += time.Duration(in.arrived-in.hurryArrived) * time.Second / time.Duration(in.pace.MinRate*wantedRate)
		}
		allowed = min(allowed, haste)
	}
	return max(allowed-in.waited, 0)
}

// take charges the frame n bytes.
func (in *Input) take(ctx context.Context, n int) error {
	l, err := in.wait(ctx, n)
	if err == nil {
		in.taken[l] += int64(n)
	}
	return err
}

// tryTake takes n bytes if they are free, and returns of what.
func (in *Input) tryTake(n int) (Lane, bool) {
	if in.acct.TryTake(Own, int64(n)) {
		return Own, true
	}
	return in.lane, in.acct.TryTake(in.lane, int64(n))
}

// wait takes n bytes and returns of what. It waits for them for twice as long as a frame
// may take: those who hold them are done or cut by then.
func (in *Input) wait(ctx context.Context, n int) (Lane, error) {
	if l, ok := in.tryTake(n); ok {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(2*in.pace.Frame, time.Second))
	defer cancel()
	if err := in.acct.Take(ctx, in.lane, int64(n)); err != nil {
		return in.lane, fmt.Errorf("waiting for %d bytes of request memory: %w", n, err)
	}
	return in.lane, nil
}

// early tells an end within a frame from one between frames.
func (in *Input) early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
