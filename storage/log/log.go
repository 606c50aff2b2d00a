package log

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// loadTimeout bounds the reading of a partition's sealed state.
const loadTimeout = 30 * time.Second

// Topics says which topics exist.
type Topics interface {
	// LeaderEpoch returns the epoch with which this process leads a partition; false if
	// there is no such topic.
	LeaderEpoch(id pack.PartitionID) (int32, bool)
}

// Config is what a Log is made of. Sizes are in bytes.
type Config struct {
	Journal journal.Journal
	Store   metadata.Segments
	// OpenObject opens a sealed object of the given size.
	OpenObject func(ctx context.Context, key string, size int64) (journal.Source, error)
	Segments   *segment.Index // their footers
	Topics     Topics
	// Deleted says whether a topic that does not exist was deleted: an id with neither
	// row nor tombstone means that the metadata store is not the one that belongs to
	// the journal. nil: every such topic was.
	Deleted func(ctx context.Context, id pack.TopicID) (bool, error)
	// Replayed, if set, is told of each pack that Open has found, in order.
	Replayed func(journal.Ref)
	Logger   *zap.Logger
	Registry prometheus.Registerer
	Now      func() time.Time
	// Uptime is how long this process has run, by a clock that nobody sets; nil: by Now,
	// whose times have a monotonic reading.
	Uptime func() time.Duration

	PackBytes   int           // a pack is closed at this size; default 2 MiB
	Linger      time.Duration // how long a pack waits for company; 0 for files
	VolumeBytes int64         // a journal volume is rolled at this size
	RollAge     time.Duration // and at this age, if it holds anything
	// UnsealedMax bounds the bytes in the journal: past it, as when the bucket is
	// away for long, appends are refused until upkeep has caught up. 0: no bound.
	UnsealedMax int64
	// ExtentBytesMax bounds the memory for where batches lie in the journal: a volume is
	// closed after a quarter of it, and appends are refused above it until upkeep has
	// caught up; default 64 MiB.
	ExtentBytesMax int64
	// RollRetry is the pause between two attempts to close the outcome of a failed
	// pack, for example while the disk is full; default 250 ms.
	RollRetry   time.Duration
	RecentBytes int64 // packs kept in memory for readers where the journal is remote

	// ProducerExpiry is producer.id.expiration.ms, asked for at each use.
	ProducerExpiry func() time.Duration
}

// Log is every partition this broker leads.
type Log struct {
	cfg     Config
	logger  *zap.Logger
	metrics *metrics
	now     func() time.Time
	ages    ageClock
	damage  damage

	// mu guards the append side: the open pack, what is in flight, and every
	// partition's appended state. It is never held across I/O or a wait.
	mu         sync.Mutex
	open       *batchPack
	inFlight   []*flight // oldest first
	durable    uint64    // sequence of the last durable pack
	failing    bool      // a pack failed and its outcome is not closed yet
	failure    error     // what failed last, while failing
	closed     bool
	behind     bool // the journal holds more than UnsealedMax
	waiting    []*waiter
	marks      uint64 // end markers appended and roll-backs; see Guard
	rolledBack uint64 // marks at the last roll-back
	reserved   int    // bytes of admitted appends that are not placed yet
	lastTime   int64  // ms; append time of the youngest pack

	volume openedVolume // the committer's
	atRoll int64        // likewise: extentBytes at the last roll, or less if it has fallen since

	extentBytes atomic.Int64 // memory of the extents of all partitions in the open journal

	whole bool // the journal was replayed: what it has of a partition is known

	parts    registry
	deferred deferred
	sources  sources
	recent   recent
	verified verified
	rows     rows

	packs uint64       // how many packs were begun, durable or not
	spare []*batchPack // settled packs whose memory is used again; the committer's

	kick       chan struct{}
	rollWanted chan struct{}
	released   chan struct{} // the journal let go of volumes
	work       chan *flight
	finished   chan *flight
}

