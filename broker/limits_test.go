package broker

import (
	"testing"
	"time"
)

// As many connections as the rate says come at once, the others one after the other; what
// was not used for a while is not saved up for longer than a second.
func TestConnectionRate(t *testing.T) {
	a := newAdmission(Limits{ConnectionRate: 4})
	start := time.Unix(1_000_000, 0)
	for i, c := range []struct{ at, wait time.Duration }{
		{0, 0}, {0, 0}, {0, 0}, {0, 0}, // the burst
		{0, 250 * time.Millisecond}, {250 * time.Millisecond, 250 * time.Millisecond},
		{time.Second, 0}, {time.Second, 0}, {time.Second, 250 * time.Millisecond},
		{time.Minute, 0}, {time.Minute, 0}, {time.Minute, 0}, {time.Minute, 0}, {time.Minute, 250 * time.Millisecond},
	} {
		if got := a.pause(start.Add(c.at)); got != c.wait {
			t.Errorf("connection %d, at %v, waits %v, want %v", i, c.at, got, c.wait)
		}
	}
	if got := newAdmission(Limits{}).pause(start); got != 0 {
		t.Errorf("without a rate it waits %v", got)
	}
	for range 10 {
		if got := newAdmission(Limits{ConnectionRate: 1<<31 - 1}).pause(start); got != 0 {
			t.Errorf("with Kafka's default it waits %v", got)
		}
	}
}
