package server

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
)

// stallingDisk is a journal's disk on which a sync waits, once it stalls.
type stallingDisk struct {
	journalfile.Disk
	stall chan struct{} // one element: the next sync waits
	in    chan struct{} // a sync waits
	ends  chan struct{} // closed: it goes on
}

type stallingFile struct {
	journalfile.File
	d *stallingDisk
}

func newStallingDisk() *stallingDisk {
	return &stallingDisk{stall: make(chan struct{}, 1), in: make(chan struct{}), ends: make(chan struct{})}
}

func (d *stallingDisk) wrap(disk journalfile.Disk) journalfile.Disk {
	d.Disk = disk
	return d
}

func (d *stallingDisk) Create(name string) (journalfile.File, error) {
	f, err := d.Disk.Create(name)
	return stallingFile{f, d}, err
}

func (f stallingFile) Sync() error {
	select {
	case <-f.d.stall:
		f.d.in <- struct{}{}
		<-f.d.ends
	default:
	}
	return f.File.Sync()
}

// A disk that stalls around a stop: the stop runs out of time with a pack on its way.
// Nothing is closed under it, so what it acknowledges then is there at the next start.
func TestStopThatRunsOutOfTime(t *testing.T) {
	for name, set := range map[string]map[string]string{
		"in a while": {"shutdown.timeout.ms": "300"},
		"at once":    {"shutdown.timeout.ms": "0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			disk := newStallingDisk()
			l := begin(t, Seams{JournalDisk: disk.wrap}, dir, set).serving()
			l.stored("t")
			disk.stall <- struct{}{}
			late := l.put("t")
			<-disk.in
			err := l.end()
			if !errors.Is(err, ErrCutOff) {
				t.Errorf("the stop: %v", err)
			}
			close(disk.ends)
			r := <-late
			if r.Err != nil || r.BaseOffset != 1 {
				t.Fatalf("the pack on its way: %+v", r)
			}
			next := begin(t, Seams{}, copyFolder(t, dir), nil).serving()
			if high := next.partition("t").Bounds().HighWatermark; high != 2 {
				t.Errorf("2 records were acknowledged, the next start has %d", high)
			}
			if err := next.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// silentBucket is one that does not answer any more, once it is told so.
type silentBucket struct {
	bucket.Bucket
	silent atomic.Bool
}

func (b *silentBucket) Create(ctx context.Context, key string, body bucket.Body) error {
	if b.silent.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return b.Bucket.Create(ctx, key, body)
}

// A bucket that does not answer while the broker stops, so that the object journal cannot
// write its mark, is a stop that runs out of time, and no other failure: the next start
// recovers.
func TestStopWithoutTheBucket(t *testing.T) {
	dir, silent := t.TempDir(), &silentBucket{}
	set := map[string]string{"journal": "object", "shutdown.timeout.ms": "500"}
	l := begin(t, Seams{Bucket: func(b bucket.Bucket) bucket.Bucket { silent.Bucket = b; return silent }}, dir, set).serving()
	l.stored("t")
	silent.silent.Store(true)
	if err := l.end(); !errors.Is(err, ErrCutOff) {
		t.Errorf("the stop: %v", err)
	}
	next := begin(t, Seams{}, copyFolder(t, dir), set).serving()
	if got := next.stored("t"); got != 1 {
		t.Errorf("offset %d, want 1", got)
	}
}

// A broker that stops in time closes everything: the next start takes its folder.
func TestStopInTime(t *testing.T) {
	dir := t.TempDir()
	for want := range int64(3) {
		l := begin(t, Seams{}, dir, nil).serving()
		if got := l.stored("t"); got != want {
			t.Errorf("offset %d, want %d", got, want)
		}
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
}
