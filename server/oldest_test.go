package server

import (
	"context"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata/mem"
)

func TestOldestEpochIsKept(t *testing.T) {
	ctx := context.Background()
	store := mem.New(time.Now)
	if n, err := oldestEpoch(ctx, store); n != 0 || err != nil {
		t.Errorf("a new store says %d, %v", n, err)
	}
	if err := keepOldestEpoch(store)(ctx, 1<<40); err != nil {
		t.Fatal(err)
	}
	if n, err := oldestEpoch(ctx, store); n != 1<<40 || err != nil {
		t.Errorf("read back as %d, %v", n, err)
	}
	if err := store.Put(ctx, oldestEpochName, []byte("12x")); err != nil {
		t.Fatal(err)
	}
	if n, err := oldestEpoch(ctx, store); err == nil {
		t.Errorf("nonsense is read as %d", n)
	}
}
