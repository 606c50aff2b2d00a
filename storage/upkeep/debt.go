package upkeep

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// allowance is how many bytes of an internal topic may lie outside its lifted segments,
// whatever is live. With the lifted bytes themselves it is what a start reads of it.
type allowance struct {
	due int64 // from here on a lift is due; above it, from half of the live bytes
	max int64 // durable or on their way; above it, the live bytes are the bound
}

var (
	// Groups have to be there soon after a start, and commit their offsets now and then.
	groupsAllowance = allowance{256 << 10, 768 << 10}
	// Transactions write two records each: with the allowance of groups a busy broker
	// would lift several times a second, and each lift syncs beside the journal. This
	// much is read in a fraction of a second.
	transactionsAllowance = allowance{4 << 20, 12 << 20}
)

// debtPatience is how long an append waits for a lift at most. A lift that takes longer
// is stuck, as when the bucket does not answer: then nobody waits until one has
// succeeded.
const debtPatience = 2 * time.Second

// Debts are those of the coordinators' topics. One Debts belongs to one Upkeep.
type Debts struct {
	Groups, Transactions *Debt

	due chan struct{} // a lift has something to do
}

// NewDebts makes debts that are not known yet: appends wait until they are measured.
func NewDebts() *Debts {
	due := make(chan struct{}, 1)
	return &Debts{newDebt(groupsAllowance, due), newDebt(transactionsAllowance, due), due}
}

func (d *Debts) all() []*Debt { return []*Debt{d.Groups, d.Transactions} }

// of is the debt of a coordinator's topic.
func (d *Debts) of(o Owner) *Debt {
	if o == Transactions {
		return d.Transactions
	}
	return d.Groups
}

// Debt counts the bytes of an internal topic that are not lifted yet, and makes its
// coordinator wait while they are too many: so what a start reads of the topic is
// bounded at every moment, also when the process is killed in the middle of a burst.
// Only appends that go through Admit wait; user data does not.
//
// It counts a little too much at times, never too little: what is measured comes from
// the log and the metadata store, and what became durable since is added to it. Methods
// may be called from any goroutine.
type Debt struct {
	allowance allowance
	due       chan struct{} // a lift has something to do

	waits  atomic.Int64 // appends that had to wait
	stalls atomic.Int64 // times that waiting was given up

	mu       sync.Mutex
	known    bool  // it was measured; before that nobody knows what the last process left
	durable  int64 // as last measured, and what became durable since
	inFlight int64 // admitted, outcome unknown
	settled  int64 // bytes that became durable, ever
	live     int64 // in lifted segments
	stuck    bool  // no lift succeeds: nobody waits
	waiting  []*debtor
}

// debtor is an append that waits for room.
type debtor struct {
	bytes    int64
	admitted chan struct{}
}

func newDebt(a allowance, due chan struct{}) *Debt { return &Debt{allowance: a, due: due} }

// Admit waits until n more bytes of an internal topic may be appended, in the order of
// the calls, for at most debtPatience. REQUEST_TIMED_OUT when ctx ends first; else
// Settle has to follow.
func (d *Debt) Admit(ctx context.Context, n int) error {
	d.mu.Lock()
	if len(d.waiting) == 0 && d.fits(int64(n)) {
		d.take(int64(n))
		d.mu.Unlock()
		return nil
	}
	w := &debtor{int64(n), make(chan struct{})}
	d.waiting = append(d.waiting, w)
	d.mu.Unlock()
	d.waits.Add(1)
	d.kick()
	patience := time.NewTimer(debtPatience)
	defer patience.Stop()
	select {
	case <-w.admitted:
		return nil
	case <-patience.C:
		d.stall()
		<-w.admitted
		return nil
	case <-ctx.Done():
		return d.abandon(w)
	}
}

// abandon takes back a wait that its context has ended.
func (d *Debt) abandon(w *debtor) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, x := range d.waiting {
		if x == w {
			d.waiting = append(d.waiting[:i:i], d.waiting[i+1:]...)
			d.admitWaiting() // the next one may be smaller
			return protocol.RequestTimedOut
		}
	}
	return nil // admitted meanwhile
}

// Settle says what became of n admitted bytes: durable, or not in the log.
func (d *Debt) Settle(n int, durable bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight -= int64(n)
	if durable {
		d.durable += int64(n)
		d.settled += int64(n)
	} else {
		d.admitWaiting()
	}
	if len(d.waiting) > 0 {
		d.kick()
	}
}

// fits says whether n more bytes are within the bound. What is larger than the bound
// goes alone. The caller holds d.mu.
func (d *Debt) fits(n int64) bool {
	return d.stuck || d.known && d.durable+d.inFlight+n <= max(d.allowance.max, d.live, n)
}

// take admits n bytes. The caller holds d.mu.
func (d *Debt) take(n int64) {
	d.inFlight += n
	if d.durable+d.inFlight > d.trigger() {
		d.kick()
	}
}

func (d *Debt) admitWaiting() {
	for len(d.waiting) > 0 && d.fits(d.waiting[0].bytes) {
		w := d.waiting[0]
		d.waiting[0] = nil
		d.waiting = d.waiting[1:]
		d.take(w.bytes)
		close(w.admitted)
	}
	if len(d.waiting) == 0 {
		d.waiting = nil
	}
}

// trigger is how much has to be there for a lift. The caller holds d.mu.
func (d *Debt) trigger() int64 { return max(d.allowance.due, d.live/2) }

// kick tells the lift that it has something to do.
func (d *Debt) kick() {
	select {
	case d.due <- struct{}{}:
	default:
	}
}

// stall ends all waiting until a lift has succeeded.
func (d *Debt) stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stuck {
		d.stuck = true
		d.stalls.Add(1)
	}
	d.admitWaiting()
}

// mark begins a measurement.
func (d *Debt) mark() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled
}

// measured ends the measurement that began with mark: pending durable bytes are not
// lifted, live ones are. wanted says that a lift is due, for want of room or because
// there is enough of it.
func (d *Debt) measured(mark, pending, live int64) (wanted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// What became durable while it was measured may be counted twice.
	d.durable, d.live, d.known = pending+d.settled-mark, live, true
	wanted = pending > 0 && (len(d.waiting) > 0 || pending > d.trigger())
	d.admitWaiting()
	if len(d.waiting) > 0 && d.settled != mark {
		d.kick()
	}
	return wanted
}

// recovered says that lifts succeed: appends wait again when they have to.
func (d *Debt) recovered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stuck = false
}
