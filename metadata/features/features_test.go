package features

import (
	"context"
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/mem"
)

func open(t *testing.T, store metadata.Cluster) *Levels {
	t.Helper()
	l, err := Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLevels(t *testing.T) {
	store := mem.New(nil)
	l := open(t, store)
	if l.Level(Transaction) != 2 || l.Level("other") != 0 || l.Epoch() != 0 {
		t.Fatal(l.now)
	}
	if err := l.Set(t.Context(), map[string]int16{Transaction: 2}); err != nil || l.Epoch() != 0 {
		t.Error("no change is counted as one:", err, l.Epoch())
	}
	for i, level := range []int16{1, 0, 2} {
		if err := l.Set(t.Context(), map[string]int16{Transaction: level}); err != nil {
			t.Fatal(err)
		}
		again := open(t, store)
		for _, x := range []*Levels{l, again} {
			if x.Level(Transaction) != level || x.Epoch() != int64(i+1) {
				t.Errorf("%+v, want level %d", x.now, level)
			}
		}
	}
}

// TestRaise: a feature of ours goes up and never down, and clients see no change.
func TestRaise(t *testing.T) {
	store := mem.New(nil)
	l := open(t, store)
	for _, step := range []struct{ to, want int16 }{{2, 2}, {1, 2}, {2, 2}, {3, 3}} {
		if err := l.Raise(t.Context(), VolumeHeader, step.to); err != nil {
			t.Fatal(err)
		}
		for _, x := range []*Levels{l, open(t, store)} {
			if x.Level(VolumeHeader) != step.want || x.Level(Transaction) != 2 || x.Epoch() != 0 {
				t.Errorf("raised to %d: %+v", step.to, x.now)
			}
		}
	}
}

type failing struct {
	metadata.Cluster
	get, put error
}

func (f failing) Get(ctx context.Context, name string) ([]byte, error) {
	if f.get != nil {
		return nil, f.get
	}
	return f.Cluster.Get(ctx, name)
}

func (f failing) Put(ctx context.Context, name string, v []byte) error {
	if f.put != nil {
		return f.put
	}
	return f.Cluster.Put(ctx, name, v)
}

func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Open(t.Context(), failing{mem.New(nil), broken, nil}); !errors.Is(err, broken) {
		t.Error(err)
	}
	store := mem.New(nil)
	l := open(t, failing{store, nil, broken})
	if err := l.Set(t.Context(), map[string]int16{Transaction: 1}); !errors.Is(err, broken) || l.Level(Transaction) != 2 || l.Epoch() != 0 {
		t.Error("a change that is not stored is in force:", err, l.now)
	}
	if err := store.Put(t.Context(), storeName, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), store); err == nil {
		t.Error("damaged levels were taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	<-l.turn
	if err := l.Set(ended, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
