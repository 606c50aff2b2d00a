package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/buffer"
)

// scripted is a connection whose reads return pieces of data.
type scripted struct {
	data  []byte
	piece func() int
	end   error
}

func (s *scripted) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, s.end
	}
	n := copy(b, s.data[:min(len(s.data), s.piece())])
	s.data = s.data[n:]
	return n, nil
}

func (s *scripted) SetReadDeadline(time.Time) error { return nil }

func frameOf(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func input(c Conn, limit int64) (*Input, *Budget) {
	budget := NewBudget(limit, limit)
	return NewInput(context.Background(), c, budget.Open(), Pace{}, nil), budget
}

// TestInputAnyPieces reads frames of all sizes in all ways, whatever the pieces they
// come in, and checks every byte and that no memory is kept.
func TestInputAnyPieces(t *testing.T) {
	before := buffer.InUse()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		var bodies [][]byte
		for range 30 {
			body := random(r, []int{r.IntN(16), r.IntN(3000), r.IntN(100_000), r.IntN(600_000)}[r.IntN(4)])
			bodies = append(bodies, body)
			stream = append(stream, frameOf(body)...)
		}
		pieces := []int{1 << 20, 70_000, 3000, 1 + r.IntN(500)}[seed%4]
		in, budget := input(&scripted{data: stream, piece: func() int { return 1 + r.IntN(pieces) }, end: io.EOF}, 1<<30)
		for i, body := range bodies {
			n, err := in.Next(1 << 20)
			if err != nil || n != len(body) {
				t.Fatalf("seed %d: frame %d: length %d, %v; want %d", seed, i, n, err, len(body))
			}
			readAnyhow(t, r, in, body)
			if err := in.End(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := in.Next(1 << 20); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last frame: %v", err)
		}
		in.Close()
		if used := budget.Used(); used != 0 {
			t.Fatalf("seed %d: %d bytes of the budget are kept", seed, used)
		}
	}
	if now := buffer.InUse(); now != before {
		t.Fatalf("%d bytes of buffers are kept", now-before)
	}
}

// readAnyhow consumes a random part of a frame with random calls. What Take returned
// must stay as it was until it is released.
func readAnyhow(t *testing.T, r *rand.Rand, in *Input, body []byte) {
	t.Helper()
	type view struct{ got, want []byte }
	var views []view
	var holds []*buffer.Buf
	for at := 0; at < len(body) && r.IntN(40) > 0; {
		n := 1 + r.IntN(min(len(body)-at, 1+len(body)/3))
		switch r.IntN(4) {
		case 0:
			if err := in.Skip(n); err != nil {
				t.Fatal(err)
			}
		case 1:
			b, err := in.Peek(n)
			if err != nil || !bytes.Equal(b, body[at:at+n]) {
				t.Fatalf("peek %d at %d: %v, or wrong bytes", n, at, err)
			}
			n = 0
		case 2:
			buf, b, err := in.Take(n)
			if err != nil || !bytes.Equal(b, body[at:at+n]) {
				t.Fatalf("take %d at %d: %v, or wrong bytes", n, at, err)
			}
			views, holds = append(views, view{b, body[at : at+n]}), append(holds, buf)
		case 3:
			b, err := in.Rest(context.Background())
			if err != nil || !bytes.Equal(b, body[at:]) {
				t.Fatalf("rest at %d: %v, or wrong bytes", at, err)
			}
			n = len(body) - at
		}
		at += n
		if in.Left() != len(body)-at {
			t.Fatalf("left %d, want %d", in.Left(), len(body)-at)
		}
	}
	for i, v := range views {
		if !bytes.Equal(v.got, v.want) {
			t.Fatalf("bytes changed while they were held")
		}
		holds[i].Release()
	}
}

// TestInputLengths: what cannot be a frame is refused, and what reaches beyond one.
func TestInputLengths(t *testing.T) {
	for _, size := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 1001} {
		in, _ := input(&scripted{data: binary.BigEndian.AppendUint32(nil, size), piece: func() int { return 4 }, end: io.EOF}, 1<<20)
		if _, err := in.Next(1000); !errors.Is(err, ErrFrameLength) {
			t.Errorf("length %d: %v", size, err)
		}
	}
	in, _ := input(&scripted{data: frameOf(make([]byte, 10)), piece: func() int { return 100 }, end: io.EOF}, 1<<20)
	if _, err := in.Next(1000); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Peek(11); !errors.Is(err, ErrFrameEnd) {
		t.Errorf("peek beyond the end: %v", err)
	}
	if _, _, err := in.Take(11); !errors.Is(err, ErrFrameEnd) {
		t.Errorf("take beyond the end: %v", err)
	}
	if err := in.Skip(-1); !errors.Is(err, ErrFrameEnd) {
		t.Errorf("skip back: %v", err)
	}
}

