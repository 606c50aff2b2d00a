package log

import (
	"math"
	"sync"
	"time"
)

// expiryUptime is how long a process has run before it forgets producers, so that
// a clock that jumped while it was down expires nobody at once.
const expiryUptime = 5 * time.Minute

// ageClock tells the time by which producers grow old. It follows the wall clock back at
// once, and forward at the pace of the monotonic one: a step forward counts only after it
// has stood for as long as a producer is remembered. Whoever has not appended since then
// has been idle for that long by every clock. The zero value starts with the first call.
type ageClock struct {
	mu      sync.Mutex
	started bool
	offset  int64 // ms; this clock less the monotonic one
	ahead   bool  // the wall clock is ahead of this one
	since   int64 // ms, monotonic; and was first seen to be then
}

// at returns the time, in ms, for a wall clock and a monotonic one; patience is how long
// a step forward has to stand.
func (c *ageClock) at(wall, monotonic, patience int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch offset := wall - monotonic; {
	case !c.started || offset <= c.offset:
		c.started, c.offset, c.ahead = true, offset, false
	case !c.ahead:
		c.ahead, c.since = true, monotonic
	case monotonic-c.since >= patience:
		c.offset, c.ahead = offset, false
	}
	return monotonic + c.offset
}

// ExpiredBefore is the time, ms, before which a producer must have appended last to be
// forgotten (producer.id.expiration.ms). What a clock does while the broker runs makes
// nobody older than he is; MinInt64 while the process is young.
func (l *Log) ExpiredBefore() int64 {
	expiry := l.cfg.ProducerExpiry().Milliseconds()
	up := l.cfg.Uptime()
	at := l.ages.at(l.now().UnixMilli(), up.Milliseconds(), expiry)
	if up < expiryUptime {
		return math.MinInt64
	}
	return at - expiry
}

// appendTime is the append time, ms, of a pack that begins now. It never goes back. The
// caller holds l.mu.
func (l *Log) appendTime(now time.Time) int64 {
	l.lastTime = max(l.lastTime, now.UnixMilli())
	return l.lastTime
}
