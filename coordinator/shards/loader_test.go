package shards

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
)

func TestLoaderTriesAgainAndAFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoader("topic", zap.NewNop())
		var running, most, done atomic.Int64
		for p := range int32(50) {
			go func() {
				failures := 0
				if l.Load(t.Context(), p, func(context.Context) error {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					time.Sleep(time.Millisecond)
					if failures++; failures <= 3 {
						return errors.New("away")
					}
					return nil
				}) {
					done.Add(1)
				}
			}()
		}
		time.Sleep(50 * time.Millisecond) // all have failed once
		if l.Ready() == nil {
			t.Error("ready while nothing is loaded")
		}
		time.Sleep(time.Minute)
		if done.Load() != 50 || most.Load() != loadsAtOnce || l.Ready() != nil {
			t.Errorf("%d loaded, %d at once, %v", done.Load(), most.Load(), l.Ready())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if l.Load(ctx, 0, func(context.Context) error { return errors.New("away") }) || l.Ready() != nil {
			t.Error("loaded, or still tried, after its end", l.Ready())
		}
	})
}

// batches is a partition of batches in memory.
type batches [][]byte

func (b batches) Bounds() log.Bounds { return log.Bounds{HighWatermark: int64(len(b)) * 2} }

func (b batches) Read(_ context.Context, req log.ReadRequest) (log.ReadResult, error) {
	data := b[req.Offset/2]
	return log.ReadResult{Bytes: len(data), Chunks: []log.Chunk{{Mem: data, Len: int64(len(data))}}}, nil
}

func TestFoldSkipsOrFails(t *testing.T) {
	var p batches
	build := NewBatches()
	for i := range 3 {
		build.Begin()
		build.Add(1, []byte("key"), []byte{byte(i)})
		build.Add(1, []byte("bad"), nil)
		b := build.Batch(0)
		record.SetOffset(b.Bytes, int64(2*i), 0)
		p = append(p, append([]byte(nil), b.Bytes...))
		b.Buf.Release()
	}
	got := ""
	f := Fold{
		Bytes: prometheus.NewCounter(prometheus.CounterOpts{}),
		Record: func(_ *record.Header, r *record.Record) error {
			if string(r.Key) == "bad" {
				return errors.New("bad")
			}
			got += string(rune('0' + r.Value[0]))
			return nil
		},
	}
	if err := f.Run(t.Context(), p); err == nil || got != "0" {
		t.Errorf("%q, %v", got, err)
	}
	var skipped []int64
	got, f.Skip = "", func(offset int64, _ error) { skipped = append(skipped, offset) }
	if err := f.Run(t.Context(), p); err != nil || got != "012" || len(skipped) != 3 || skipped[2] != 5 {
		t.Errorf("%q, skipped %v, %v", got, skipped, err)
	}
}
