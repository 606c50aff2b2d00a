package broker

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	complaintEvery = time.Minute
	complaintKinds = 1024 // then the table starts anew
)

// complaints logs what clients do wrong, once a minute per host and kind, with how
// often it happened meanwhile: a client that reconnects in a loop must not fill the
// log.
type complaints struct {
	logger *zap.Logger

	mu   sync.Mutex
	seen map[complaint]*complained
}

type complaint struct{ host, kind string }

type complained struct {
	at      time.Time
	skipped int
}

func newComplaints(logger *zap.Logger) *complaints {
	return &complaints{logger: logger, seen: make(map[complaint]*complained)}
}

// log writes one line unless the same was written in the last minute.
func (c *complaints) log(host, kind string, fields ...zap.Field) {
	skipped, due := c.due(complaint{host, kind}, time.Now())
	if !due {
		return
	}
	fields = append(fields, zap.String("client", host))
	if skipped > 0 {
		fields = append(fields, zap.Int("more_since_last", skipped))
	}
	c.logger.Warn(kind, fields...)
}

func (c *complaints) due(k complaint, now time.Time) (skipped int, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seen[k]
	if s != nil && now.Sub(s.at) < complaintEvery {
		s.skipped++
		return 0, false
	}
	if s == nil {
		if len(c.seen) >= complaintKinds {
			clear(c.seen)
		}
		s = &complained{}
		c.seen[k] = s
	}
	skipped = s.skipped
	*s = complained{at: now}
	return skipped, true
}
