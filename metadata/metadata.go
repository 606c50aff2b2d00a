// Package metadata is the vocabulary of what the broker knows besides the log
// (cluster, topics, configs, segments, partition states) and the ports of the store
// that keeps it: SQLite embedded, PostgreSQL in a cluster.
//
// Adapters run the suite in metadata/metadatatest. Every method that writes is one
// durable transaction. All methods may be called from any goroutine.
package metadata

import (
	"context"
	"errors"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// TopicID is a topic's UUID. It is random, never zero or one, and never used again.
type TopicID = pack.TopicID

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("metadata: not found")
	ErrExists   = errors.New("metadata: exists already")
	// ErrConflict: the row changed since the caller read it; read again.
	ErrConflict = errors.New("metadata: changed meanwhile")
)

// Start is what a broker learns when it begins.
type Start struct {
	ClusterID string // 22 characters, base64url, made once
	// Epoch counts the starts of the broker, from 1. It is durable before Begin
	// returns and never goes back. Leader epochs are derived from it: a topic's
	// leader epoch is Epoch - Topic.BirthEpoch.
	Epoch int32
	// Incarnation is raised by a restore, so that an old store is noticed.
	Incarnation int64
}

// Cluster keeps identity and counters.
type Cluster interface {
	// Identity returns what the next Begin will return, and counts nothing: a start
	// that is refused leaves no trace in the counter. The first call of all makes the
	// cluster's id.
	Identity(ctx context.Context) (Start, error)
	// Begin counts one more start and returns who we are.
	Begin(ctx context.Context) (Start, error)
	// AllocateProducerIDs reserves n ids, durably, and returns the first. No id is
	// ever returned twice.
	AllocateProducerIDs(ctx context.Context, n int64) (int64, error)
	// Get and Put keep small named values (the manifest, the clean-stop mark). Get
	// of a missing name is ErrNotFound.
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
}

// Topic is a topic's row.
type Topic struct {
	ID         TopicID
	Name       string
	Partitions int32
	// Replicas is the replication factor that was asked for; copies are not what
	// durability comes from, so it is only remembered.
	Replicas   int16
	BirthEpoch int32             // Start.Epoch when it was made
	Configs    map[string]string // set ones only
	Version    int64             // raised by every update
}

// Topics keeps the topics.
type Topics interface {
	LoadTopics(ctx context.Context) ([]Topic, error)
	// CreateTopic: ErrExists if the name or the id is taken.
	CreateTopic(ctx context.Context, t Topic) error
	// UpdateTopic replaces partitions and configs of the topic whose version is
	// t.Version and raises it. ErrNotFound, ErrConflict.
	UpdateTopic(ctx context.Context, t Topic) error
	// DeleteTopic removes the topic, its slices and states, and leaves a tombstone
	// that stays while any object names the id. ErrNotFound.
	DeleteTopic(ctx context.Context, id TopicID) error
	// Deleted says whether the id has a tombstone. An id that has neither a row nor a
	// tombstone was never made here.
	Deleted(ctx context.Context, id TopicID) (bool, error)
	// Tombstones returns up to limit ids whose tombstones are old by the store's clock
	// and which no segment names, oldest first. The clock may have been set since: the
	// caller knows the journal, and forgets those that it does not name either.
	Tombstones(ctx context.Context, limit int) ([]TopicID, error)
	// ForgetTombstones removes tombstones. It leaves out one that a segment names.
	ForgetTombstones(ctx context.Context, ids []TopicID) error
}

// Resource names whose configs are meant: a broker ("" is the cluster-wide default)
// or a group, client-metrics subscription and so on.
type Resource struct {
	Type int8 // Kafka's ConfigResource types: 2 topic (not kept here), 4 broker, 8 logger, 16 client metrics, 32 group
	Name string
}

// Configs keeps dynamic configs of everything except topics.
type Configs interface {
	LoadConfigs(ctx context.Context) (map[Resource]map[string]string, error)
	// SetConfigs replaces the set of one resource; an empty set removes it.
	SetConfigs(ctx context.Context, r Resource, set map[string]string) error
}

