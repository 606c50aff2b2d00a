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
// does when its time is set.
type clock struct{ ahead atomic.Int64 } // seconds

// now is the time with the jump in its wall clock alone. No function of package time
// makes such a time: they move both clocks.
func (c *clock) now() time.Time { return jumped(time.Now(), c.ahead.Load()) }

// jumped moves the wall clock of a time that also has a monotonic one: seconds are the 33
// bits above the 30 of nanoseconds in its first word.
func jumped(t time.Time, seconds int64) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds) << 30
	return t
}

func TestJumped(t *testing.T) {
	at := time.Now()
	for _, seconds := range []int64{1, 7200, -7200} {
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
	const hour = 3600
	return Lane{[]Fault{
		jump("hours ahead", hour, 6*hour),
		jump("hours back", -6*hour, -hour),
		jump("seconds ahead", 1, 60),
		jump("seconds back", -60, -1),
	}}
}
