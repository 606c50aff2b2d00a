// Package buckettest is the conformance suite of the bucket port: every adapter and
// every wrapper runs it.
package buckettest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Options tell the suite what to expect.
type Options struct {
	// LargeBytes is the size of the largest object; 0 means 3 MiB. An adapter that
	// uploads in parts sets it above its part size.
	LargeBytes int64
	// ListCount is how many objects the listing test makes; 0 means 300. An adapter
	// that lists in pages sets it above its page size.
	ListCount int
}

// Run runs the suite. open returns a bucket; calls may return the same one or not,
// and each test works below a prefix of its own.
func Run(t *testing.T, o Options, open func(t *testing.T) bucket.Bucket) {
	if o.LargeBytes == 0 {
		o.LargeBytes = 3 << 20
	}
	if o.ListCount == 0 {
		o.ListCount = 300
	}
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"CreateThenRead", (*suite).createThenRead},
		{"CreateIfAbsent", (*suite).createIfAbsent},
		{"CreateRace", (*suite).createRace},
		{"CreateShortBody", (*suite).createShortBody},
		{"CreateBodyFails", (*suite).createBodyFails},
		{"BodyIsLetGo", (*suite).bodyIsLetGo},
		{"Large", (*suite).large},
		{"LargeIfAbsent", (*suite).largeIfAbsent},
		{"Empty", (*suite).empty},
		{"Ranges", (*suite).ranges},
		{"Missing", (*suite).missing},
		{"Delete", (*suite).delete},
		{"DeleteMany", (*suite).deleteMany},
		{"Keys", (*suite).keys},
		{"ListOrder", (*suite).listOrder},
		{"ListMany", (*suite).listMany},
		{"ListStops", (*suite).listStops},
		{"Cancelled", (*suite).cancelled},
		{"Probe", (*suite).probe},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			test.run(&suite{T: t, o: o, ctx: ctx, b: open(t), prefix: "suite/" + rand.Text() + "/"})
		})
	}
}

type suite struct {
	*testing.T
	o      Options
	ctx    context.Context
	b      bucket.Bucket
	prefix string
}

func (s *suite) create(key string, data []byte) {
	s.Helper()
	if err := s.b.Create(s.ctx, s.prefix+key, bucket.Bytes(data)); err != nil {
		s.Fatalf("create %s: %v", key, err)
	}
}

