package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
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
