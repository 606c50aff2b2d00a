package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

// The tests use blocks of 1 KiB.
var small = Options{MemoryBytes: 64 << 10, BlockBytes: 1 << 10, AheadBytes: 8 << 10, RequestSize: 4 << 10, FetchesMax: 4}

type rig struct {
	*testing.T
	faults *faults.Bucket
	o      *Objects
	m      *metrics
	data   map[string][]byte
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	f := faults.New(mem.New(), 1)
	o.Registry = prometheus.NewRegistry()
	objects := NewObjects(f, o)
	r := &rig{T: t, faults: f, o: objects, m: objects.blocks.m, data: map[string][]byte{}}
	t.Cleanup(func() {
		if err := r.o.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) put(key string, size int) {
	r.Helper()
	data := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(size), 7))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	r.data[key] = data
	if err := r.faults.Create(r.Context(), key, bucket.Bytes(data)); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) open(ctx context.Context, key string) Source {
	r.Helper()
	s, err := r.o.Open(ctx, key, int64(len(r.data[key])))
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// read checks n bytes at off and returns what ReadAt said.
func (r *rig) read(s Source, key string, off, n int) error {
	r.Helper()
	p := make([]byte, n)
	got, err := s.ReadAt(p, int64(off))
	if err == nil && got != n {
		r.Fatalf("%d bytes at %d: got %d without an error", n, off, got)
	}
	if !bytes.Equal(p[:got], r.data[key][off:off+got]) {
		r.Fatalf("%d bytes at %d of %s are wrong", n, off, key)
	}
	return err
}

func (r *rig) gets() int { return r.faults.Count(faults.Get, faults.Pass) }

func TestReadsMatchTheObject(t *testing.T) {
	r := newRig(t, small)
	for _, size := range []int{1, 1023, 1024, 1025, 20_000} {
		key := fmt.Sprintf("o/%d", size)
		r.put(key, size)
		s := r.open(t.Context(), key)
		rng := rand.New(rand.NewPCG(1, uint64(size)))
		for range 200 {
			off := rng.IntN(size)
			n := rng.IntN(size - off + 1)
			if err := r.read(s, key, off, n); err != nil {
				t.Fatal(err)
			}
		}
		p := make([]byte, 10)
		if n, err := s.ReadAt(p, int64(size)-1); n != 1 || err != io.EOF {
			t.Errorf("across the end: %d, %v", n, err)
		}
		if n, err := s.ReadAt(p, int64(size)+5); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		if _, err := s.ReadAt(p, -1); !errors.Is(err, bucket.ErrRange) {
			t.Errorf("before the start: %v", err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	r := newRig(t, small)
	r.put("o", 300_000)
	s := r.open(t.Context(), "o")
	for off := 0; off+1000 <= 300_000; off += 1000 {
		if err := r.read(s, "o", off, 1000); err != nil {
			t.Fatal(err)
		}
		if have := testutil.ToFloat64(r.m.bytes); have > float64(small.MemoryBytes) {
			t.Fatalf("%v bytes are cached", have)
		}
	}
	if testutil.ToFloat64(r.m.evictions) == 0 {
		t.Fatal("nothing was evicted")
	}
	r.o.Close()
	b := r.o.blocks
	var sum int64
	for _, bl := range b.byID {
		sum += int64(len(bl.data))
	}
	if sum != b.bytes || len(b.byID) != b.used.Len() {
		t.Fatalf("the books say %d bytes in %d blocks, there are %d in %d", b.bytes, b.used.Len(), sum, len(b.byID))
	}
}

func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		r.put("o", 4096)
		r.faults.Add(faults.Rule{Op: faults.Get, Fault: faults.Fault{Delay: time.Second}})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := r.read(r.open(t.Context(), "o"), "o", 100, 3000); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(getEvents(r)); n != 1 {
			t.Fatalf("%d requests for one run of blocks", n)
		}
	})
}

func getEvents(r *rig) (got []faults.Event) {
	for _, e := range r.faults.Events() {
		if e.Op == faults.Get {
			got = append(got, e)
		}
	}
	return got
}

func TestSequentialReaderIsReadAhead(t *testing.T) {
	r := newRig(t, small)
	r.put("o", 100<<10)
	s := r.open(t.Context(), "o")
	for off := 0; off < 100<<10; off += 512 {
		if err := r.read(s, "o", off, 512); err != nil {
			t.Fatal(err)
		}
	}
	// Block by block it would be 100 requests.
	if n := r.gets(); n > 60 {
		t.Errorf("%d requests", n)
	}
	if ahead := testutil.ToFloat64(r.m.ahead); ahead < 50 {
		t.Errorf("%v blocks were read ahead", ahead)
	}
	if fetched := testutil.ToFloat64(r.m.fetched); fetched != 100<<10 {
		t.Errorf("%v bytes were fetched of an object of %d", fetched, 100<<10)
	}
}

func TestRandomReaderIsNotReadAhead(t *testing.T) {
	r := newRig(t, small)
	r.put("o", 100<<10)
	s := r.open(t.Context(), "o")
	for i := range 40 {
		if err := r.read(s, "o", (i*37%50)*2048, 100); err != nil {
			t.Fatal(err)
		}
	}
	if ahead := testutil.ToFloat64(r.m.ahead); ahead != 0 {
		t.Errorf("%v blocks were read ahead", ahead)
	}
}

func TestFailureIsNotRemembered(t *testing.T) {
	r := newRig(t, small)
	r.put("o", 5000)
	for _, kind := range []faults.Kind{faults.FailBefore, faults.Cut} {
		r.faults.Add(faults.Rule{Op: faults.Get, Times: 1, Fault: faults.Fault{Kind: kind}})
		s := r.open(t.Context(), "o")
		if err := r.read(s, "o", 0, 4000); !errors.Is(err, faults.ErrInjected) {
			t.Fatalf("kind %d: got %v", kind, err)
		}
		if err := r.read(s, "o", 0, 5000); err != nil {
			t.Fatalf("kind %d, again: %v", kind, err)
		}
		r.faults.Clear()
		r.o.Forget("o")
	}
}

func TestMissingAndShortObjects(t *testing.T) {
	r := newRig(t, small)
	s, err := r.o.Open(t.Context(), "none", 5000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadAt(make([]byte, 10), 0); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("missing object: %v", err)
	}
	r.put("o", 1000)
	s, err = r.o.Open(t.Context(), "o", 5000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadAt(make([]byte, 10), 0); !errors.Is(err, bucket.ErrRange) {
		t.Errorf("shorter object: %v", err)
	}
}

// TestReadAheadThatFailsIsNoReadersError: a reader that meets somebody's failed
// read-ahead asks for itself.
func TestReadAheadThatFailsIsNoReadersError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		r.put("o", 50<<10)
		late := &failFrom{Bucket: r.faults, off: 5 << 10, times: 1}
		r.o.blocks.b = late
		s := r.open(t.Context(), "o")
		// Block 1 makes the reader sequential: 1 to 4 arrive, 5 to 8 are under way
		// and fail after the reader has come to wait for them.
		for off := 0; off < 12<<10; off += 1024 {
			if err := r.read(s, "o", off, 1024); err != nil {
				t.Fatalf("at %d: %v", off, err)
			}
		}
		if late.times != 0 {
			t.Fatal("no read-ahead failed")
		}
	})
}