// Open makes a log and replays the journal into it: afterwards every partition
// that the open journal touches stands where its last durable pack left it. It
// starts nothing; Run does.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if cfg.PackBytes == 0 {
		cfg.PackBytes = 2 << 20
	}
	if cfg.ExtentBytesMax == 0 {
		cfg.ExtentBytesMax = 64 << 20
	}
	if cfg.RollRetry == 0 {
		cfg.RollRetry = 250 * time.Millisecond
	}
	if cfg.Uptime == nil {
		began := cfg.Now()
		cfg.Uptime = func() time.Duration { return cfg.Now().Sub(began) }
	}
	n := cfg.Journal.InFlightMax()
	l := &Log{
		cfg:        cfg,
		logger:     cfg.Logger,
		metrics:    newMetrics(cfg.Registry),
		now:        cfg.Now,
		kick:       make(chan struct{}, 1),
		rollWanted: make(chan struct{}, 1),
		released:   make(chan struct{}, 1),
		work:       make(chan *flight, n),
		finished:   make(chan *flight, n),
	}
	l.parts.init(l)
	l.sources.journal = cfg.Journal
	l.recent.limit = cfg.RecentBytes
	l.ExpiredBefore() // starts its clock
	if err := l.replay(ctx); err != nil {
		return nil, err
	}
	l.whole = true
	cfg.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "streamhouse", Name: "partitions_loaded", Help: "Partitions whose state is in memory.",
	}, func() float64 { return float64(l.parts.count()) }))
	l.open = l.newPack(l.durable + 1)
	l.marks = 1 // a Guard is never 0
	return l, nil
}

