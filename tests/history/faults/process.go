package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// The time that a broker which is a process has for a stop (shutdown.timeout.ms): none, so
// that every stop runs out of it with whatever is on its way, or so little that it can be
// frozen for as long.
const (
	stopAtOnce = 0
	stopSoon   = 2 * time.Second
)

// cutOff is how a broker of ours ends whose stop has run out of time.
const cutOff = 3

// Process is the lane of a broker that is a process: it is killed, killed again while it
// starts, stopped in order, frozen, and, if it is ours, stopped in vain: it has stopMax for
// a stop.
func Process(b *peers.Broker, stopMax time.Duration) Lane {
	lane := Lane{[]Fault{
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
			Begin: func(context.Context, *rand.Rand) error { return forgive(b.Stop()) },
			End:   b.Start},
		{Name: "process: frozen", Min: 100 * time.Millisecond, Max: 3 * time.Second,
			Begin: func(context.Context, *rand.Rand) error { return signal(b, syscall.SIGSTOP) },
			End:   func(context.Context) error { return signal(b, syscall.SIGCONT) }},
		{Name: "process: frozen, then kill -9", Min: 100 * time.Millisecond, Max: 2 * time.Second,
			Begin: func(context.Context, *rand.Rand) error { return signal(b, syscall.SIGSTOP) },
			End:   func(ctx context.Context) error { return errors.Join(b.Kill(), b.Start(ctx)) }},
	}}
	if b.Options().Kind == peers.StreamHouse {
		lane.Faults = append(lane.Faults, outOfTime(b, stopMax))
	}
	return lane
}

// outOfTime stops a broker that has no time for it, or freezes it in the middle of a stop
// until all of its time is over. What it had in hand goes on beside whatever it does about
// that.
func outOfTime(b *peers.Broker, stopMax time.Duration) Fault {
	f := Fault{Name: "process: a stop that runs out of time", Min: 0, Max: 500 * time.Millisecond}
	if stopMax <= stopAtOnce {
		f.Begin = func(context.Context, *rand.Rand) error { return forgive(b.Stop()) }
		f.End = b.Start
		return f
	}
	f.Min, f.Max = stopMax, stopMax+f.Max
	f.Begin = func(ctx context.Context, random *rand.Rand) error {
		if err := signal(b, syscall.SIGTERM); err != nil {
			return err
		}
		pause(ctx, between(random, 0, 20*time.Millisecond))
		return ignoreGone(signal(b, syscall.SIGSTOP))
	}
	f.End = func(ctx context.Context) error {
		if err := ignoreGone(signal(b, syscall.SIGCONT)); err != nil {
			return err
		}
		if err := forgive(b.Wait(ctx)); err != nil {
			return fmt.Errorf("%w\n%s", err, b.LogTail(4096))
		}
		return b.Start(ctx)
	}
	return f
}

// ignoreGone takes a stop that was quicker than the freezing for no error.
func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// forgive takes a stop that ran out of time for one: on a loaded machine any may.
func forgive(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == cutOff {
		return nil
	}
	return err
}

func signal(b *peers.Broker, s syscall.Signal) error {
	if err := syscall.Kill(b.PID(), s); err != nil {
		return fmt.Errorf("%v to the broker: %w", s, err)
	}
	return nil
}
