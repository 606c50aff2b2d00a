package log

import "sync"

// Ticket collects what becomes of the batches of one request. Each slot gets its
// result exactly once; when the last one has it, done runs on the goroutine that
// brought it, which may be the committer: done must not block.
type Ticket struct {
	mu      sync.Mutex
	results []Result
	set     []bool
	left    int
	done    func(*Ticket)
}

// NewTicket makes a ticket of n slots. With n = 0 done runs at once.
func NewTicket(n int, done func(*Ticket)) *Ticket {
	t := &Ticket{results: make([]Result, n), set: make([]bool, n), left: n, done: done}
	if n == 0 {
		done(t)
	}
	return t
}

// Fail decides a slot before anything was appended for it.
func (t *Ticket) Fail(slot int, err error) {
	t.finish(slot, Result{Err: err, BaseOffset: -1, LogAppendTime: -1, LogStart: -1})
}

// Expire gives err to every slot that has no result yet, because the client's
// timeout passed; the batches keep their places in the log and their later
// outcomes are dropped.
func (t *Ticket) Expire(err error) {
	t.mu.Lock()
	if t.left == 0 {
		t.mu.Unlock()
		return
	}
	for i := range t.results {
		if !t.set[i] {
			t.set[i] = true
			t.results[i] = Result{Err: err, BaseOffset: -1, LogAppendTime: -1, LogStart: -1}
		}
	}
	t.left = 0
	t.mu.Unlock()
	t.done(t)
}

// Results returns the slots' results. It is valid in done and afterwards.
func (t *Ticket) Results() []Result { return t.results }

func (t *Ticket) finish(slot int, r Result) {
	t.mu.Lock()
	if t.set[slot] {
		t.mu.Unlock()
		return
	}
	t.set[slot] = true
	t.results[slot] = r
	t.left--
	last := t.left == 0
	t.mu.Unlock()
	if last {
		t.done(t)
	}
}

// Finish gives a slot its result: for logs other than this one, in tests.
func (t *Ticket) Finish(slot int, r Result) { t.finish(slot, r) }
