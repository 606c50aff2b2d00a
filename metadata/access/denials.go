package access

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// denialsMax is how many denials a second are written down one by one. A client that asks
// in a loop for what it may not have must not fill the disk.
const denialsMax = 50

// Denials writes a line for each request that was denied something, and how many more
// there were.
type Denials struct {
	logger *zap.Logger
	now    func() time.Time

	mu      sync.Mutex
	second  int64
	written int
	skipped int
}

// NewDenials writes to logger.
func NewDenials(logger *zap.Logger, now func() time.Time) *Denials {
	return &Denials{logger: logger, now: now}
}

func (d *Denials) log(fields ...zap.Field) {
	skipped, due := d.due(d.now().Unix())
	if !due {
		return
	}
	if skipped > 0 {
		fields = append(fields, zap.Int("more_since_last", skipped))
	}
	d.logger.Info("denied", fields...)
}

// due says whether a denial of this second gets a line, and how many before it did not.
func (d *Denials) due(second int64) (skipped int, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if second != d.second {
		d.second, d.written = second, 0
	}
	if d.written++; d.written > denialsMax {
		d.skipped++
		return 0, false
	}
	skipped, d.skipped = d.skipped, 0
	return skipped, true
}
