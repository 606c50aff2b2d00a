package produce_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// TestBombIsRefused: a batch that holds more than max.decompressed.batch.bytes is refused
// with a code that makes producers send smaller ones, and a line says so once.
func TestBombIsRefused(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	b := apitest.Start(t, apitest.Options{MaxBatch: 1 << 20, Logger: zap.New(core)})
	topic := b.Topic("t", 1, nil)
	c := b.Dial()
	for size, want := range map[int]protocol.Code{500_000: protocol.None, 2_000_000: protocol.MessageTooLarge} {
		batch, err := record.Recompress(nil, apitest.Batch(1, size), record.Recompression{Codec: record.CodecZstd, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r := c.Call(apitest.ProduceTo(9, topic.Name, topic.ID, map[int32][]byte{0: batch})).(*kmsg.ProduceResponse)
			apitest.Is(t, "batch", r.Topics[0].Partitions[0].ErrorCode, want)
		}
	}
	if n := logs.FilterMessage("batch refused").Len(); n != 1 {
		t.Errorf("%d lines", n)
	}
}