// failFrom fails some gets from an offset on, after a second.
type failFrom struct {
	bucket.Bucket
	off   int64
	mu    sync.Mutex
	times int
}

func (f *failFrom) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	f.mu.Lock()
	fail := off == f.off && f.times > 0
	if fail {
		f.times--
	}
	f.mu.Unlock()
	if fail {
		time.Sleep(time.Second)
		return nil, faults.ErrInjected
	}
	return f.Bucket.Get(ctx, key, off, n)
}

func TestReaderLeavesBeforeTheFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		r.put("o", 4096)
		r.faults.Add(faults.Rule{Op: faults.Get, Times: 1, Fault: faults.Fault{Delay: time.Minute / 2}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.read(r.open(ctx, "o"), "o", 0, 4096); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("impatient reader: %v", err)
		}
		if err := r.read(r.open(t.Context(), "o"), "o", 0, 4096); err != nil {
			t.Fatalf("patient reader: %v", err)
		}
		if n := len(getEvents(r)); n != 1 {
			t.Fatalf("%d requests: the first one's work was lost", n)
		}
	})
}

func TestFetchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		r.put("o", 4096)
		r.faults.Add(faults.Rule{Op: faults.Get, Fault: faults.Fault{Kind: faults.Stall}})
		if err := r.read(r.open(t.Context(), "o"), "o", 0, 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		for i := range 10 {
			r.put(fmt.Sprintf("o/%d", i), 1024)
		}
		r.faults.Add(faults.Rule{Op: faults.Get, Fault: faults.Fault{Kind: faults.Stall}})
		var wg sync.WaitGroup
		for i := range 10 {
			key := fmt.Sprintf("o/%d", i)
			wg.Go(func() {
				if err := r.read(r.open(t.Context(), key), key, 0, 1024); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := len(getEvents(r)); n != small.FetchesMax {
			t.Errorf("%d requests are under way, %d are allowed", n, small.FetchesMax)
		}
		r.faults.Clear()
		wg.Wait()
	})
}

func TestVerify(t *testing.T) {
	bad := errors.New("bad block")
	o := small
	var seen sync.Map
	o.Verify = func(key string, off int64, block []byte) error {
		seen.Store(off, len(block))
		if off == 2048 {
			return bad
		}
		return nil
	}
	r := newRig(t, o)
	r.put("o", 3500)
	s := r.open(t.Context(), "o")
	if err := r.read(s, "o", 0, 2048); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.read(s, "o", 2000, 1000); !errors.Is(err, bad) {
			t.Fatalf("got %v", err)
		}
	}
	if n, ok := seen.Load(int64(2048)); !ok || n != 1024 {
		t.Fatalf("block at 2048: %v, %v", n, ok)
	}
}

