package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// errStill is that a reader gets nothing though there is something.
var errStill = errors.New("nothing new though the end is not reached")

// Final waits until no transaction is open, reads every partition from its start to its
// end in both isolation levels, and asks for all offsets a last time.
func (l *Load) Final(ctx context.Context) error {
	conn := l.dial("final")
	defer conn.Close()
	marks, err := l.settled(ctx, conn)
	if err != nil {
		return err
	}
	for _, isolation := range []history.Isolation{history.ReadUncommitted, history.ReadCommitted} {
		if err := l.readAll(ctx, isolation, marks); err != nil {
			return err
		}
	}
	for _, group := range l.groups() {
		if err := l.retry(ctx, func() error { return l.ask(ctx, "final", conn, group, true) }); err != nil {
			return fmt.Errorf("offsets of %s: %w", group, err)
		}
	}
	return nil
}

// settled returns the partitions' bounds once every last stable offset is the high
// watermark. A transaction whose client is gone ends with its timeout.
func (l *Load) settled(ctx context.Context, conn *wire.Redial) (marks map[part]history.Marks, err error) {
	err = l.retry(ctx, func() error {
		if marks, err = l.watermarks(ctx, "final", conn, parts(l.topics...)); err != nil {
			return err
		}
		for p, m := range marks {
			if m.LastStable < m.HighWatermark {
				return fmt.Errorf("%s-%d: last stable offset %d, high watermark %d", p.name, p.number, m.LastStable, m.HighWatermark)
			}
		}
		return nil
	})
	return marks, err
}

// retry repeats do until it succeeds, for as long as Settle.
func (l *Load) retry(ctx context.Context, do func() error) error {
	for deadline := time.Now().Add(l.Settle); ; pause(ctx, l.Pace) {
		err := do()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// readAll reads from the partitions' starts to their ends.
func (l *Load) readAll(ctx context.Context, isolation history.Isolation, marks map[part]history.Marks) error {
	var left []part
	for p, m := range marks {
		if m.HighWatermark > m.LogStart {
			left = append(left, p)
		}
	}
	f := l.fetcher("final-"+string(isolation), isolation, left)
	defer f.close()
	f.waitMs = 20
	for i := range f.positions {
		f.positions[i].offset = marks[f.positions[i].part].LogStart
	}
	moved, stood := time.Now(), int64(-1)
	for {
		// A poll that fails is repeated, for as long as Settle.
		err := f.poll(ctx, "")
		done, sum := true, int64(0)
		for _, p := range f.positions {
			done = done && p.offset >= marks[p.part].HighWatermark
			sum += p.offset
		}
		if done {
			return nil
		}
		if sum != stood {
			moved, stood = time.Now(), sum
		}
		if err != nil {
			pause(ctx, l.Pace)
		}
		if ctx.Err() != nil || time.Since(moved) > l.Settle {
			return fmt.Errorf("%s final read stands still: %w", isolation, errors.Join(err, ctx.Err(), errStill))
		}
	}
}
