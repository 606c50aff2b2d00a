package shards

import (
	"context"

	"github.com/streamhouse/streamhouse/storage/log"
)

// Admission bounds what coordinators may leave behind for the next start to read.
type Admission interface {
	// Admit waits until n more bytes may be appended. An error when ctx ends first;
	// else Settle follows, with what became of them.
	Admit(ctx context.Context, n int) error
	// Settle must not block: it is called by the log's committer.
	Settle(n int, durable bool)
}

// Admitted appends batches once n bytes of them are admitted, and settles them with t. If
// they are not, t has failed and the batches are released.
func Admitted(ctx context.Context, a Admission, n int, t *log.Ticket, batches []log.Batch, appends func(*log.Ticket)) {
	if err := a.Admit(ctx, n); err != nil {
		for i := range batches {
			batches[i].Buf.Release()
			t.Fail(i, err)
		}
		return
	}
	appends(log.NewTicket(len(batches), func(own *log.Ticket) {
		results := own.Results()
		durable := true
		for i := range results {
			durable = durable && results[i].Err == nil
		}
		a.Settle(n, durable)
		for i := range results {
			t.Finish(i, results[i])
		}
	}))
}
