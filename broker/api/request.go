package api

import (
	"context"
	"time"
)

// Within bounds a change by the timeout that the request names. One of zero or less
// has run out before the change begins, and Kafka's controller does nothing then;
// callers answer REQUEST_TIMED_OUT.
func Within(ctx context.Context, timeoutMillis int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(time.Duration(timeoutMillis)*time.Millisecond, time.Second))
}

// Twice returns which of the names occur more than once.
func Twice[K comparable, T any](list []T, key func(*T) K) map[K]bool {
	seen := make(map[K]bool, min(len(list), 1024))
	for i := range list {
		k := key(&list[i])
		_, again := seen[k]
		seen[k] = again
	}
	return seen
}