func TestForget(t *testing.T) {
	r := newRig(t, small)
	r.put("o", 4096)
	s := r.open(t.Context(), "o")
	if err := r.read(s, "o", 0, 4096); err != nil {
		t.Fatal(err)
	}
	r.o.Forget("o")
	r.o.Forget("never seen")
	if have := testutil.ToFloat64(r.m.bytes); have != 0 {
		t.Fatalf("%v bytes are left", have)
	}
	if err := r.faults.Delete(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadAt(make([]byte, 10), 0); !errors.Is(err, bucket.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestCloseEndsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		r.put("o", 4096)
		r.faults.Add(faults.Rule{Op: faults.Get, Fault: faults.Fault{Kind: faults.Stall}})
		errs := make(chan error)
		go func() { errs <- r.read(r.open(t.Context(), "o"), "o", 0, 10) }()
		synctest.Wait()
		if err := r.o.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-errs; err == nil {
			t.Fatal("a read of a closed cache succeeded")
		}
		if _, err := r.open(t.Context(), "o").ReadAt(make([]byte, 1), 0); !errors.Is(err, errClosed) {
			t.Fatalf("after Close: %v", err)
		}
	})
}

// TestChaos reads at random while requests fail, forgets and evicts.
func TestChaos(t *testing.T) {
	o := small
	o.MemoryBytes = 16 << 10
	r := newRig(t, o)
	keys := []string{"a", "b", "c"}
	for i, key := range keys {
		r.put(key, 30_000+i*777)
	}
	r.faults.SetChaos(faults.Chaos{FailBefore: 0.05, Cut: 0.05, Delay: time.Millisecond / 4})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			good := 0
			off := 0
			for range 300 {
				key := keys[rng.IntN(len(keys))]
				size := len(r.data[key])
				if rng.IntN(3) == 0 || off >= size {
					off = rng.IntN(size)
				}
				n := min(rng.IntN(6000), size-off)
				switch err := r.read(r.open(t.Context(), key), key, off, n); {
				case err == nil:
					good++
					off += n
				case !errors.Is(err, faults.ErrInjected):
					t.Error(err)
				}
				if rng.IntN(50) == 0 {
					r.o.Forget(key)
				}
			}
			if good < 100 {
				t.Errorf("only %d reads succeeded", good)
			}
		})
	}
	wg.Wait()
}

// TestSlowLine: a block that takes longer than FetchTime comes all the same.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		data := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
		if err := m.Create(t.Context(), "k", bucket.Bytes(data)); err != nil {
			t.Fatal(err)
		}
		o := NewObjects(slowGets{m}, Options{})
		defer o.Close()
		src, err := o.Open(t.Context(), "k", int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(data))
		if _, err := src.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
			t.Fatal(err)
		}
	})
}

// slowGets brings 4 KiB every 1.5 seconds.
type slowGets struct{ bucket.Bucket }

func (b slowGets) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	r, err := b.Bucket.Get(ctx, key, off, n)
	return slowBody{r, ctx}, err
}

type slowBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b slowBody) Read(p []byte) (int, error) {
	select {
	case <-time.After(1500 * time.Millisecond):
		return b.ReadCloser.Read(p[:min(len(p), 4<<10)])
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}