// TestInputHalf: a client that leaves within a frame, or within a length.
func TestInputHalf(t *testing.T) {
	for _, data := range [][]byte{{0, 0}, frameOf(make([]byte, 100))[:50]} {
		in, _ := input(&scripted{data: data, piece: func() int { return 7 }, end: io.EOF}, 1<<20)
		_, err := in.Next(1000)
		if err == nil {
			_, err = in.Rest(context.Background())
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
}

// TestInputDeclared: a length that is only declared costs nothing, and bytes that
// arrive cost in proportion.
func TestInputDeclared(t *testing.T) {
	head := binary.BigEndian.AppendUint32(nil, 100<<20)
	for _, arrived := range []int{1, 1000, 10_000, 1_000_000} {
		for _, how := range []string{"rest", "take", "peek"} {
			data := append(append([]byte(nil), head...), make([]byte, arrived)...)
			in, budget := input(&scripted{data: data, piece: func() int { return 1 << 20 }, end: io.EOF}, 1<<30)
			if _, err := in.Next(100 << 20); err != nil {
				t.Fatal(err)
			}
			switch how {
			case "rest":
				_, _ = in.Rest(context.Background())
			case "take":
				_, _, _ = in.Take(100 << 20)
			case "peek":
				_, _ = in.Peek(100 << 20)
			}
			if used, most := budget.Used(), int64(2*arrived+2*firstTrust); used > most {
				t.Errorf("%s with %d bytes arrived: %d bytes taken, at most %d expected", how, arrived, used, most)
			}
			in.Close()
		}
	}
}

// TestInputTrust: large batches of a client that sends them are read in place.
func TestInputTrust(t *testing.T) {
	const batch = 900_000
	var stream []byte
	for range 20 {
		stream = append(stream, frameOf(make([]byte, batch+100))...)
	}
	in, _ := input(&scripted{data: stream, piece: func() int { return 1 << 20 }, end: io.EOF}, 1<<30)
	for i := range 20 {
		if _, err := in.Next(1 << 20); err != nil {
			t.Fatal(err)
		}
		if err := in.Skip(100); err != nil {
			t.Fatal(err)
		}
		before := in.acct.Held(Large)
		buf, _, err := in.Take(batch)
		if err != nil {
			t.Fatal(err)
		}
		if i > 5 && (in.acct.Held(Large)-before > 1<<20 || in.trust != maxTrust) {
			t.Errorf("frame %d: trusted with %d bytes, %d more were taken", i, in.trust, in.acct.Held(Large)-before)
		}
		buf.Release()
		if err := in.End(); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
}

// TestSmallBatchPinsLittle: a small batch that came alone keeps little more than itself in
// memory until it is durable; those that come in a row share chunks.
func TestSmallBatchPinsLittle(t *testing.T) {
	frame := frameOf(make([]byte, 200))
	for name, c := range map[string]struct {
		piece, most int
	}{"alone": {len(frame), 512}, "in a row": {2048, 4096 / 8}} {
		before := buffer.InUse()
		in, _ := input(&scripted{data: bytes.Repeat(frame, 100), piece: func() int { return c.piece }, end: io.EOF}, 1<<30)
		var held []*buffer.Buf
		for range 100 {
			if _, err := in.Next(1 << 20); err != nil {
				t.Fatal(err)
			}
			if err := in.Skip(20); err != nil {
				t.Fatal(err)
			}
			buf, _, err := in.Take(180)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, buf)
			if err := in.End(); err != nil {
				t.Fatal(err)
			}
		}
		in.Close()
		if each := int(buffer.InUse()-before) / len(held); each > c.most {
			t.Errorf("%s: a batch of 180 bytes pins %d", name, each)
		}
		for _, buf := range held {
			buf.Release()
		}
	}
}
