package coordinator

import (
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
)

// Options are the coordinator's settings. DefaultOptions has Kafka's defaults.
type Options struct {
	Group          group.Config
	CommitTimeout  time.Duration // offsets.commit.timeout.ms: how long an answer waits for the log
	Retention      time.Duration // offsets.retention.minutes
	RetentionCheck time.Duration // offsets.retention.check.interval.ms
	MetadataMax    int           // UTF-16 units; offset.metadata.max.bytes
	BatchMax       int           // bytes of a batch of records, where the topic does not say

	// Bounds that Kafka does not have. They are far above sane use.
	GroupsMax      int   // groups of this broker; more cannot be made
	MemberBytesMax int64 // what all members say and are assigned, bytes
	GroupBytesMax  int64 // the same of one group; 0: a quarter of it
	PendingMax     int64 // records queued or on their way to disk, bytes
	// WaitMax is how long JoinGroup and SyncGroup wait at most. The client starts
	// over; it keeps its place in the group until its session ends.
	WaitMax time.Duration

	Logger *zap.Logger
	Now    func() time.Time // wall and monotonic clock; nil: time.Now
}

// DefaultOptions returns Kafka's defaults and our bounds.
func DefaultOptions() Options {
	return Options{
		Group: group.Config{
			InitialRebalanceDelay: 3 * time.Second,
			MinSessionTimeout:     6 * time.Second,
			MaxSessionTimeout:     30 * time.Minute,
			MaxSize:               1<<31 - 1,
			MaxPending:            10_000,
		},
		CommitTimeout:  5 * time.Second,
		Retention:      7 * 24 * time.Hour,
		RetentionCheck: 10 * time.Minute,
		MetadataMax:    4096,
		BatchMax:       1048588,
		GroupsMax:      1_000_000,
		MemberBytesMax: 256 << 20,
		PendingMax:     64 << 20,
		WaitMax:        time.Hour,
		Logger:         zap.NewNop(),
	}
}
