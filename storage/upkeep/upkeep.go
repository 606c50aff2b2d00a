// Package upkeep is everything that happens to the log after it was acknowledged:
// sealing closed journal volumes into segments, lifting internal topics out of them,
// retention, keeping the states of idle partitions, and deleting what nobody needs.
//
// Nothing here is on the ack path, and every step can be stopped and done again:
// until a segment is registered in the metadata store its journal volume stays, and
// an object is deleted only after the store has forgotten it. The order within each
// job comes from the rules on sealing and on the metadata store in docs/architecture.md;
// the tests stop between each two steps.
//
// Upkeep starts nothing by itself: Run is the one owner of its goroutines.
package upkeep

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/compact"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// Log is what upkeep needs from the log: it asks where things stand and says what
// has moved. All methods may be called from any goroutine. LogOf makes one of a
// *log.Log.
type Log interface {
	// VolumeSealed: the content of a closed volume is registered as slices; readers
	// look there from now on. A partition without a slice has nothing left of it.
	// May be called again with the same content.
	VolumeSealed(volume journal.VolumeID, slices []metadata.Slice)
	// Lifted: everything of an internal partition up to and with offset upTo is held
	// by slices, in place of whatever held it before.
	Lifted(id pack.PartitionID, upTo int64, slices []metadata.Slice)
	// Replaced: what lies wholly inside the offsets from, to of a partition is held by
	// slices now, compacted.
	Replaced(id pack.PartitionID, from, to int64, slices []metadata.Slice)
	// Merged is Replaced by slices that hold the same.
	Merged(id pack.PartitionID, from, to int64, slices []metadata.Slice)
	// Decided returns the last stable offset of a partition, loading it if need be, and
	// the transactions whose abort lies in the open journal.
	Decided(ctx context.Context, id pack.PartitionID) (stable int64, aborted []pack.Aborted, err error)
	// LogStartRaised: the metadata store has a higher log start.
	LogStartRaised(id pack.PartitionID, offset int64)
	// DurableEnd is the high watermark of a partition; false if it has not been used
	// since the start, and so has nothing in the open journal.
	DurableEnd(id pack.PartitionID) (int64, bool)
	// LiftEnd is the offset below which an internal partition may be lifted, which is
	// at most its last stable offset and lies between two packs.
	LiftEnd(ctx context.Context, id pack.PartitionID) (int64, error)
	// Liftable is how many bytes of a partition lie above its slices and below that;
	// and the last stable offset, MaxInt64 if the partition is not in use.
	Liftable(id pack.PartitionID) (bytes, stable int64)
	// OpenBytes is how many bytes of a partition lie in the open journal above an offset.
	OpenBytes(id pack.PartitionID, above int64) int64
	// FoldSealed makes the sealed state of a partition anew from its slices, for when its
	// block does not check.
	FoldSealed(ctx context.Context, row metadata.State, slices []metadata.Slice) (partition.State, error)
	// ExpiredBefore is the append time, ms, before which producers are forgotten.
	ExpiredBefore() int64
	// VolumesReleased: the journal let go of volumes. It does not wait.
	VolumesReleased()
	// RequestRoll asks for the open volume to be closed soon. It does not wait.
	RequestRoll()
	// ReadBatches returns whole batches of an internal partition as stored, from the
	// one that holds offset (or the first above it) on: about bytesMax bytes, at
	// least one batch, nothing above the durable end. Empty at the end. The memory
	// is the caller's.
	ReadBatches(ctx context.Context, id pack.PartitionID, offset int64, bytesMax int) ([]byte, error)
}

// Owner is whose topic it is. Those of coordinators are lifted out of shared segments.
type Owner uint8

// Owners.
const (
	Clients Owner = iota
	Groups
	Transactions
)

// Topic is what upkeep needs to know of a topic.
type Topic struct {
	ID         metadata.TopicID
	Name       string // for people
	Partitions int32
	Owner      Owner
	// Delete: cleanup.policy contains "delete". The limits count only then.
	Delete         bool
	RetentionMs    int64 // retention.ms, -1: no limit
	RetentionBytes int64 // retention.bytes per partition, -1: no limit
	// Compact: cleanup.policy contains "compact". The rest counts only then.
	Compact            bool
	MinCleanableRatio  float64 // min.cleanable.dirty.ratio
	MinCompactionLagMs int64   // min.compaction.lag.ms
	MaxCompactionLagMs int64   // max.compaction.lag.ms
	DeleteRetentionMs  int64   // delete.retention.ms
	// SegmentBytes and SegmentMs, segment.bytes and segment.ms, bound what is rewritten
	// together; 0: no bound.
	SegmentBytes int64
	SegmentMs    int64
}

// Topics tells which topics there are. Methods may be called from any goroutine.
type Topics interface {
	// List returns all topics, in any order.
	List() []Topic
	// Exists says whether the topic exists: false once its deletion is durable.
	Exists(id metadata.TopicID) bool
}

// Store is the part of the metadata store that upkeep uses.
type Store interface {
	metadata.Segments
	metadata.Totals
	// Registered says whether a journal volume was sealed already.
	Registered(ctx context.Context, v metadata.Volume) (bool, error)
	// Deleted says whether a topic id has a tombstone.
	Deleted(ctx context.Context, id metadata.TopicID) (bool, error)
	// Tombstones and ForgetTombstones; see metadata.Topics.
	Tombstones(ctx context.Context, limit int) ([]metadata.TopicID, error)
	ForgetTombstones(ctx context.Context, ids []metadata.TopicID) error
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
}

