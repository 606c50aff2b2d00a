package shards

import "context"

// Admission bounds what coordinators may leave behind for the next start to read.
type Admission interface {
	// Admit waits until n more bytes may be appended. An error when ctx ends first;
	// else Settle follows, with what became of them.
	Admit(ctx context.Context, n int) error
	// Settle must not block: it is called by the log's committer.
	Settle(n int, durable bool)
}
