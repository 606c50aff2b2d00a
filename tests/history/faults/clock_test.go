package faults

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// clock is a wall clock that jumps beside a monotonic one that does not, as a machine's
// does when its time is set: for a while, or for good.
type clock struct {
	ahead atomic.Int64 // seconds, for a while
	steps atomic.Int64 // seconds, for good
}

// now is the time with the jump in its wall clock alone. No function of package time
// makes such a time: they move both clocks.
func (c *clock) now() time.Time { return jumped(time.Now(), c.ahead.Load()+c.steps.Load()) }

// jumped moves the wall clock of a time that also has a monotonic one: seconds are the 33
// bits above the 30 of nanoseconds in its first word.
func jumped(t time.Time, seconds int64) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds) << 30
	return t
}

func TestJumped(t *testing.T) {
	at := time.Now()
	for _, seconds := range []int64{1, 7200, -7200, 26 * 3600, -31 * 24 * 3600} {
		to := jumped(at, seconds)
		if to.Unix() != at.Unix()+seconds || to.Nanosecond() != at.Nanosecond() {
			t.Errorf("%v is not %d s from %v", to, seconds, at)
		}
		if d := to.Sub(at); d != 0 {
			t.Errorf("the monotonic clock moved by %v with %d s", d, seconds)
		}
	}
}

func (c *clock) lane() Lane {
	jump := func(name string, low, high int64) Fault {
		return Fault{Name: "clock: " + name, Min: 100 * time.Millisecond, Max: 2 * time.Second,
			Begin: func(_ context.Context, random *rand.Rand) error {
				c.ahead.Store(low + random.Int64N(high-low))
				return nil
			},
			End: func(context.Context) error { c.ahead.Store(0); return nil }}
	}
	step := func(name string, low, high int64) Fault {
		return Fault{Name: "clock: " + name, Begin: func(_ context.Context, random *rand.Rand) error {
			c.steps.Add(low + random.Int64N(high-low))
			return nil
		}}
	}
	const hour, day = 3600, 24 * 3600
	// Both steps come equally often, so the clock does not run away: a week ahead, and
	// retention would be right to drop what clients wrote today.
	return Lane{[]Fault{
		step("steps ahead by a day, for good", day, day+hour),
		step("steps back by a day, for good", -day-hour, -day),
		jump("a month back", -31*day, -30*day),
		jump("hours ahead", hour, 6*hour),
		jump("hours back", -6*hour, -hour),
		jump("seconds ahead", 1, 60),
		jump("seconds back", -60, -1),
	}}
}