// Config is what an Upkeep is made of. Every zero duration and size has a default.
type Config struct {
	Journal journal.Journal
	Bucket  bucket.Bucket
	Store   Store
	Log     Log
	Topics  Topics
	Index   *segment.Index
	// Forgotten, if set, is told of each object that was deleted, so that caches let
	// go of it: an open file keeps its room.
	Forgotten func(key string)
	Logger    *zap.Logger
	Registry  prometheus.Registerer
	Now       func() time.Time
	// Debts are what coordinators wait by before they append; nil: nobody does.
	Debts *Debts

	Start    metadata.Start // cluster and incarnation
	Broker   int32
	SpoolDir string // where remote packs wait while they are sorted for upload
	// Room is how many bytes compactions and merges may write there: what the journal needs stays free. nil:
	// whatever fits.
	Room func() (int64, error)

	// Cleaning are the settings of compaction, asked for at each pass. nil: it is off.
	Cleaning func() Cleaning
	// ProducerExpiry is producer.id.expiration.ms: for how long a compaction keeps a
	// producer's last batch. Default 24 h.
	ProducerExpiry func() time.Duration
	CleanInterval  time.Duration // how often partitions are looked at; default 1 s
	// Merging are the settings of merging, asked for at each pass. nil: it is off.
	Merging       func() Merging
	MergeInterval time.Duration // how often it is looked what is due; default 10 s
	// MergeEnough is from which size on a slice is left alone; default 32 MiB, and 4 MiB with
	// a bucket in a folder.
	MergeEnough int64

	// SealBytesMax bounds what several closed volumes merged into one segment hold;
	// default 256 MiB. A single volume may be larger.
	SealBytesMax int64
	// StateBytesMax bounds a partition's state block; default and most 256 MiB
	// (segment.StateBytesMax).
	StateBytesMax int

	SealInterval      time.Duration // how often closed volumes are looked for; default 1 s
	LiftInterval      time.Duration // how often internal topics are measured at least; default 200 ms
	RetentionInterval time.Duration // log.retention.check.interval.ms; default 5 min
	SweepInterval     time.Duration // default 1 min
	// RollInterval bounds how often retention asks the log to roll; default 30 s.
	RollInterval time.Duration
	// Grace is how long an object stays after nothing refers to it any more. It must
	// exceed the longest fetch; default 10 min.
	Grace time.Duration
	// TombstoneGrace is how old a tombstone of an internal topic must be, besides
	// having been lifted once, to be dropped: longer than a coordinator takes to
	// load. Default 10 min.
	TombstoneGrace time.Duration
	// StopMax bounds what Run does once its context has ended, so that the next start
	// reads little; 0: nothing is done then.
	StopMax time.Duration

	// Seam is called before each step with its name; an error ends the job there, as
	// a crash would. Tests set it.
	Seam func(step string) error
}

// The bounds that no setting changes.
const (
	// retryMin and retryMax bound the pause after a job failed.
	retryMin = time.Second
	retryMax = time.Minute
)

func (c *Config) setDefaults() {
	if c.SealBytesMax <= 0 {
		c.SealBytesMax = 256 << 20
	}
	if c.StateBytesMax <= 0 {
		c.StateBytesMax = segment.StateBytesMax
	}
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&c.SealInterval, time.Second},
		{&c.CleanInterval, time.Second},
		{&c.MergeInterval, 10 * time.Second},
		{&c.LiftInterval, 200 * time.Millisecond},
		{&c.RetentionInterval, 5 * time.Minute},
		{&c.SweepInterval, time.Minute},
		{&c.RollInterval, 30 * time.Second},
		{&c.Grace, 10 * time.Minute},
		{&c.TombstoneGrace, 10 * time.Minute},
	} {
		if *d.at <= 0 {
			*d.at = d.value
		}
	}
	if c.Debts == nil {
		c.Debts = NewDebts()
	}
	if c.Forgotten == nil {
		c.Forgotten = func(string) {}
	}
	if c.ProducerExpiry == nil {
		c.ProducerExpiry = func() time.Duration { return 24 * time.Hour }
	}
	if c.Cleaning == nil {
		c.Cleaning = func() Cleaning { return Cleaning{} }
	}
	if c.Merging == nil {
		c.Merging = func() Merging { return Merging{} }
	}
	if c.Seam == nil {
		c.Seam = func(string) error { return nil }
	}
}

// Upkeep runs the jobs. Each may also be called by itself; a job is not called
// twice at the same time, different ones may be.
type Upkeep struct {
	cfg     Config
	logger  *zap.Logger
	metrics *metrics
	witness *Witness

	// registering is held by whoever reads slices and states, registers what follows
	// from them and tells the log: a seal, a lift and a move of states must not see
	// half of one another. It is a channel because it is held across the store's I/O.
	registering chan struct{}
	uploads     uploads
	sayCopied   sync.Once // that seals copy
	lift        liftState
	clean       cleanState
	merge       mergeState
	sweep       sweepState
	tombstones  tombstoneState
	rollAsked   time.Time // retention's
	opened      openedVolume
	future      map[pack.PartitionID]time.Time // whom timestamps in the future hold, and when that was said
}

// New makes an Upkeep and starts nothing. witness is what CheckStore returned.
func New(cfg Config, witness *Witness) *Upkeep {
	cfg.setDefaults()
	m := newMetrics(cfg.Registry)
	m.debts(cfg.Registry, cfg.Debts)
	return &Upkeep{
		cfg:         cfg,
		logger:      cfg.Logger,
		metrics:     m,
		witness:     witness,
		registering: make(chan struct{}, 1),
		clean:       cleanState{marks: compact.MarksMax},
	}
}

// lock takes the right to register, or fails when ctx ends.
func (u *Upkeep) lock(ctx context.Context) error {
	select {
	case u.registering <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *Upkeep) unlock() { <-u.registering }
