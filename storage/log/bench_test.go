package log

import (
	"context"
	"testing"
)

// BenchmarkAppend is what the log itself costs per batch: no producer, an idempotent
// producer, and a producer in a transaction.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name     string
		producer int64
		txn      bool
	}{{"plain", -1, false}, {"idempotent", 7, false}, {"transaction", 7, true}} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, newScriptedJournal(1))
			p := r.partition(0)
			a := r.log.NewAppender()
			ctx := context.Background()
			_, g, _ := p.TransactionGuard(c.producer, 0)
			x := batch(c.producer, 0, 1, 100)
			if c.txn {
				x = txnBatch(c.producer, 0, g)
			}
			done := make(chan struct{}, 1)
			b.ReportAllocs()
			b.ResetTimer()
			const many = 1000
			for n := 0; n < b.N; n += many {
				t := NewTicket(many, func(*Ticket) { done <- struct{}{} })
				for i := range many {
					x.Buf.Retain()
					x.Header.BaseSequence = int32(n + i)
					if c.producer < 0 {
						x.Header.BaseSequence = -1
					}
					a.Append(ctx, t, i, p, x)
				}
				<-done
			}
		})
	}
}
