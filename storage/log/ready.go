package log

import (
	"errors"
	"fmt"
	"time"
)

// stalledAfter is how long a pack may be on its way before that counts as a journal that
// does not answer.
const stalledAfter = 10 * time.Second

// Ready says why appends are refused, or do not come to an end; nil if all is well. It
// answers at once and may be called from any goroutine.
func (l *Log) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failing:
		return fmt.Errorf("the journal takes nothing: %w", l.failure)
	case l.behind:
		return errors.New("journal.unsealed.max.bytes are waiting to be sealed: the bucket is away, or too slow")
	case l.closed:
		return errors.New("it has ended")
	}
	if len(l.inFlight) > 0 {
		if age := l.now().Sub(l.inFlight[0].sent); age >= stalledAfter {
			return fmt.Errorf("the journal has not answered for %s", age.Round(time.Second))
		}
	}
	return nil
}

// failed notes why nothing can be appended for now, and tells those who wait.
func (l *Log) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing, l.failure = true, err
	l.admitAll()
}
