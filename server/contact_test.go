package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/upkeep"
)

// remote is a bucket that outlives brokers, and can be away.
type remote struct {
	bucket.Bucket
	gone atomic.Bool
}

// errGone is what is left of an outage when retries have given up; as an answer, so that
// they give up at once.
var errGone = fmt.Errorf("%w: %w", bucket.ErrAway, bucket.ErrRefused)

func newRemote() *remote { return &remote{Bucket: mem.New()} }

func (r *remote) seams() Seams {
	return Seams{Bucket: func(bucket.Bucket) bucket.Bucket { return r }}
}

func (r *remote) err() error {
	if r.gone.Load() {
		return errGone
	}
	return nil
}

func (r *remote) Create(ctx context.Context, key string, body bucket.Body) error {
	if err := r.err(); err != nil {
		return err
	}
	return r.Bucket.Create(ctx, key, body)
}

func (r *remote) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.Bucket.Get(ctx, key, off, n)
}

func (r *remote) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	if err := r.err(); err != nil {
		return err
	}
	return r.Bucket.List(ctx, prefix, after, fn)
}

func (r *remote) Close() error { return nil }

// remotely are settings that make a broker take its bucket for a remote one.
func remotely(more map[string]string) map[string]string {
	set := map[string]string{
		"bucket.url":    "s3://bucket/prefix?endpoint=http://127.0.0.1:1&region=here",
		"s3.access.key": "a", "s3.secret.key": "s",
	}
	maps.Copy(set, more)
	return set
}

// load is partition 0 of a topic that exists, or why there is none.
func (l *life) load(topic string) (*log.Partition, error) {
	l.t.Helper()
	known := l.catalog.ByName(topic)
	if known == nil {
		l.t.Fatalf("no topic %s", topic)
	}
	return l.log.Partition(l.t.Context(), pack.PartitionID{Topic: known.ID}, l.leaders.View().Of(known, 0).Epoch)
}

// A bucket that is away at the start: the broker serves what the journal holds, refuses
// what it would need the bucket for, and has it all when the bucket is back.
func TestBucketAwayAtTheStart(t *testing.T) {
	r, dir := newRemote(), t.TempDir()
	first := begin(t, r.seams(), dir, remotely(nil)).serving()
	first.stored("sealed")
	if err := first.end(); err != nil { // it seals
		t.Fatal(err)
	}
	second := begin(t, r.seams(), dir, remotely(nil)).serving()
	for _, topic := range []string{"sealed", "open", "sealed", "open"} {
		second.stored(topic)
	}
	killed := copyFolder(t, dir)
	r.gone.Store(true)

	third := begin(t, r.seams(), killed, remotely(nil)).serving()
	if got := third.stored("open"); got != 2 {
		t.Errorf("offset %d of what was never sealed, want 2", got)
	}
	if _, err := third.load("sealed"); err != protocol.KafkaStorageError {
		t.Errorf("without its state: %v", err)
	}
	if loud := third.logs.FilterLevelExact(zapcore.ErrorLevel); loud.Len() > 0 {
		t.Errorf("it is loud about each partition: %v", loud.All()[0])
	}
	if third.logs.FilterMessageSnippet("seals nothing until it is back").Len() != 1 {
		t.Error("it does not say so")
	}
	r.gone.Store(false)
	third.until("the partition is there", func() bool { _, err := third.load("sealed"); return err == nil })
	if got := third.stored("sealed"); got != 3 {
		t.Errorf("offset %d of what was sealed once, want 3", got)
	}
	if got := third.stored("open"); got != 3 {
		t.Errorf("offset %d, want 3", got)
	}
	if err := third.end(); err != nil { // and seals
		t.Fatal(err)
	}
	fourth := begin(t, r.seams(), killed, remotely(nil)).serving()
	if packs := fourth.progress.packs.Load(); packs != 0 {
		t.Errorf("%d packs were not sealed", packs)
	}
	for _, topic := range []string{"sealed", "open"} {
		if got := fourth.stored(topic); got != 4 {
			t.Errorf("offset %d of %s, want 4", got, topic)
		}
	}
}

// until waits for what has to come.
func (l *life) until(what string, done func() bool) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatal("waited for: ", what)
		}
	}
}

// What only the bucket can tell is asked as soon as it is back, and ends the broker as it
// would have ended the start.
func TestBucketComesBackAndKnowsBetter(t *testing.T) {
	r, dir := newRemote(), t.TempDir()
	first := begin(t, r.seams(), dir, remotely(nil)).serving()
	first.stored("t")
	older := copyFolder(t, dir)
	if err := first.end(); err != nil { // the bucket sees a newer state
		t.Fatal(err)
	}
	r.gone.Store(true)
	copied := begin(t, r.seams(), older, remotely(nil)).serving()
	r.gone.Store(false)
	if err := copied.failed(); !errors.Is(err, upkeep.ErrBehind) {
		t.Errorf("an older copy of the folder: %v", err)
	}
	other := newRemote()
	begin(t, other.seams(), t.TempDir(), remotely(nil)).serving()
	r.Bucket = other.Bucket
	r.gone.Store(true)
	strange := begin(t, r.seams(), dir, remotely(nil)).serving()
	r.gone.Store(false)
	if err := strange.failed(); !errors.Is(err, errMismatch) {
		t.Errorf("another cluster's bucket: %v", err)
	}
}

// Who cannot do without the bucket waits for it, and not for ever.
func TestStartWaitsForTheBucket(t *testing.T) {
	for name, set := range map[string]map[string]string{
		"first start":    {},
		"object journal": {"journal.kind": "object"},
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := newRemote(), t.TempDir()
			if name != "first start" {
				if err := begin(t, r.seams(), dir, remotely(set)).serving().end(); err != nil {
					t.Fatal(err)
				}
			}
			r.gone.Store(true)
			hasty := maps.Clone(set)
			hasty["bucket.wait.ms"] = "1"
			if err := begin(t, r.seams(), dir, remotely(hasty)).failed(); err == nil || !strings.Contains(err.Error(), "bucket.wait.ms") {
				t.Errorf("it ended with %v", err)
			}
			l := begin(t, r.seams(), dir, remotely(set))
			l.until("it waits", func() bool { return l.logs.FilterMessage("waiting for the bucket").Len() > 0 })
			l.says(503, "starting: waiting for the bucket")
			r.gone.Store(false)
			l.serving().stored("t")
		})
	}
}
