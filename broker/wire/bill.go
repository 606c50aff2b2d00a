package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrAnswerSize: an answer would be larger than any may be.
var ErrAnswerSize = errors.New("the answer is too large")

const (
	// freeAnswer is what an answer may take without asking: nearly all are smaller, and
	// those that are not wait for one another only.
	freeAnswer = 64 << 10
	// billStep is what a larger one takes at a time.
	billStep = 256 << 10
	// billWait is how long it waits for that.
	billWait = 30 * time.Second
)

// Answers bounds the memory of answers from when they are made until their clients have
// taken them, over all connections together. It is for what answers are made of;
// record data is counted by Fetch.
type Answers struct {
	budget *Budget
	most   int64
}

// NewAnswers makes room for limit bytes of answers, each of which may have as much.
func NewAnswers(limit int64) *Answers {
	return &Answers{budget: NewBudget(0, limit), most: min(limit, math.MaxInt32)}
}

// Used is how many bytes are taken, for metrics.
func (a *Answers) Used() int64 { return a.budget.Used() }

// Bill counts what one answer takes. The zero value counts nothing. One goroutine at a
// time uses it.
type Bill struct {
	answers    *Answers
	acct       Account
	owed, paid int64
}

// Open starts a bill.
func (a *Answers) Open() Bill { return Bill{answers: a, acct: Account{budget: a.budget}} }

// Add counts n bytes more, and waits until they are free or ctx ends. An error closes the
// connection: ErrAnswerSize, or that of waiting.
func (b *Bill) Add(ctx context.Context, n int) error { return b.AtLeast(ctx, b.owed+int64(n)) }

// AtLeast is Add for an answer of n bytes in all, of which some are counted.
func (b *Bill) AtLeast(ctx context.Context, n int64) error {
	if b.owed = max(b.owed, n); b.owed <= freeAnswer || b.answers == nil || b.owed <= b.paid {
		return nil
	}
	if b.owed > b.answers.most {
		return fmt.Errorf("%w: more than %d bytes", ErrAnswerSize, b.answers.most)
	}
	step := max(b.owed-b.paid, billStep)
	if !b.acct.TryTake(Large, step) {
		ctx, cancel := context.WithTimeout(ctx, billWait)
		defer cancel()
		if err := b.acct.Take(ctx, Large, step); err != nil {
			return fmt.Errorf("waiting for memory for an answer: %w", err)
		}
	}
	b.paid += step
	return nil
}

// Release implements Releaser: the answer is gone.
func (b *Bill) Release() { b.acct.GiveAll() }

// Holder is what an answer's Slot holds: nil if it takes little.
func (b *Bill) Holder() Releaser {
	if b.paid == 0 {
		return nil
	}
	return b
}
