package coordinator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// gate admits when it is told to, and counts.
type gate struct {
	open                      chan struct{}
	asked, durable, forgotten int
}

func (g *gate) Admit(ctx context.Context, n int) error {
	g.asked += n
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return protocol.RequestTimedOut
	}
}

func (g *gate) Settle(n int, durable bool) {
	if durable {
		g.durable += n
	} else {
		g.forgotten += n
	}
}

// oneRecord appends a batch of one record and gives its result when it comes.
func oneRecord(ctx context.Context, p Partition) (size int, result func() *log.Result) {
	b := record.NewBuilder()
	b.Append(1, []byte("key"), []byte("value"))
	built := b.Batch()
	buf := buffer.Get(len(built))
	copy(buf.Bytes(), built)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		panic(err)
	}
	var got *log.Result
	t := log.NewTicket(1, func(t *log.Ticket) { got = &t.Results()[0] })
	go p.Append(ctx, t, log.Batch{Buf: buf, Bytes: buf.Bytes(), Header: h, Coordinator: true})
	return len(built), func() *log.Result { return got }
}

func TestAppendsWaitForAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, g := newFakeLog(), &gate{open: make(chan struct{})}
		p, err := Throttled(l, g).Open(t.Context(), pack.PartitionID{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		size, result := oneRecord(t.Context(), p)
		synctest.Wait()
		if g.asked != size || l.parts[0].next != 0 || result() != nil {
			t.Fatalf("%d bytes were asked for, the log ends at %d", g.asked, l.parts[0].next)
		}
		close(g.open)
		synctest.Wait()
		if r := result(); r == nil || r.Err != nil || r.BaseOffset != 0 {
			t.Fatalf("result %+v", r)
		}
		l.set(func(l *fakeLog) { l.fail = func() error { return protocol.KafkaStorageError } })
		_, result = oneRecord(t.Context(), p)
		synctest.Wait()
		if r := result(); r == nil || !errors.Is(r.Err, protocol.KafkaStorageError) {
			t.Fatalf("result of a failed append %+v", r)
		}
		if g.durable != size || g.forgotten != size {
			t.Errorf("settled as durable %d bytes, as failed %d, of %d each", g.durable, g.forgotten, size)
		}
	})
}

func TestAppendThatIsNotAdmittedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, g := newFakeLog(), &gate{open: make(chan struct{})}
		p, err := Throttled(l, g).Open(t.Context(), pack.PartitionID{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, result := oneRecord(ctx, p)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if r := result(); r == nil || !errors.Is(r.Err, protocol.RequestTimedOut) {
			t.Errorf("result %+v", r)
		}
		if l.parts[0].next != 0 || g.durable+g.forgotten != 0 {
			t.Error("it was appended, or settled although it was not admitted")
		}
	})
}
