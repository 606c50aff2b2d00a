package wire

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// numbered is an answer that is known by its number.
type numbered struct {
	n       byte
	expired bool
	fail    error
	silent  bool
}

func (a *numbered) Frame(expired bool) (*Frame, error) {
	a.expired = expired
	if a.fail != nil || a.silent {
		return nil, a.fail
	}
	f := NewFrame()
	f.Meta = append(f.Meta, a.n)
	return f.Finish(), nil
}

type released struct{ n *int }

func (r released) Release() { *r.n++ }

func collect(sent *[]byte) func([]*Frame) error {
	return func(frames []*Frame) error {
		for _, f := range frames {
			*sent = append(*sent, f.Meta[4])
		}
		return nil
	}
}

// TestOutboxOrder: answers leave in the order of the requests, whatever the order
// they settle in.
func TestOutboxOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := NewOutbox(), context.Background()
		var sent []byte
		done := make(chan error, 1)
		go func() { done <- o.Run(ctx, collect(&sent)) }()
		slots := make([]*Slot, 100)
		for i := range slots {
			slots[i] = &Slot{Answer: &numbered{n: byte(i), silent: i%7 == 3}}
			if err := o.Push(ctx, slots[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range slots {
			o.Settle(slots[(i*37)%100])
			o.Settle(slots[(i*37)%100]) // a second time changes nothing
			synctest.Wait()
		}
		o.End()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, n := range sent {
			if want%7 == 3 {
				want++
			}
			if int(n) != want {
				t.Fatalf("sent %v", sent)
			}
			want++
		}
		if want != 100 {
			t.Fatalf("%d answers came to an end", want)
		}
	})
}

// TestOutboxExpires: an answer leaves at its deadline, and only then.
func TestOutboxExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := NewOutbox(), context.Background()
		var sent []byte
		go func() { _ = o.Run(ctx, collect(&sent)) }()
		start := time.Now()
		a, b := &numbered{n: 1}, &numbered{n: 2}
		first := &Slot{Answer: a, Deadline: start.Add(time.Second)}
		second := &Slot{Answer: b, Deadline: start.Add(2 * time.Second)}
		for _, s := range []*Slot{first, second} {
			if err := o.Push(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Quiet(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*time.Second || !a.expired || !b.expired {
			t.Fatalf("after %v expired %v, %v", took, a.expired, b.expired)
		}
		o.Settle(first) // too late to matter
		o.Settle(second)
		third := &Slot{Answer: &numbered{n: 3}, Deadline: time.Now().Add(time.Hour)}
		if err := o.Push(ctx, third); err != nil {
			t.Fatal(err)
		}
		o.Settle(third)
		synctest.Wait()
		if string(sent) != "\x01\x02\x03" {
			t.Fatalf("sent %v", sent)
		}
		o.End()
	})
}

// TestOutboxQuiet: Quiet waits for what is not settled, and for a client that does
// not take its answers.
func TestOutboxQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ctx := NewOutbox(), context.Background()
		gate := make(chan struct{})
		go func() {
			_ = o.Run(ctx, func([]*Frame) error { <-gate; return nil })
		}()
		s := &Slot{Answer: &numbered{}}
		if err := o.Push(ctx, s); err != nil {
			t.Fatal(err)
		}
		quiet := 0
		wait := func() {
			if err := o.Quiet(ctx); err == nil {
				quiet++
			}
		}
		go wait()
		synctest.Wait()
		if quiet != 0 {
			t.Fatal("quiet with an answer open")
		}
		o.Settle(s)
		synctest.Wait()
		if quiet != 1 {
			t.Fatal("not quiet with all answers settled")
		}
		gate <- struct{}{}
		big := NewFrame()
		big.Meta = append(big.Meta, make([]byte, maxBytes)...)
		if err := o.Push(ctx, &Slot{Ready: big.Finish()}); err != nil {
			t.Fatal(err)
		}
		go wait()
		synctest.Wait()
		if quiet != 1 {
			t.Fatal("quiet with a large answer not taken")
		}
		close(gate)
		synctest.Wait()
		if quiet != 2 {
			t.Fatal("not quiet when it was taken")
		}
		o.End()
	})
}

// TestOutboxFull: a full queue stops the pusher; a closed one says so, and frames
// are released.
func TestOutboxFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOutbox()
		ctx, cancel := context.WithCancel(context.Background())
		freed := 0
		push := func() error {
			f := NewFrame()
			f.Hold(released{&freed})
			return o.Push(ctx, &Slot{Ready: f.Finish()})
		}
		for range maxSlots {
			if err := push(); err != nil {
				t.Fatal(err)
			}
		}
		blocked := make(chan error, 1)
		go func() { blocked <- push() }()
		synctest.Wait()
		select {
		case err := <-blocked:
			t.Fatalf("a full queue took one more: %v", err)
		default:
		}
		broken := errors.New("broken")
		if err := o.Run(ctx, func([]*Frame) error { return broken }); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if err := <-blocked; !errors.Is(err, ErrClosed) && err != nil {
			t.Fatal(err)
		}
		if err := push(); !errors.Is(err, ErrClosed) {
			t.Fatalf("push after the end: %v", err)
		}
		cancel()
		synctest.Wait()
		if freed != maxSlots+2 {
			t.Fatalf("%d frames released, want %d", freed, maxSlots+2)
		}
	})
}

// TestOutboxFails: an answer that cannot be made ends the connection, after the answers
// of what was asked before it: an acks=0 batch that fails behind a Produce that is done
// must not take its acknowledgement away.
func TestOutboxFails(t *testing.T) {
	o, ctx := NewOutbox(), context.Background()
	bad, freed := errors.New("bad"), 0
	held := func(n byte) *Slot {
		f := NewFrame()
		f.Meta = append(f.Meta, n)
		f.Hold(released{&freed})
		return &Slot{Ready: f.Finish()}
	}
	good, fails := &Slot{Answer: &numbered{n: 1}}, &Slot{Answer: &numbered{fail: bad}}
	for _, s := range []*Slot{good, held(2), fails, held(3), {Answer: &numbered{n: 4}}} {
		if err := o.Push(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	o.Settle(fails)
	o.Settle(good)
	var sent []byte
	if err := o.Run(ctx, collect(&sent)); !errors.Is(err, bad) {
		t.Fatal(err)
	}
	if string(sent) != "\x01\x02" || freed != 2 {
		t.Fatalf("sent %v, %d of 2 frames released", sent, freed)
	}
}