func (s *suite) want(key string, want []byte) {
	s.Helper()
	got, err := s.read(key, 0, -1)
	if err != nil {
		s.Fatalf("read %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		s.Fatalf("read %s: got %d bytes that differ from the %d expected", key, len(got), len(want))
	}
}

func (s *suite) read(key string, off, n int64) ([]byte, error) {
	r, err := s.b.Get(s.ctx, s.prefix+key, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (s *suite) wantError(what string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func (s *suite) createThenRead() {
	data := []byte("some bytes")
	s.create("k", data)
	s.want("k", data)
	info, err := s.b.Stat(s.ctx, s.prefix+"k")
	if err != nil || info.Size != int64(len(data)) || info.Key != s.prefix+"k" || info.Modified.IsZero() {
		s.Fatalf("stat: %+v, %v", info, err)
	}
}

func (s *suite) createIfAbsent() {
	s.create("k", []byte("first"))
	for _, data := range []string{"second", "first", ""} {
		err := s.b.Create(s.ctx, s.prefix+"k", bucket.Bytes([]byte(data)))
		s.wantError("create again", err, bucket.ErrExists)
		s.want("k", []byte("first"))
	}
}

// createRace: of many creates of one key exactly one wins, and the object is its.
func (s *suite) createRace() {
	const racers = 6
	for round := range 5 {
		key := "race-" + strconv.Itoa(round)
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() {
				errs[i] = s.b.Create(s.ctx, s.prefix+key, bucket.Bytes(contents(i, 50_000)))
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				s.Fatalf("%s: %d and %d both won", key, winner, i)
			default:
				s.wantError("lost create", err, bucket.ErrExists)
			}
		}
		if winner < 0 {
			s.Fatalf("%s: nobody won", key)
		}
		s.want(key, contents(winner, 50_000))
	}
}

// createShortBody: a body with fewer bytes than it said leaves no object.
func (s *suite) createShortBody() {
	body := bucket.Bytes([]byte("short"))
	body.Size = 100
	s.wantError("create", s.b.Create(s.ctx, s.prefix+"k", body), bucket.ErrBody)
	_, err := s.b.Stat(s.ctx, s.prefix+"k")
	s.wantError("stat", err, bucket.ErrNotFound)
}

func (s *suite) createBodyFails() {
	boom := errors.New("boom")
	err := s.b.Create(s.ctx, s.prefix+"k", bucket.Body{Size: 5, Open: func() (io.ReadCloser, error) { return nil, boom }})
	s.wantError("create", err, boom)
	s.wantError("create", err, bucket.ErrBody)
	_, err = s.b.Stat(s.ctx, s.prefix+"k")
	s.wantError("stat", err, bucket.ErrNotFound)
}

// bodyIsLetGo: when Create has returned, every reader it opened is closed, so the
// caller may use the memory again.
func (s *suite) bodyIsLetGo() {
	data := contents(1, 100_000)
	open := 0
	var mu sync.Mutex
	body := bucket.Body{Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		mu.Lock()
		defer mu.Unlock()
		open++
		return &counted{Reader: bytes.NewReader(data), onClose: func() {
			mu.Lock()
			defer mu.Unlock()
			open--
		}}, nil
	}}
	for range 2 { // the second one finds the key taken
		err := s.b.Create(s.ctx, s.prefix+"k", body)
		if err != nil {
			s.wantError("create", err, bucket.ErrExists)
		}
		mu.Lock()
		if open != 0 {
			s.Errorf("%d readers are still open after Create", open)
		}
		mu.Unlock()
	}
}

type counted struct {
	io.Reader
	onClose func()
}

func (c *counted) Close() error {
	c.onClose()
	return nil
}

func (s *suite) large() {
	data := contents(7, int(s.o.LargeBytes))
	s.create("k", data)
	s.want("k", data)
	from := int64(len(data)) - 70_001
	got, err := s.read("k", from, 70_000)
	if err != nil || !bytes.Equal(got, data[from:from+70_000]) {
		s.Fatalf("range of a large object: %d bytes, %v", len(got), err)
	}
}

func (s *suite) largeIfAbsent() {
	first := contents(1, int(s.o.LargeBytes))
	s.create("k", first)
	err := s.b.Create(s.ctx, s.prefix+"k", bucket.Bytes(contents(2, int(s.o.LargeBytes))))
	s.wantError("create again", err, bucket.ErrExists)
	s.want("k", first)
}

func (s *suite) empty() {
	s.create("k", nil)
	s.want("k", nil)
	if got, err := s.read("k", 0, 0); err != nil || len(got) != 0 {
		s.Fatalf("empty range: %d bytes, %v", len(got), err)
	}
	_, err := s.read("k", 0, 1)
	s.wantError("one byte of an empty object", err, bucket.ErrRange)
}

func (s *suite) ranges() {
	data := contents(3, 10_000)
	s.create("k", data)
	for _, r := range [][2]int64{{0, 1}, {0, 10_000}, {9_999, 1}, {5_000, 2_000}, {5_000, -1}, {10_000, 0}, {10_000, -1}, {0, 0}, {0, -1}} {
		got, err := s.read("k", r[0], r[1])
		end := r[0] + r[1]
		if r[1] < 0 {
			end = int64(len(data))
		}
		if err != nil || !bytes.Equal(got, data[r[0]:end]) {
			s.Fatalf("%d bytes from %d: got %d, %v", r[1], r[0], len(got), err)
		}
	}
	for _, r := range [][2]int64{{-1, 1}, {0, 10_001}, {9_999, 2}, {10_000, 1}, {10_001, 0}, {10_001, -1}, {20_000, 5}} {
		_, err := s.read("k", r[0], r[1])
		s.wantError("range outside", err, bucket.ErrRange)
	}
}

func (s *suite) missing() {
	s.create("folder/k", []byte("x"))
	for _, key := range []string{"none", "folder", "none/none", "folder/none"} {
		_, err := s.read(key, 0, -1)
		s.wantError("read "+key, err, bucket.ErrNotFound)
		_, err = s.read(key, 5, 10)
		s.wantError("read a range of "+key, err, bucket.ErrNotFound)
		_, err = s.b.Stat(s.ctx, s.prefix+key)
		s.wantError("stat "+key, err, bucket.ErrNotFound)
		if err := s.b.Delete(s.ctx, s.prefix+key); err != nil {
			s.Fatalf("delete %s: %v", key, err)
		}
	}
	s.want("folder/k", []byte("x"))
}

func (s *suite) delete() {
	s.create("f/a", []byte("a"))
	s.create("f/b", []byte("b"))
	for range 2 {
		if err := s.b.Delete(s.ctx, s.prefix+"f/a"); err != nil {
			s.Fatal(err)
		}
	}
	_, err := s.read("f/a", 0, -1)
	s.wantError("read", err, bucket.ErrNotFound)
	s.want("f/b", []byte("b"))
	if err := s.b.Delete(s.ctx, s.prefix+"f/b"); err != nil {
		s.Fatal(err)
	}
	s.create("f/c", []byte("c")) // in a folder that may have gone
	if got := s.list("", ""); !slices.Equal(got, []string{"f/c"}) {
		s.Fatalf("left: %q", got)
	}
}

// deleteMany deletes more than a store takes at once, some of which are missing.
func (s *suite) deleteMany() {
	if err := s.b.Delete(s.ctx); err != nil {
		s.Fatalf("nothing: %v", err)
	}
	var keys []string
	for i := range 1100 {
		keys = append(keys, s.prefix+"many/"+strconv.Itoa(i))
	}
	there := []int{0, 1, 500, 999, 1000, 1099}
	for range 2 {
		for _, i := range there {
			s.create("many/"+strconv.Itoa(i), []byte("x"))
		}
		s.create("many/1100", []byte("stays"))
		if err := s.b.Delete(s.ctx, keys...); err != nil {
			s.Fatal(err)
		}
		if got := s.list("many/", ""); !slices.Equal(got, []string{"many/1100"}) {
			s.Fatalf("left: %q", got)
		}
		if err := s.b.Delete(s.ctx, s.prefix+"many/1100", s.prefix+"many/never"); err != nil {
			s.Fatal(err)
		}
	}
	// One bad key: nothing is deleted.
	s.create("good", []byte("x"))
	s.wantError("delete with a bad key", s.b.Delete(s.ctx, s.prefix+"good", "a//b"), bucket.ErrKey)
}

func (s *suite) keys() {
	for _, key := range []string{"", "/a", "a/", "a//b", "../x", "a/../../x", ".tmp/x", "a b", "a\x00"} {
		errs := map[string]error{"create": s.b.Create(s.ctx, key, bucket.Bytes(nil)), "delete": s.b.Delete(s.ctx, key)}
		_, errs["get"] = s.b.Get(s.ctx, key, 0, -1)
		_, errs["stat"] = s.b.Stat(s.ctx, key)
		for what, err := range errs {
			s.wantError(what+" "+strconv.Quote(key), err, bucket.ErrKey)
		}
	}
	err := s.b.List(s.ctx, "../", "", func(bucket.Info) error { return nil })
	s.wantError("list ../", err, bucket.ErrKey)
}

// list returns the keys below the test's own prefix, without it.
func (s *suite) list(prefix, after string) (keys []string) {
	s.Helper()
	if after != "" {
		after = s.prefix + after
	}
	err := s.b.List(s.ctx, s.prefix+prefix, after, func(i bucket.Info) error {
		keys = append(keys, i.Key[len(s.prefix):])
		return nil
	})
	if err != nil {
		s.Fatalf("list: %v", err)
	}
	return keys
}

// listOrder: keys come in byte order of the whole key, which is not the order of
// folders and files: '-' and '.' sort before '/', digits and letters after it.
func (s *suite) listOrder() {
	all := []string{"a-b", "a-b2/x", "a.b", "a/b", "a/b-c/d", "a/b.c", "a/c/d", "a/c0", "a0", "a_b/c", "b"}
	for i, key := range slices.Backward(all) {
		s.create(key, contents(i, i))
	}
	if !slices.IsSorted(all) {
		s.Fatal("the test's own list is not in order")
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a-", "a/c/d", "zz", "a/c/d/e"} {
		for _, after := range append([]string{"", "a", "a/", "a/b-", "a/zz", "zz"}, all...) {
			var want []string
			for _, key := range all {
				if len(key) >= len(prefix) && key[:len(prefix)] == prefix && key > after {
					want = append(want, key)
				}
			}
			if got := s.list(prefix, after); !slices.Equal(got, want) {
				s.Fatalf("prefix %q after %q: got %q, want %q", prefix, after, got, want)
			}
		}
	}
	err := s.b.List(s.ctx, s.prefix, "", func(i bucket.Info) error {
		want := int64(slices.Index(all, i.Key[len(s.prefix):]))
		if i.Size != want || i.Modified.IsZero() {
			s.Errorf("listed %+v, want size %d", i, want)
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) listMany() {
	var want []string
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range s.o.ListCount {
		key := "n/" + strconv.Itoa(1_000_000+i)
		want = append(want, key)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.b.Create(s.ctx, s.prefix+key, bucket.Bytes([]byte(key))); err != nil {
				s.Errorf("create %s: %v", key, err)
			}
		})
	}
	wg.Wait()
	if got := s.list("n/", ""); !slices.Equal(got, want) {
		s.Fatalf("listed %d keys, want %d", len(got), len(want))
	}
	half := len(want) / 2
	if got := s.list("", want[half]); !slices.Equal(got, want[half+1:]) {
		s.Fatalf("listed %d keys after the middle, want %d", len(got), len(want)-half-1)
	}
}

func (s *suite) listStops() {
	s.create("a", nil)
	s.create("b", nil)
	stop := errors.New("stop")
	calls := 0
	err := s.b.List(s.ctx, s.prefix, "", func(bucket.Info) error { calls++; return stop })
	s.wantError("list", err, stop)
	if calls != 1 {
		s.Fatalf("called %d times after an error", calls)
	}
}

func (s *suite) cancelled() {
	s.create("k", []byte("x"))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	errs := map[string]error{
		"create": s.b.Create(ctx, s.prefix+"new", bucket.Bytes([]byte("x"))),
		"delete": s.b.Delete(ctx, s.prefix+"k"),
		"list":   s.b.List(ctx, s.prefix, "", func(bucket.Info) error { return nil }),
	}
	_, errs["get"] = s.b.Get(ctx, s.prefix+"k", 0, -1)
	_, errs["stat"] = s.b.Stat(ctx, s.prefix+"k")
	for what, err := range errs {
		s.wantError(what, err, context.Canceled)
	}
	s.want("k", []byte("x"))
}

func (s *suite) probe() {
	if err := bucket.Probe(s.ctx, s.b); err != nil {
		s.Fatal(err)
	}
	err := s.b.List(s.ctx, "probe/", "", func(i bucket.Info) error { return errors.New("left behind: " + i.Key) })
	if err != nil {
		s.Fatal(err)
	}
}

// contents returns n bytes that depend on seed and position.
func contents(seed, n int) []byte {
	b := make([]byte, n)
	x := uint64(seed)*0x9E3779B97F4A7C15 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}
