package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	bucketfaults "github.com/streamhouse/streamhouse/storage/bucket/faults"
)

// store stands between a broker and its bucket. A broker that starts anew finds the same
// trouble.
type store struct {
	mu      sync.Mutex
	current *bucketfaults.Bucket
	chaos   bucketfaults.Chaos
	rules   []bucketfaults.Rule
}

func (s *store) wrap(real bucket.Bucket) bucket.Bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = bucketfaults.New(real, rand.Uint64())
	s.current.SetChaos(s.chaos)
	s.current.Add(s.rules...)
	return s.current
}

// set replaces what it suffers from, and lets go what waits for an answer.
func (s *store) set(chaos bucketfaults.Chaos, rules ...bucketfaults.Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chaos, s.rules = chaos, rules
	s.current.Clear()
	s.current.SetChaos(chaos)
	s.current.Add(rules...)
}

func (s *store) lane() Lane {
	state := func(name string, chaos bucketfaults.Chaos, rules ...bucketfaults.Rule) Fault {
		return Fault{Name: "bucket: " + name, Min: 200 * time.Millisecond, Max: 2 * time.Second,
			Begin: func(context.Context, *rand.Rand) error { s.set(chaos, rules...); return nil },
			End:   func(context.Context) error { s.set(bucketfaults.Chaos{}); return nil }}
	}
	all := func(k bucketfaults.Kind) bucketfaults.Rule {
		return bucketfaults.Rule{Fault: bucketfaults.Fault{Kind: k}}
	}
	return Lane{[]Fault{
		state("fails before the effect", bucketfaults.Chaos{}, all(bucketfaults.FailBefore)),
		state("fails after the effect", bucketfaults.Chaos{}, all(bucketfaults.FailAfter)),
		state("stalls", bucketfaults.Chaos{}, all(bucketfaults.Stall)),
		state("loses replies", bucketfaults.Chaos{}, all(bucketfaults.LoseReply)),
		state("fails at random, writes land late", bucketfaults.Chaos{FailBefore: 0.1, FailAfter: 0.1, Late: 0.1, Cut: 0.1, LateMax: 500 * time.Millisecond}),
		state("slow", bucketfaults.Chaos{Delay: 300 * time.Millisecond}),
	}}
}
