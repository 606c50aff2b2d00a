package produce

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// ticketSlots is how many partitions share a ticket. They are made as partitions
// arrive, since an array's claimed length is no reason to allocate.
const ticketSlots = 256

// produceAnswer is the pending answer of one Produce. It settles when all tickets
// are done and the parser has let go; the committer calls release, the connection's
// writer Frame.
type produceAnswer struct {
	request *api.Request
	view    leaders.View // of when the request came
	out     *wire.Outbox
	slot    wire.Slot
	start   time.Time
	meter   api.Meter
	silent  bool // acks=0: no answer

	topics  []answerTopic
	parts   []answerPart
	tickets []*log.Ticket
	free    int // slots of the last ticket that are not given out
	left    atomic.Int32
	done    func(*log.Ticket)
}

// answerTopic is a topic of the answer; its partitions are the next parts.
type answerTopic struct {
	name  string
	id    pack.TopicID
	topic *catalog.Topic // nil: there is none
	parts int
}

// partMemory is what a partition of an answer takes, with its result and the answer's
// bytes; topicMemory what a topic takes beside its name.
const (
	partMemory  = 256
	topicMemory = 128
)

// answerPart is a partition of the answer and where its result will be.
type answerPart struct {
	partition int32
	slot      int32
	ticket    *log.Ticket
}

// add makes a place for the result of a partition of the last topic, which has at
// most more partitions to come, this one included.
func (a *produceAnswer) add(partition int32, more int) (*log.Ticket, int) {
	if a.free == 0 {
		if a.done == nil {
			a.done = func(*log.Ticket) { a.release() }
		}
		a.free = min(more, ticketSlots)
		a.left.Add(1)
		a.tickets = append(a.tickets, log.NewTicket(a.free, a.done))
		a.parts = slices.Grow(a.parts, a.free)
	}
	ticket := a.tickets[len(a.tickets)-1]
	slot := len(ticket.Results()) - a.free
	a.free--
	a.parts = append(a.parts, answerPart{partition, int32(slot), ticket})
	a.topics[len(a.topics)-1].parts++
	return ticket, slot
}

// endTopic settles slots that a topic turned out not to need.
func (a *produceAnswer) endTopic() {
	for ; a.free > 0; a.free-- {
		ticket := a.tickets[len(a.tickets)-1]
		ticket.Fail(len(ticket.Results())-a.free, protocol.InvalidRequest)
	}
}

// release gives up one hold; the last one settles the answer.
func (a *produceAnswer) release() {
	if a.left.Add(-1) == 0 {
		a.out.Settle(&a.slot)
	}
}

// Frame implements wire.Answer.
func (a *produceAnswer) Frame(expired bool) (*wire.Frame, error) {
	if expired {
		for _, t := range a.tickets {
			t.Expire(protocol.RequestTimedOut)
		}
	}
	first := a.firstError()
	a.meter.Observe(api.CodeOf(first), time.Since(a.start))
	if a.silent {
		if first != nil && !expired {
			return nil, fmt.Errorf("produce with acks=0: %w", first)
		}
		return nil, nil
	}
	f := api.Begin(a.request)
	e := wire.Encoder{B: f.Meta, Flexible: a.request.Version >= 9}
	a.encode(&e)
	f.Meta = e.B
	return f.Finish(), nil
}

func (a *produceAnswer) firstError() error {
	for i := range a.parts {
		if err := a.parts[i].result().Err; err != nil {
			return err
		}
	}
	return nil
}

func (p *answerPart) result() *log.Result { return &p.ticket.Results()[p.slot] }

func (a *produceAnswer) encode(e *wire.Encoder) {
	version := a.request.Version
	parts, moved := a.parts, false
	named := 0
	for i := range a.topics {
		if a.topics[i].parts > 0 {
			named++
		}
	}
	e.Array(named) // a topic of which nothing was asked is not in the answer
	for i := range a.topics {
		t := &a.topics[i]
		if t.parts == 0 {
			continue
		}
		if version >= 13 {
			e.UUID(t.id)
		} else {
			e.String(t.name)
		}
		e.Array(t.parts)
		for j := range parts[:t.parts] {
			moved = a.partition(e, t, &parts[j]) || moved
		}
		parts = parts[t.parts:]
		e.NoTags()
	}
	e.Int32(0) // throttle
	switch {
	case version >= 10 && moved:
		api.TagEndpoints(e, 0, a.view, a.request.Conn.Listener)
	default:
		e.NoTags()
	}
}

// partition encodes one partition, and says whether the client has to look for
// another leader.
func (a *produceAnswer) partition(e *wire.Encoder, t *answerTopic, p *answerPart) (moved bool) {
	version, r := a.request.Version, p.result()
	code := api.CodeOf(r.Err)
	e.Int32(p.partition)
	e.Int16(int16(code))
	e.Int64(r.BaseOffset)
	e.Int64(r.LogAppendTime)
	if version >= 5 {
		e.Int64(r.LogStart)
	}
	if version >= 8 {
		recordErrors(e, r.Err)
	}
	if version >= 10 && code == protocol.NotLeaderOrFollower {
		api.TagLeader(e, 0, a.view.Of(t.topic, p.partition).Node, -1)
		return true
	}
	e.NoTags()
	return false
}

// recordErrors encodes which records were refused, and the message.
func recordErrors(e *wire.Encoder, err error) {
	if err == nil {
		e.Array(0)
		e.Nullable(nil)
		return
	}
	var batch *record.BatchError
	if !errors.As(err, &batch) {
		e.Array(0)
		e.Nullable(refusalText(err))
		return
	}
	e.Array(len(batch.Records))
	for i := range batch.Records {
		e.Int32(batch.Records[i].BatchIndex)
		e.Nullable(&batch.Records[i].Message)
		e.NoTags()
	}
	e.Nullable(refusalText(err))
}
