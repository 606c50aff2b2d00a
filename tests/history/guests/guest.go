// Package guests brings client libraries into a load of tests/history/workload: each is
// a small program in a folder here, which does what it is told over standard input and
// says what its library answered. Chance, times, events and floors are this package's,
// once for all of them; judgement is the checker's. An event's start is taken before
// the program is told, its end after it has answered, so that no clock is shared.
package guests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

const (
	// paces is how many of a load's pauses one of a guest is: libraries of scripting
	// languages take their part of the machine.
	paces = 4
	// killOneIn is how many transactions there are to one in which a program is killed.
	killOneIn = 60
)

// Guest is one library's client of one load. It is a workload.Guest.
type Guest struct {
	library *Library
	session time.Duration // of its member in its group
	seat    workload.Seat
	w       *history.Writer
	random  *rand.Rand

	program  *program // nil: to be started
	producer bool     // the program has one
	fresh    bool     // it has ended no transaction yet
	reader   *reader  // nil: the program has none
	member   *member  // nil: the program has none
	sequence int64
	txns     int
	numbers  int64 // of assignments

	mu  sync.Mutex
	did Did
}

// New makes a guest for one load. session is how long its member may be away before its
// group goes on without it.
func (l *Library) New(session time.Duration) *Guest { return &Guest{library: l, session: session} }

// Name is the library's.
func (g *Guest) Name() string { return g.library.Name }

// Library is whose guest it is.
func (g *Guest) Library() *Library { return g.library }

// Did is what the guest has done so far.
func (g *Guest) Did() Did {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.did
}

func (g *Guest) note(count func(*Did)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	count(&g.did)
}

// Missing says what is missing of what each guest has to do in a load.
func (g *Guest) Missing() string {
	did := g.Did()
	return did.missing(g.library)
}

// config is what a program is started with.
type config struct {
	Brokers         string `json:"brokers"`
	TransactionalID string `json:"transactional_id"`
	Group           string `json:"group"`
	In              string `json:"in"` // the topic that take reads
	TxnTimeoutMs    int64  `json:"txn_timeout_ms"`
	// RequestTimeoutMs exceeds the time that faults hold a connection: an EndTxn of
	// version 1 that its client gave up, and that arrives after all, ends whatever
	// transaction its producer has open then. Kafka's protocol has nothing against it
	// before KIP-890.
	RequestTimeoutMs int64 `json:"request_timeout_ms"`
	PatienceMs       int64 `json:"patience_ms"` // of a request to the program, with the library's retries
	SessionTimeoutMs int64 `json:"session_timeout_ms"`
	TakeMax          int   `json:"take_max"` // records that a poll or a take gives at most
}

const (
	requestTimeout = 10 * time.Second
	takeMax        = 50
)

func (g *Guest) config() config {
	return config{Brokers: g.seat.Addr, TransactionalID: g.seat.Prefix + "-" + g.Name(), Group: g.seat.Group, In: g.seat.In[0].Topic,
		TxnTimeoutMs: g.seat.TxnTimeout.Milliseconds(), RequestTimeoutMs: requestTimeout.Milliseconds(), PatienceMs: g.patience().Milliseconds(),
		SessionTimeoutMs: g.session.Milliseconds(), TakeMax: takeMax}
}

// patience is how long a library may try. The program is killed when it has not answered
// some time later.
func (g *Guest) patience() time.Duration { return max(g.seat.Patience, 2*requestTimeout) }

// Run is the guest's part in a load.
func (g *Guest) Run(ctx context.Context, s workload.Seat) (err error) {
	g.seat, g.w = s, s.Writer
	g.random = rand.New(rand.NewPCG(s.Seed, 9))
	defer func() { err = errors.Join(err, g.halt()) }()
	for ctx.Err() == nil {
		if err := g.step(); err != nil {
			return err
		}
		g.rest(ctx)
	}
	return nil
}

func (g *Guest) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(g.random.Int64N(2*paces*int64(g.seat.Pace) + 1))):
	}
}

// step does one thing. An error is a fault of the program; what a library says is in the
// history, or says nothing.
func (g *Guest) step() error {
	n := g.random.IntN(10)
	switch {
	case n < 3:
		return g.read("")
	case !g.library.transactional():
		_, err := g.send("", g.pick())
		return err
	case n < 6:
		return g.copy()
	default:
		return g.write()
	}
}

