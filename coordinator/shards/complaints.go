package shards

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// complaintInterval is how often a line of one kind is logged at most.
const complaintInterval = time.Minute

// Complaints logs what clients are refused for a bound or a fault of ours: a line of each
// kind at once and then one a minute, which says how many were left out. A client that
// tries again and again fills no disk. Its methods may be called from any goroutine.
type Complaints struct {
	log *zap.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*complaint // by message, of which the code has a handful
}

type complaint struct {
	next time.Time
	left int // since the last line
}

// NewComplaints makes Complaints that log to log.
func NewComplaints(log *zap.Logger, now func() time.Time) *Complaints {
	return &Complaints{log: log, now: now, kinds: make(map[string]*complaint)}
}

// Say logs a line, if it is time for one of this message. message is a constant. It is
// short enough to be called with a shard's mutex held.
func (c *Complaints) Say(message string, fields ...zap.Field) {
	c.mu.Lock()
	k := c.kinds[message]
	if k == nil {
		k = &complaint{}
		c.kinds[message] = k
	}
	now := c.now()
	if now.Before(k.next) {
		k.left++
		c.mu.Unlock()
		return
	}
	left := k.left
	k.next, k.left = now.Add(complaintInterval), 0
	c.mu.Unlock()
	if left > 0 {
		fields = append(fields, zap.Int("left_out", left))
	}
	c.log.Warn(message, fields...)
}
