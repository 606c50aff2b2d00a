package faults

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/streamhouse/streamhouse/tests/history/faults/link"
)

// Network is the lane of a link; name says whose it is ("clients", "gateway").
func Network(name string, l *link.Link) Lane {
	state := func(what string, s link.State) Fault {
		return Fault{
			Name: name + ": " + what, Min: 200 * time.Millisecond, Max: 2500 * time.Millisecond,
			Begin: func(context.Context, *rand.Rand) error {
				l.Set(s)
				return nil
			},
			End: func(context.Context) error {
				l.Heal()
				return nil
			},
		}
	}
	return Lane{[]Fault{
		{Name: name + ": cut", Begin: func(context.Context, *rand.Rand) error {
			l.Cut()
			return nil
		}},
		state("half open, requests are lost", link.State{Swallow: [2]bool{link.Up: true}}),
		state("half open, answers are lost", link.State{Swallow: [2]bool{link.Down: true}}),
		state("half open, everything is lost", link.State{Swallow: [2]bool{true, true}}),
		state("held", link.State{Hold: [2]bool{true, true}}),
		state("slow", link.State{Delay: 30 * time.Millisecond}),
	}}
}
