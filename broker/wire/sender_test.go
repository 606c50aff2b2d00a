package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/buffer"
)

func tcpPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		accepted <- c
	}()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() { _ = server.Close(); _ = client.Close() })
	return server, client
}

func tempFile(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "data")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSenderMixture sends frames of all kinds of pieces, over TCP and over a
// connection without sendfile, and compares every byte.
func TestSenderMixture(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	data := random(r, 6<<20)
	file := tempFile(t, data)
	before := buffer.InUse()
	server, client := tcpPair(t)
	pipeS, pipeC := net.Pipe()
	for _, pair := range [][2]net.Conn{{server, client}, {pipeS, pipeC}} {
		var want []byte
		var frames []*Frame
		freed := 0
		for range 40 {
			f := NewFrame()
			f.Hold(released{&freed})
			for range r.IntN(30) {
				f.Meta = append(f.Meta, random(r, r.IntN(50))...)
				n := []int{0, r.IntN(300), r.IntN(sendfileMin), sendfileMin + r.IntN(5<<20)}[r.IntN(20)/6]
				pos := r.IntN(len(data) - n + 1)
				if r.IntN(2) == 0 {
					f.Attach(Data{Mem: data[pos : pos+n], Len: int64(n)})
				} else {
					f.Attach(Data{File: file, Pos: int64(pos), Len: int64(n)})
				}
			}
			f.Meta = append(f.Meta, 0xEE)
			f.Finish()
			want = append(want, flat(f, data)...)
			frames = append(frames, f)
		}
		got := make(chan []byte, 1)
		go func() {
			b := make([]byte, len(want))
			_, _ = io.ReadFull(pair[1], b)
			got <- b
		}()
		sentBytes := 0
		s := NewSender(pair[0], time.Minute, func(n int) { sentBytes += n })
		if err := s.Send(frames); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(<-got, want) {
			t.Fatal("other bytes arrived")
		}
		if sentBytes != len(want) {
			t.Errorf("%d bytes counted, %d sent", sentBytes, len(want))
		}
		for _, f := range frames {
			f.Release()
		}
		if freed != len(frames) {
			t.Errorf("%d of %d frames let go", freed, len(frames))
		}
	}
	if now := buffer.InUse(); now != before {
		t.Errorf("%d bytes of buffers are kept", now-before)
	}
}

// flat is a frame's bytes, for comparison.
func flat(f *Frame, data []byte) []byte {
	var out []byte
	from := 0
	for _, c := range f.cuts {
		out = append(out, f.Meta[from:c.at]...)
		from = c.at
		if c.data.File != nil {
			out = append(out, data[c.data.Pos:c.data.Pos+c.data.Len]...)
		} else {
			out = append(out, c.data.Mem...)
		}
	}
	return append(out, f.Meta[from:]...)
}

// TestSenderStalls: a client that takes nothing loses its connection, over every
// way of writing.
func TestSenderStalls(t *testing.T) {
	data := make([]byte, 32<<20)
	file := tempFile(t, data)
	for name, d := range map[string]Data{
		"memory": {Mem: data, Len: int64(len(data))},
		"file":   {File: file, Len: int64(len(data))},
	} {
		server, _ := tcpPair(t)
		f := NewFrame()
		f.Attach(d)
		err := NewSender(server, 100*time.Millisecond, nil).Send([]*Frame{f.Finish()})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSenderIsPatient: who takes 10 KB/s gets all of a large answer, however long that
// is; a trickle, or nothing for a minute, ends it.
func TestSenderIsPatient(t *testing.T) {
	const stall = time.Minute
	for name, c := range map[string]struct {
		rate  int // bytes per second
		stops time.Duration
		cut   time.Duration // 0: it gets all
	}{
		"10 KB/s":         {10_000, time.Hour, 0},
		"100 bytes/s":     {100, time.Hour, slowWindow*stall + 2*stall},
		"then nothing":    {10_000, 70 * time.Second, 70*time.Second + 2*stall},
		"nothing at once": {0, 0, 2 * stall},
	} {
		synctest.Test(t, func(t *testing.T) {
			server, client := net.Pipe()
			data := make([]byte, 3<<20)
			f := NewFrame()
			f.Attach(Data{Mem: data, Len: int64(len(data))})
			start, got := time.Now(), 0
			go func() {
				for b := make([]byte, max(c.rate, 1)); time.Since(start) < c.stops; time.Sleep(time.Second) {
					n, err := io.ReadFull(client, b)
					if got += n; err != nil {
						return
					}
				}
			}()
			err := NewSender(server, stall, nil).Send([]*Frame{f.Finish()})
			took := time.Since(start)
			_, _ = server.Close(), client.Close()
			switch {
			case c.cut == 0 && err != nil:
				t.Errorf("%s: cut after %v and %d bytes: %v", name, took, got, err)
			case c.cut > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took > c.cut):
				t.Errorf("%s: after %v: %v", name, took, err)
			}
			time.Sleep(time.Minute) // the client's goroutine ends
		})
	}
}

// TestSenderSeesProgress: over TCP a slow client's progress is seen while the system's
// buffer is full, for which nothing could be written.
func TestSenderSeesProgress(t *testing.T) {
	data := make([]byte, 1<<20)
	file := tempFile(t, data)
	for name, d := range map[string]Data{
		"memory": {Mem: data, Len: int64(len(data))},
		"file":   {File: file, Len: int64(len(data))},
	} {
		server, client := tcpPair(t)
		_ = server.(*net.TCPConn).SetWriteBuffer(32 << 10)
		_ = client.(*net.TCPConn).SetReadBuffer(32 << 10)
		f := NewFrame()
		f.Attach(d)
		f.Finish()
		got := make(chan int64, 1)
		go func() {
			b, total := make([]byte, 32<<10), int64(0)
			for total < f.Len() {
				n, err := client.Read(b)
				if total += int64(n); err != nil {
					break
				}
				time.Sleep(15 * time.Millisecond)
			}
			got <- total
		}()
		if err := NewSender(server, 200*time.Millisecond, nil).Send([]*Frame{f}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = server.Close()
		if n := <-got; n != f.Len() {
			t.Errorf("%s: %d of %d bytes", name, n, f.Len())
		}
	}
}

// TestSenderShortFile: a file that ends early is an error and not a wrong answer.
func TestSenderShortFile(t *testing.T) {
	file := tempFile(t, make([]byte, 100_000))
	for _, n := range []int64{1000, 90_000} {
		server, client := tcpPair(t)
		go func() { _, _ = io.Copy(io.Discard, client) }()
		f := NewFrame()
		f.Attach(Data{File: file, Pos: 100_000 - n/2, Len: n})
		if err := NewSender(server, time.Minute, nil).Send([]*Frame{f.Finish()}); err == nil {
			t.Errorf("%d bytes beyond the end were sent", n/2)
		}
	}
}