// replay folds the journal's packs onto the sealed states.
func (l *Log) replay(ctx context.Context) error {
	packs, batches := 0, 0
	err := l.cfg.Journal.Replay(ctx, func(ref journal.Ref, index *pack.Index) error {
		packs++
		l.durable = ref.Seq
		if l.cfg.Replayed != nil {
			l.cfg.Replayed(ref)
		}
		first := 0
		for id, ext := range index.Extents(ref.Pos) {
			entries := index.Entries[first : first+int(ext.IndexCount)]
			first += len(entries)
			epoch, exists := l.cfg.Topics.LeaderEpoch(id)
			if !exists {
				if err := l.checkDeleted(ctx, id.Topic); err != nil {
					return fmt.Errorf("volume %d, pack %d: %w", ref.Volume, ref.Seq, err)
				}
				continue // the pack's other partitions live on
			}
			batches += len(entries)
			for i := range entries {
				l.lastTime = max(l.lastTime, entries[i].AppendTime)
			}
			if err := l.replayed(ctx, id, epoch, extent{ext, ref}, entries); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, v := range l.cfg.Journal.Volumes() {
		l.durable = max(l.durable, v.LastSeq)
	}
	l.parts.each(func(p *Partition) { p.begin() })
	l.logger.Info("journal replayed", zap.Int("packs", packs), zap.Int("batches", batches), zap.Int("deferred_partitions", l.deferred.count()),
		zap.Uint64("last_sequence", l.durable))
	return nil
}

// checkDeleted makes sure that a topic that does not exist did once.
func (l *Log) checkDeleted(ctx context.Context, id pack.TopicID) error {
	if l.cfg.Deleted == nil {
		return nil
	}
	deleted, err := l.cfg.Deleted(ctx, id)
	if err != nil {
		return fmt.Errorf("topic %x: %w", id, err)
	}
	if !deleted {
		return fmt.Errorf("topic %x is in the journal, but the metadata store has neither the topic nor its deletion: "+
			"it is older than the journal, or another broker's", id)
	}
	return nil
}

func (l *Log) monotonic() int64 { return int64(l.cfg.Uptime()) }

func (l *Log) kickCommitter() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Handles returns the handles of a topic's partitions, nil if none was asked for yet.
func (l *Log) Handles(topic pack.TopicID) *Handles { return l.parts.of(topic) }

// Partition returns the handle of a partition, loading its state on first use. The
// topic must exist; leaderEpoch is this process's. UNKNOWN_TOPIC_OR_PARTITION once
// the topic was dropped.
func (l *Log) Partition(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (*Partition, error) {
	p, err := l.handle(ctx, id, leaderEpoch)
	if code := protocol.None; err != nil && !errors.As(err, &code) {
		l.logger.Log(levelOf(err), "partition not loaded", zap.Stringer("partition", id), zap.Error(err))
		return nil, protocol.KafkaStorageError
	}
	return p, err
}

// handle is Partition with an error that says why it could not be loaded.
func (l *Log) handle(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (*Partition, error) {
	if p := l.parts.loaded(id); p != nil {
		return p, nil
	}
	p, first, err := l.parts.claim(id, leaderEpoch)
	if err != nil {
		return nil, err
	}
	if first {
		// Others wait for this load too: it does not end with the first caller, but at
		// its own bound.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		p.loadErr = l.load(bounded, p)
		cancel()
		l.noteLoad(id, p.loadErr)
		l.parts.settle(p, p.loadErr == nil)
		close(p.ready)
	}
	select {
	case <-p.ready:
	case <-ctx.Done():
		return nil, protocol.RequestTimedOut
	}
	if p.loadErr != nil {
		return nil, p.loadErr
	}
	return p, nil
}

// load reads a partition's sealed state. What upkeep changes meanwhile is noticed
// by the partition's version, and read again.
func (l *Log) load(ctx context.Context, p *Partition) error {
	for {
		p.mu.RLock()
		version := p.version
		p.mu.RUnlock()
		slices, state, err := l.cfg.Store.Partition(ctx, p.id)
		if err != nil {
			return fmt.Errorf("read partition %v from the metadata store: %w", p.id, err)
		}
		logStart, err := l.cfg.Store.LogStart(ctx, p.id)
		if err != nil {
			return fmt.Errorf("read log start of %v: %w", p.id, err)
		}
		// Many producers take a while: appends to other partitions do not wait for that.
		folded, err := l.sealedState(ctx, state, slices)
		if err != nil {
			return &blockError{err}
		}
		floor := floorOf(logStart, slices)
		l.mu.Lock()
		p.state = folded
		p.state.SetNextOffset(state.NextOffset)
		l.mu.Unlock()
		open, err := l.catchUp(p, floor)
		if err != nil {
			return err
		}
		l.mu.Lock()
		if l.whole {
			p.state.SetNextOffset(floor)
		}
		next := p.state.NextOffset()
		l.mu.Unlock()
		p.mu.Lock()
		if p.version != version {
			p.mu.Unlock()
			continue
		}
		p.sealed = slices
		p.logStart.Store(max(logStart, p.logStart.Load()))
		for i := range open {
			if open[i].LastOffset > p.sealedEnd() {
				p.open.add(&open[i])
			}
		}
		p.mu.Unlock()
		p.settleAll()
		p.high.Store(next)
		p.started = next
		l.deferred.end(p.id)
		return nil
	}
}

// floorOf is the offset below which no record is numbered any more, whatever the state
// says: a log start may have been raised, and an internal topic lifted, ahead of the
// seal, and the journal that was in front may have been given up.
func floorOf(logStart int64, slices []metadata.Slice) int64 {
	if n := len(slices); n > 0 {
		return max(logStart, slices[n-1].LastOffset+1)
	}
	return logStart
}

// DropTopic ends the partitions of a deleted topic: appends and reads of them are
// refused from now on, and whoever waits on them is woken.
func (l *Log) DropTopic(id pack.TopicID) {
	l.deferred.drop(id)
	l.damage.forget(id)
	for _, p := range l.parts.drop(id) {
		l.mu.Lock()
		p.deleted = true
		l.mu.Unlock()
		p.mu.Lock()
		p.gone, p.sealed = true, nil
		p.open.clear()
		p.mu.Unlock()
		p.advanced()
	}
}