// SegmentID numbers sealed objects, from 1.
type SegmentID int64

// Segment is the row of a sealed object.
type Segment struct {
	ID        SegmentID
	Key       string // in the bucket
	Bytes     int64
	CreatedAt int64 // ms, the store's clock
	// Data are the bytes of the batches in it, live or not. What of them no slice holds is
	// dead. Of segments that older versions registered: of what was live then.
	Data int64
}

// Slice is what one segment holds of one partition. Slices of a partition do not
// overlap and are ordered by offset.
type Slice struct {
	ID           pack.PartitionID
	Segment      SegmentID
	BaseOffset   int64
	LastOffset   int64
	Bytes        int64
	MaxTimestamp int64 // ms
	AppendTime   int64 // ms; the youngest batch's
	// Level is how often merging has joined it with its neighbours; 0 as it was sealed.
	Level int32
}

// State is a partition's sealed state: a fold over all its packs up to NextOffset.
// Next offset and log start never go back. It outlives all data of the partition.
type State struct {
	ID          pack.PartitionID
	NextOffset  int64
	LeaderEpoch int32
	// Where the state block (epochs, producers, transactions) lies: in the footer of
	// this segment. Segment 0: there is none, the state is empty but for NextOffset.
	Block    SegmentID
	BlockPos int64
	BlockLen int64
}

// Sealed is where a partition's sealed part ends.
type Sealed struct {
	State      State // a partition never sealed has a zero state with its ID
	LastOffset int64 // of its last slice, -1: it has none
	LogStart   int64
}

// LogStart is where the log of a partition begins.
type LogStart struct {
	ID     pack.PartitionID
	Offset int64
}

// Oldest is the oldest slice of a partition, and what all its slices add up to.
type Oldest struct {
	First      Slice
	LastOffset int64 // of the last one
	Slices     int
	Bytes      int64
}

// Held is a segment and how many bytes of the batches in it slices hold.
type Held struct {
	Segment
	Live int64
}

// Usage is what all sealed objects take, and which of them are kept by little.
type Usage struct {
	Segments int   // that hold a slice
	Bytes    int64 // of those, whatever in them is live
	// Data and Live are the bytes of the batches in those, and of these what slices hold.
	Data, Live int64
	// Stranded are the states whose block lies in a segment without a slice, by partition.
	Stranded []State
	// Alone are the segments whose slices are all of the topics asked about, by id.
	Alone []Segment
}

// Registration is one seal or merge.
type Registration struct {
	Segment Segment // ID and CreatedAt are assigned by the store
	Slices  []Slice // Segment is assigned; topics deleted meanwhile are left out by the store
	// States: Block 0 with BlockLen > 0 means this segment. A state whose NextOffset
	// is that of the stored one only moves the block.
	States []State
	// Volumes are those of the journal that this seal makes superfluous: one, or
	// several closed epochs of an object journal. They are remembered, so that a start
	// after a crash releases them instead of sealing them twice.
	Volumes []Volume
	// Replaces: these slices are removed in the same transaction, since the new ones hold
	// what is left of them.
	Replaces []Replace
}

// Replace names the slices of a partition that lie wholly inside the offsets From to To.
type Replace struct {
	ID       pack.PartitionID
	From, To int64 // inclusive
	// Was are the segments of these slices, in offset order: ErrConflict if they are
	// others by now, since what is registered was made of what lay there before. nil:
	// whatever lies there goes.
	Was []SegmentID
}

// Volume names a volume of the journal. The number alone does not: a journal that was
// lost, or replaced by an older copy of itself, would count it out once more.
type Volume struct {
	Number uint64 // from 1; 0: none
	Nonce  pack.Nonce
}

