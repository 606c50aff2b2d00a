package faults

import (
	"math/rand/v2"
	"time"
)

// Step is one fault of a lane: which, when, and how long it lasts.
type Step struct {
	Fault  int           // its place in the lane
	Wait   time.Duration // since the one before has healed
	Length time.Duration
	Seed   uint64 // of what the fault chooses itself
}

// Waits between two faults of one lane. They are short beside the faults, so that those
// of several lanes overlap.
const (
	waitMin = 300 * time.Millisecond
	waitMax = 2 * time.Second
)

// schedule gives the steps of a lane, one after another, for ever. They follow from the
// seed alone. Every fault comes once before any comes again.
type schedule struct {
	random *rand.Rand
	lane   Lane
	deck   []int
}

// newSchedule is that of the lane with this number.
func newSchedule(seed uint64, number int, lane Lane) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, uint64(number))), lane: lane}
}

func (s *schedule) next() Step {
	if len(s.deck) == 0 {
		s.deck = s.random.Perm(len(s.lane.Faults))
	}
	i := s.deck[0]
	s.deck = s.deck[1:]
	f := s.lane.Faults[i]
	return Step{Fault: i, Wait: between(s.random, waitMin, waitMax), Length: between(s.random, f.Min, f.Max), Seed: s.random.Uint64()}
}

// between picks a length, which may be either bound.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)+1))
}
