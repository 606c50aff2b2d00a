package broker

import (
	"testing"
	"time"
)

// As many connections as the rate says come at once, the others one after the other; what
// was not used for a while is not saved up for longer than a second.
func TestConnectionRate(t *testing.T) {
	a := newAdmission(Limits{ConnectionRate: 4}, 0)
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
	if got := newAdmission(Limits{}, 0).pause(start); got != 0 {
		t.Errorf("without a rate it waits %v", got)
	}
	for range 10 {
		if got := newAdmission(Limits{ConnectionRate: 1<<31 - 1}, 0).pause(start); got != 0 {
			t.Errorf("with Kafka's default it waits %v", got)
		}
	}
}

// Connections stop where the broker's own files begin, whatever max.connections says.
func TestDescriptorsBoundConnections(t *testing.T) {
	a := newAdmission(Limits{MaxConnections: 1 << 30, MaxConnectionsPerIP: 1 << 30}, 2)
	for range 2 {
		if limit, ok := a.enter("a", "PLAINTEXT"); !ok {
			t.Fatal(limit)
		}
	}
	if limit, ok := a.enter("b", "PLAINTEXT"); ok || limit != "file descriptors" {
		t.Errorf("the third: %q, %v", limit, ok)
	}
	a.leave("a", "PLAINTEXT")
	if limit, ok := a.enter("b", "PLAINTEXT"); !ok {
		t.Error(limit)
	}
}
