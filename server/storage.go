package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/server/memory"
	"github.com/streamhouse/streamhouse/storage/bucket"
	bucketfile "github.com/streamhouse/streamhouse/storage/bucket/file"
	"github.com/streamhouse/streamhouse/storage/bucket/limit"
	"github.com/streamhouse/streamhouse/storage/bucket/meter"
	"github.com/streamhouse/streamhouse/storage/bucket/retry"
	"github.com/streamhouse/streamhouse/storage/bucket/s3"
	"github.com/streamhouse/streamhouse/storage/cache"
	"github.com/streamhouse/streamhouse/storage/journal"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
	"github.com/streamhouse/streamhouse/storage/journal/object"
	"github.com/streamhouse/streamhouse/storage/segment"
	"github.com/streamhouse/streamhouse/storage/upkeep"
)

const (
	// probeTimeout bounds the first contact with the bucket.
	probeTimeout = 30 * time.Second
)

// stores is everything below the log: what survives the process.
type stores struct {
	folder *dataFolder
	meta   metadata.Store
	start  metadata.Start

	location bucket.Location
	bucket   bucket.Bucket
	identity manifest // what data folder and bucket have to be
	// met is closed when the bucket was asked what only it can tell, which is at the start
	// unless it is away then. witness is there from then on.
	met     chan struct{}
	witness *upkeep.Witness

	journal journal.Journal
	objects *cache.Objects
	index   *segment.Index
}

// means is what the process may use.
type means struct {
	memory memory.Plan
	files  descriptors
}

