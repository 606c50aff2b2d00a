package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// Process is the lane of a broker that is a process: it is killed, killed again while it
// starts, stopped in order, and frozen.
func Process(b *peers.Broker) Lane {
	return Lane{[]Fault{
		{Name: "process: kill -9", Min: 0, Max: time.Second,
			Begin: func(context.Context, *rand.Rand) error { return b.Kill() },
			End:   b.Start},
		{Name: "process: kill -9, and again while it starts", Min: 0, Max: time.Second,
			Begin: func(ctx context.Context, random *rand.Rand) error {
				if err := b.Kill(); err != nil {
					return err
				}
				if err := b.Launch(ctx); err != nil {
					return err
				}
				// Ours recovers within this time; where it does not, it is killed all the same.
				pause(ctx, between(random, 0, 150*time.Millisecond))
				return b.Kill()
			},
			End: b.Start},
		{Name: "process: restart", Min: 0, Max: 500 * time.Millisecond,
			Begin: func(context.Context, *rand.Rand) error { return b.Stop() },
			End:   b.Start},
		{Name: "process: frozen", Min: 100 * time.Millisecond, Max: 3 * time.Second,
			Begin: func(context.Context, *rand.Rand) error { return signal(b, syscall.SIGSTOP) },
			End:   func(context.Context) error { return signal(b, syscall.SIGCONT) }},
		{Name: "process: frozen, then kill -9", Min: 100 * time.Millisecond, Max: 2 * time.Second,
			Begin: func(context.Context, *rand.Rand) error { return signal(b, syscall.SIGSTOP) },
			End:   func(ctx context.Context) error { return errors.Join(b.Kill(), b.Start(ctx)) }},
	}}
}

func signal(b *peers.Broker, s syscall.Signal) error {
	if err := syscall.Kill(b.PID(), s); err != nil {
		return fmt.Errorf("%v to the broker: %w", s, err)
	}
	return nil
}
