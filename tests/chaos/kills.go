package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// Run is one kill run: a broker, a load, and how often the broker is killed.
type Run struct {
	Broker *peers.Broker
	Kills  int
	Seed   uint64
	Dir    string // takes the history
}

// Do starts the broker, kills it again and again under load, and reads everything
// after the last start. The history is complete when it returns without error.
func (r Run) Do(ctx context.Context) error {
	history, err := NewHistory(r.Dir)
	if err != nil {
		return err
	}
	if err := r.Broker.Start(ctx); err != nil {
		return err
	}
	var acked atomic.Int64
	l := &load{addr: r.Broker.Addr(), topics: []string{"alpha", "beta"}, partitions: 6, history: history,
		acked: func(n int) { acked.Add(int64(n)) }}
	if err := l.createTopics(ctx); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	group, loading := errgroup.WithContext(loading)
	for name, client := range l.clients(r.Seed) {
		group.Go(func() error {
			if err := client(loading); err != nil {
				return fmt.Errorf("client %s: %w", name, err)
			}
			return nil
		})
	}
	if err := r.kill(loading, history, &acked); err != nil {
		stop()
		return fmt.Errorf("%w (clients: %w)", err, group.Wait())
	}
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.last(ctx, l); err != nil {
		return err
	}
	return history.Close()
}

// last kills the broker once more, now that everything is answered, and reads what a
// start from the disk alone knows.
func (r Run) last(ctx context.Context, l *load) error {
	if err := r.Broker.Kill(); err != nil {
		return err
	}
	if err := r.Broker.Start(ctx); err != nil {
		return err
	}
	return l.final(ctx, "plain-group", "member-group")
}

// clients are the run's clients by name. Each ends with its context.
func (l *load) clients(seed uint64) map[string]func(context.Context) error {
	clients := map[string]func(context.Context) error{
		"tail":      func(ctx context.Context) error { return l.tail(ctx, "tail") },
		"member-1":  func(ctx context.Context) error { return l.member(ctx, "member-1", "member-group") },
		"member-2":  func(ctx context.Context) error { return l.member(ctx, "member-2", "member-group") },
		"committer": func(ctx context.Context) error { return l.committer(ctx, "committer", "plain-group") },
	}
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.NoCompression(), kgo.SnappyCompression(), kgo.ZstdCompression()} {
		name := fmt.Sprintf("idempotent-%d", i)
		clients[name] = func(ctx context.Context) error { return l.idempotent(ctx, name, seed+uint64(i), codec) }
	}
	for i := range 2 {
		name := fmt.Sprintf("plain-%d", i)
		clients[name] = func(ctx context.Context) error { return l.plain(ctx, name, seed+uint64(i)) }
	}
	return clients
}

func (l *load) createTopics(ctx context.Context) error {
	client, err := kgo.NewClient(l.options()...)
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := kadm.NewClient(client).CreateTopics(ctx, int32(l.partitions), 1, nil, l.topics...)
	if err != nil {
		return err
	}
	return made.Error()
}

// kill ends and starts the broker. A third of the kills fall into a start, most of the
// others follow acknowledgements, so that there is something to lose.
func (r Run) kill(ctx context.Context, history *History, acked *atomic.Int64) error {
	w, err := history.Writer("kills")
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(r.Seed, 3))
	for n := 0; n < r.Kills; n++ {
		wait := time.Duration(random.IntN(400)) * time.Millisecond
		early := n > 0 && n%3 == 0
		if !early {
			if err := waitForAcks(ctx, acked, acked.Load()+int64(20+random.IntN(300))); err != nil {
				return fmt.Errorf("before kill %d: %w", n, err)
			}
			pause(ctx, wait)
		}
		e := Event{Op: OpKill, Start: history.Now(), Outcome: OK}
		if err := r.Broker.Kill(); err != nil {
			return err
		}
		e.End = history.Now()
		w.Add(e)
		if n+1 < r.Kills && (n+1)%3 == 0 {
			// The next kill comes while this start recovers.
			if err := r.Broker.Launch(ctx); err != nil {
				return err
			}
			pause(ctx, time.Duration(random.IntN(80))*time.Millisecond)
			continue
		}
		e = Event{Op: OpReady, Start: history.Now(), Outcome: OK}
		if err := r.Broker.Start(ctx); err != nil {
			return fmt.Errorf("start after kill %d: %w", n, err)
		}
		e.End = history.Now()
		w.Add(e)
	}
	return nil
}

// waitForAcks waits until the clients have had so many acknowledgements.
func waitForAcks(ctx context.Context, acked *atomic.Int64, floor int64) error {
	const patience = time.Minute
	deadline := time.Now().Add(patience)
	for acked.Load() < floor {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d acknowledgements, not %d, after %v", acked.Load(), floor, patience)
		}
		pause(ctx, 5*time.Millisecond)
	}
	return nil
}
