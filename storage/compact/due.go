package compact

import (
	"math"
	"time"
)

// Reason is why a partition is compacted.
type Reason uint8

// The reasons, the most pressing first.
const (
	NotDue  Reason = iota
	Lag            // max.compaction.lag.ms is about to pass
	Quiet          // nothing has come for a while: one record per key is to be left
	Ratio          // min.cleanable.dirty.ratio is passed
	Horizon        // a delete horizon has passed
)

func (r Reason) String() string {
	return [...]string{"not due", "lag", "quiet", "ratio", "horizon"}[r]
}

// Policy is what a topic's settings say.
type Policy struct {
	Ratio           float64       // min.cleanable.dirty.ratio
	MinLag          time.Duration // min.compaction.lag.ms
	MaxLag          time.Duration // max.compaction.lag.ms, Never for none
	DeleteRetention time.Duration // delete.retention.ms
}

// Never is a lag without an end.
const Never = time.Duration(math.MaxInt64)

// Standing is where a partition stands.
type Standing struct {
	// Bytes of what was compacted, of what lies sealed above that and may be (Cleanable)
	// or not yet, and of the open journal as far as it is decided.
	Clean, Cleanable, Held, Open int64
	// Waited is for how long the oldest record above what was compacted has been there,
	// QuietFor for how long nothing was appended.
	Waited, QuietFor time.Duration
	LastRun          time.Duration // what the last run took
	// ToHorizon is the time to the earliest delete horizon, Never for none.
	ToHorizon time.Duration
	// SinceRun is the time since the last run of this process.
	SinceRun time.Duration
	Credit   int64 // bytes that quiet partitions may still rewrite
}

const (
	// ratioFloor is below what a partition that is written to waits for more.
	ratioFloor = 1 << 20
	quietAfter = 10 * time.Second
	quietBytes = 64 << 20
	leadMin    = 10 * time.Second
	horizonMin = 10 * time.Minute
)

// Due says whether a run is due and why, and whether what makes it due lies in the open
// journal, which is to be closed for it.
func Due(p Policy, s Standing) (reason Reason, roll bool) {
	dirty := s.Cleanable + s.Open
	quiet := s.QuietFor >= quietAfter
	total := s.Clean + s.Cleanable + s.Held + s.Open
	switch {
	case dirty > 0 && p.MaxLag != Never && s.Waited >= p.MaxLag-lead(p.MaxLag, s.LastRun):
		return Lag, s.Open > 0
	case dirty > 0 && quiet && p.MinLag == 0 && total <= quietBytes && s.Credit >= total:
		return Quiet, s.Open > 0
	case s.Cleanable > 0 && (s.Cleanable >= ratioFloor || quiet) &&
		float64(s.Cleanable) > p.Ratio*float64(s.Clean+s.Cleanable):
		return Ratio, false
	case s.ToHorizon < 0 && s.Clean > 0 && s.SinceRun >= max(p.DeleteRetention, horizonMin):
		return Horizon, false
	}
	return NotDue, false
}

// lead is how long before the end of a lag its run begins.
func lead(lag, lastRun time.Duration) time.Duration {
	return min(leadMin+2*lastRun, lag/4)
}

// LateAfter is when a record that was replaced ought not to be readable any more.
func LateAfter(lag time.Duration) time.Duration {
	if lag == Never {
		return Never
	}
	return max(lag, leadMin) + leadMin
}