// Volumes is what the store knows of the journal, so that neither goes on without the
// other: which volume was begun last, and which are sealed.
type Volumes interface {
	// BeginVolume remembers a volume that is about to take its first pack as the newest
	// one. It may be repeated. ErrConflict if a newer one is remembered, or another one
	// of that number.
	BeginVolume(ctx context.Context, v Volume) error
	// NewestVolumes returns the volume that was begun last, which is zero if none ever
	// was, and the highest number that was ever registered, 0 if none was.
	NewestVolumes(ctx context.Context) (begun Volume, registered uint64, err error)
	// Registered says whether the journal volume was sealed already. Stores of the
	// first version did not keep nonces: a volume registered there is known by its
	// number.
	Registered(ctx context.Context, v Volume) (bool, error)
	// ForgetNameless forgets the registered volumes that are known by their numbers
	// alone: where a journal has counted those out again they would be taken for
	// sealed. What was sealed of them is found by its offsets when they are sealed
	// once more.
	ForgetNameless(ctx context.Context) error
}

// Segments keeps sealed objects, who lies in them, and partition states.
type Segments interface {
	// Intend records that an object is about to be created under key.
	Intend(ctx context.Context, key string) error
	// Register makes an object part of the log and consumes its intent. Idempotent
	// by Segment.Key: a second call returns the first one's id. Slices that lie wholly
	// below the log start, which may have been raised meanwhile, are left out. ErrConflict: there is
	// no intent, so the sweeper may be deleting the object; or a state's next offset
	// would go back; or a slice overlaps another one of its partition; or what is replaced
	// is not what it was.
	Register(ctx context.Context, r Registration) (SegmentID, error)
	// Partition returns the slices of a partition in offset order and its state; a
	// partition never sealed has a zero state with its ID.
	Partition(ctx context.Context, id pack.PartitionID) ([]Slice, State, error)
	// Sealed says where the sealed parts of the partitions end, in the order of ids and
	// all at one moment. It costs little for each, however many slices it has.
	Sealed(ctx context.Context, ids []pack.PartitionID) ([]Sealed, error)
	// Segment returns a segment's row, or ErrNotFound.
	Segment(ctx context.Context, id SegmentID) (Segment, error)
	// SetLogStarts raises the log starts of partitions (never lowers one) and removes
	// slices that lie wholly below: all of them at once, or none. Those of deleted topics
	// are passed over.
	SetLogStarts(ctx context.Context, starts ...LogStart) error
	// LogStart returns the log start, 0 if it was never set.
	LogStart(ctx context.Context, id pack.PartitionID) (int64, error)
	// Garbage lists what may be deleted: segments without a slice and without a
	// latest state block, and intents older than the grace (ms) whose object was
	// never registered. Forget removes their rows: call it before deleting. It removes
	// nothing and returns ErrConflict if a segment is referred to again, or if an
	// intent's object was registered meanwhile.
	Garbage(ctx context.Context, grace int64) (segments []Segment, intents []string, err error)
	Forget(ctx context.Context, segments []SegmentID, intents []string) error
}

// Totals adds up what lies in sealed objects, so that nobody has to read every slice.
type Totals interface {
	// Oldest returns the next n partitions that have a slice, in the order of topic and
	// number, behind after: the zero id is before all. Fewer than n: these are the last.
	Oldest(ctx context.Context, after pack.PartitionID, n int) ([]Oldest, error)
	// Usage looks at all segments at one moment, for what only these topics keep among
	// other things.
	Usage(ctx context.Context, topics []TopicID) (Usage, error)
	// Sparse returns up to n segments that hold a slice and of whose data more than the
	// share dead (0 to 1) is held by none: the deadest first, of equal ones the oldest.
	Sparse(ctx context.Context, dead float64, n int) ([]Held, error)
	// Lying returns the slices that lie in a segment, by partition and offset.
	Lying(ctx context.Context, id SegmentID) ([]Slice, error)
}

// Store is all of it, as an adapter provides it.
type Store interface {
	Cluster
	Topics
	Configs
	Security
	Segments
	Totals
	Volumes
	Close() error
}