// do has the program carry out a request, and starts it if need be. One that does not
// answer is killed, which is as good as an error of its library.
func (g *Guest) do(r request) (reply, error) {
	if err := g.run(); err != nil {
		return reply{}, err
	}
	got, err := g.program.call(r, g.patience()+10*time.Second)
	switch {
	case errors.Is(err, errOverdue):
		g.note(func(d *Did) { d.Overdue++ })
		return reply{Error: errOverdue.Error()}, g.halt()
	case err != nil:
		return reply{Error: "the program is gone"}, err
	case got.Error != "":
		g.note(func(d *Did) { d.Errors++ })
	}
	return got, nil
}

// run starts the program if it does not run.
func (g *Guest) run() error {
	if g.program != nil {
		return nil
	}
	text, err := json.Marshal(g.config())
	if err != nil {
		return err
	}
	g.program, err = launch(g.library.command(string(text)))
	return err
}

// halt kills the program, and with it all clients of its library.
func (g *Guest) halt() error {
	if g.program == nil {
		return nil
	}
	err := g.program.halt()
	g.program, g.producer, g.reader, g.member = nil, false, nil, nil
	return err
}

// kill kills the program as a fault of the load.
func (g *Guest) kill() error {
	began := g.w.Now()
	err := g.halt()
	g.w.Add(history.Event{Start: began, End: g.w.Now(), Client: g.Name(), Op: history.Fault, Outcome: history.OK, Fault: "guest: kill -9"})
	g.note(func(d *Did) { d.Killed++ })
	return err
}

// drop has the program forget a client, which the next request makes anew.
func (g *Guest) drop(what string) error {
	switch what {
	case "producer":
		g.producer = false
	case "reader":
		g.reader = nil
	case "member":
		g.member = nil
	}
	if g.program == nil {
		return nil
	}
	g.note(func(d *Did) { d.Dropped++ })
	r, err := g.do(request{Do: "drop", What: what})
	if err == nil && r.Error != "" {
		err = g.halt() // one that can not be dropped goes with its program
	}
	return err
}

// pick makes a few records for the topics that all producers write to.
func (g *Guest) pick() []outgoing {
	all := make([]outgoing, 1+g.random.IntN(4))
	for i := range all {
		all[i].to = g.seat.Data[g.random.IntN(len(g.seat.Data))]
	}
	return all
}

// outgoing is a record to be sent, made from another or from nothing.
type outgoing struct {
	to     workload.Place
	source *history.Source
}

// send sends records, and says whether all were acknowledged.
func (g *Guest) send(txn string, all []outgoing) (bool, error) {
	delivery := history.Transactional
	if txn == "" {
		delivery = history.Retried
		if ok, err := g.open(); !ok {
			return false, err
		}
	}
	r := request{Do: "send"}
	events := make([]history.Event, len(all))
	for i, o := range all {
		events[i] = o.to.Event(history.Event{Start: g.w.Now(), Client: g.Name(), Op: history.Produce, Outcome: history.Unknown, Offset: -1,
			Producer: g.Name(), Sequence: g.sequence, Delivery: delivery, Txn: txn, Source: o.source})
		value := history.Value(g.Name(), g.sequence, g.random.IntN(2*g.seat.ValueBytes+1))
		r.Records = append(r.Records, record{o.to.Topic, o.to.Partition, value})
		g.sequence++
	}
	got, err := g.do(r)
	if err == nil && got.Error == "" && len(got.Records) != len(all) {
		err = fmt.Errorf("an answer for %d records of %d", len(got.Records), len(all))
	}
	acknowledged := 0
	for i, e := range events {
		e.Error = got.Error
		if i < len(got.Records) {
			if e.Error = got.Records[i].Error; got.Records[i].Offset != nil {
				e.Outcome, e.Offset = history.OK, *got.Records[i].Offset
				acknowledged++
			}
		}
		e.End = g.w.Now()
		g.w.Add(e)
	}
	g.note(func(d *Did) { d.Sent += acknowledged })
	return acknowledged == len(all), err
}

// open makes a producer if there is none, and says whether there is one. What its
// transactional id has left open is decided then.
func (g *Guest) open() (bool, error) {
	if g.producer {
		return true, nil
	}
	r, err := g.do(request{Do: "open"})
	g.producer = err == nil && r.Error == ""
	g.fresh = g.producer
	return g.producer, err
}
