package transactions

import (
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/coordinator/txn"
)

// Options are the coordinator's settings. DefaultOptions has Kafka's defaults.
type Options struct {
	TimeoutMax     time.Duration // transaction.max.timeout.ms
	AbortInterval  time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	Expiration     time.Duration // transactional.id.expiration.ms
	ExpireInterval time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	AnswerTimeout  time.Duration // how long an answer waits for the log
	BatchMax       int           // bytes of a batch of records, where the topic does not say

	// IDsMax bounds the transactional ids of this broker, far above sane use.
	IDsMax int
	// Level is the finalised level of the feature transaction.version.
	Level func() int16

	Logger *zap.Logger
	Now    func() time.Time // wall and monotonic clock; nil: time.Now
}

// DefaultOptions returns Kafka's defaults and our bounds.
func DefaultOptions() Options {
	return Options{
		TimeoutMax:     15 * time.Minute,
		AbortInterval:  10 * time.Second,
		Expiration:     7 * 24 * time.Hour,
		ExpireInterval: time.Hour,
		AnswerTimeout:  30 * time.Second,
		BatchMax:       1048588,
		IDsMax:         1_000_000,
		Level:          func() int16 { return txn.Version2 },
		Logger:         zap.NewNop(),
	}
}

// OptionsFrom returns the settings that are in force, for Level and Logger to be added.
// They are all read-only, so they hold until the broker stops.
func OptionsFrom(b *config.Broker) Options {
	o := DefaultOptions()
	millis := func(name string) time.Duration { return time.Duration(b.Int(name)) * time.Millisecond }
	o.TimeoutMax = millis("transaction.max.timeout.ms")
	o.AbortInterval = millis("transaction.abort.timed.out.transaction.cleanup.interval.ms")
	o.Expiration = millis("transactional.id.expiration.ms")
	o.ExpireInterval = millis("transaction.remove.expired.transaction.cleanup.interval.ms")
	return o
}
