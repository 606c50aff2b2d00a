package memory

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// lookEvery is how often GiveBack looks, and how long a process must have been idle.
	lookEvery = 10 * time.Second
	// giveBackMin is what must have come together, in bytes.
	giveBackMin = 32 << 20
)

// GiveBack returns memory to the system that a burst left behind, until ctx ends. Go
// collects an idle heap every two minutes and returns what is free slowly; both are of no
// use to whoever shares the machine. A process that allocates is left alone: collecting all
// at once costs it time, and it would take the memory again.
func GiveBack(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var w watch
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if w.due(read()) {
			debug.FreeOSMemory()
			w.done(read())
		}
	}
}

// usage is what the heap takes of the system, in bytes, and how often it was collected.
type usage struct{ resident, cycles uint64 }

func read() usage {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(s)
	return usage{s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64(), s[3].Value.Uint64()}
}

// watch remembers the last look and what was left the last time.
type watch struct{ last, left usage }

// due says whether the heap is idle and has grown by enough.
func (w *watch) due(now usage) bool {
	idle := now.cycles == w.last.cycles
	w.last = now
	if now.resident < w.left.resident {
		w.left = now
	}
	return idle && now.resident >= w.left.resident+giveBackMin
}

func (w *watch) done(now usage) { w.last, w.left = now, now }