// openStores opens them in the order in which they depend on one another, and
// checks that they belong together. On an error nothing stays open.
func openStores(ctx context.Context, seams Seams, b *config.Broker, have means, logger *zap.Logger, reg prometheus.Registerer, at *progress) (_ *stores, err error) {
	s := &stores{met: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	dir := b.String("data.dir")
	if s.folder, err = lockDataFolder(dir); err != nil {
		return nil, err
	}
	if s.location, err = bucketLocation(b); err != nil {
		return nil, err
	}
	// A start that is refused for its settings leaves no trace: no folder where a bucket
	// was looked for, no start that is counted.
	known, err := knownManifest(s.folder.path, b, s.location)
	if err != nil {
		return nil, err
	}
	if s.bucket, err = openBucket(seams, have.files, b, s.location, reg); err != nil {
		return nil, err
	}
	c := &contact{
		logger: logger, progress: at, wait: time.Duration(b.Int("bucket.wait.ms")) * time.Millisecond,
		without: known != nil && b.String("journal.kind") == "file",
	}
	answered, err := c.ask(ctx, func(ctx context.Context) error { return s.greet(ctx, known) })
	if err != nil {
		return nil, err
	}
	if s.meta, err = sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dir, "metadata.db"), Now: seams.Now}); err != nil {
		return nil, err
	}
	// The start is counted when the journal is known to belong to the store.
	if s.start, err = s.meta.Identity(ctx); err != nil {
		return nil, err
	}
	if s.identity, err = identityOf(s, b); err != nil {
		return nil, err
	}
	if _, err = s.identity.checkFolder(filepath.Join(s.folder.path, manifestName)); err != nil {
		return nil, err
	}
	if answered {
		answered, err = c.ask(ctx, func(ctx context.Context) error {
			if err := s.identity.check(ctx, s.folder.path, s.bucket); err != nil {
				return err
			}
			s.witness, err = upkeep.CheckStore(ctx, s.meta, s.bucket, s.start)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if answered {
		close(s.met)
	}
	if s.journal, err = openJournal(ctx, seams, b, s, logger, reg); err != nil {
		return nil, err
	}
	s.objects = cache.NewObjects(s.forReaders(), cache.Options{
		FilesMax: min(256, have.files.segments/2), OpenMax: have.files.segments,
		MemoryBytes: shareOf(have.memory, b, "cache.memory.bytes", "cache.memory.bytes"), Registry: reg,
	})
	s.index = segment.NewIndex(have.memory.Of(memory.Footers), s.readSegment)
	s.index.Distrust = func(seg metadata.Segment) { s.objects.Forget(seg.Key) }
	return s, nil
}

// forReaders is the bucket for whoever may come to it before it was met.
func (s *stores) forReaders() bucket.Bucket {
	if s.witness != nil {
		return s.bucket
	}
	return unmet{s.bucket, s.met}
}

// readSegment fills p from a segment object.
func (s *stores) readSegment(ctx context.Context, seg metadata.Segment, p []byte, off int64) error {
	src, err := s.objects.Open(ctx, seg.Key, seg.Bytes)
	if err != nil {
		return err
	}
	defer src.Close()
	if _, err := src.ReadAt(p, off); err != nil {
		return fmt.Errorf("read %d bytes of %s at %d: %w", len(p), seg.Key, off, err)
	}
	return nil
}

// openObject opens a sealed object for the log.
func (s *stores) openObject(ctx context.Context, key string, size int64) (journal.Source, error) {
	return s.objects.Open(ctx, key, size)
}

func bucketLocation(b *config.Broker) (bucket.Location, error) {
	url := b.String("bucket.url")
	if url == "" {
		url = filepath.Join(b.String("data.dir"), "bucket")
	}
	l, err := bucket.ParseLocation(url)
	if err != nil {
		return l, fmt.Errorf("bucket.url: %w", err)
	}
	return l, nil
}

// openBucket opens the bucket with its wrappers. It makes no request to a remote one.
func openBucket(seams Seams, files descriptors, b *config.Broker, l bucket.Location, reg prometheus.Registerer) (bucket.Bucket, error) {
	m, err := meter.NewMetrics(reg)
	if err != nil {
		return nil, err
	}
	var raw bucket.Bucket
	switch l.Scheme {
	case "file":
		if err := notKafkas(l.Path); err != nil {
			return nil, err
		}
		raw, err = bucketfile.Open(l.Path)
	default:
		raw, err = s3.New(s3.Options{
			Location: l, AccessKey: b.String("s3.access.key"), SecretKey: b.String("s3.secret.key"),
		})
	}
	if err != nil {
		return nil, err
	}
	out := bucket.Bucket(meter.New(seams.Bucket(raw), m))
	if l.Scheme != "file" {
		out = limit.New(retry.New(out, retry.Options{}), files.requests)
	}
	return out, nil
}

func openJournal(ctx context.Context, seams Seams, b *config.Broker, s *stores, logger *zap.Logger, reg prometheus.Registerer) (journal.Journal, error) {
	if b.String("journal.kind") == "object" {
		oldest, err := oldestEpoch(ctx, s.meta)
		if err != nil {
			return nil, err
		}
		return object.New(object.Config{
			Ledger: newLedger(s, b, "journal/ in the bucket", logger.Named("journal")),
			Bucket: s.bucket, ClusterID: s.start.ClusterID, Broker: b.NodeID, Logger: logger.Named("journal"), Now: seams.Now,
			Oldest: oldest, Released: keepOldestEpoch(s.meta), KeepDir: keepDir(s), KeepRoom: newDiskWatch(s.folder, b).room,
		}), nil
	}
	observe := observeDisk(reg)
	dir := journalDir(s.folder.path)
	return journalfile.Open(journalfile.Config{
		Ledger: newLedger(s, b, dir, logger.Named("journal")),
		Dir:    dir, ClusterID: s.start.ClusterID, Broker: b.NodeID,
		VolumeBytes: b.Int("journal.volume.bytes"), ReserveBytes: b.Int("disk.reserve.bytes"),
		Logger: logger.Named("journal"), Observe: observe, Now: seams.Now, Disk: seams.JournalDisk,
	})
}

// journalDir is the folder of a file journal in a data folder.
func journalDir(data string) string { return filepath.Join(data, "journal") }

// observeDisk splits the time to durability into write and sync, where it is a
// local disk's.
func observeDisk(reg prometheus.Registerer) func(int64, time.Duration, time.Duration) {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "streamhouse", Name: "journal_disk_seconds",
		Help:    "Time of a pack's vectored write and of its sync.",
		Buckets: prometheus.ExponentialBuckets(0.00005, 2, 16),
	}, []string{"step"})
	reg.MustRegister(h)
	write, sync := h.WithLabelValues("write"), h.WithLabelValues("sync")
	return func(_ int64, w, s time.Duration) {
		write.Observe(w.Seconds())
		sync.Observe(s.Seconds())
	}
}

// close gives everything up, the journal first: its clean-stop mark says that the
// rest was in order.
func (s *stores) close(ctx context.Context) error {
	var errs []error
	if s.journal != nil {
		errs = append(errs, s.journal.Close(ctx))
	}
	if s.objects != nil {
		errs = append(errs, s.objects.Close())
	}
	if s.bucket != nil {
		errs = append(errs, s.bucket.Close())
	}
	if s.meta != nil {
		errs = append(errs, s.meta.Close())
	}
	if s.folder != nil {
		errs = append(errs, s.folder.Close())
	}
	return errors.Join(errs...)
}

// keepDir is where an object journal keeps its packs until they are sealed. A bucket in a
// folder has them at hand.
func keepDir(s *stores) string {
	if bucket.Local(s.bucket) {
		return ""
	}
	return filepath.Join(s.folder.path, "kept")
}

// spoolDir is where upkeep sorts what it is about to upload. What a killed process
// left there is removed.
func spoolDir(b *config.Broker) (string, error) {
	dir := filepath.Join(b.String("data.dir"), "spool")
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("empty %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make %s: %w", dir, err)
	}
	return dir, nil
}
