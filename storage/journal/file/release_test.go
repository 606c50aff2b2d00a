package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/journal"
)

// hookedDisk is a Disk whose folder does not sync when it is told so, and whose files have
// one link each, whatever is true, as sshfs has it.
type hookedDisk struct {
	Disk
	failSync bool
	oneLink  bool
}

func (d *hookedDisk) Sync() error {
	if d.failSync {
		d.failSync = false
		return errors.New("the folder does not sync")
	}
	return d.Disk.Sync()
}

func (d *hookedDisk) Open(name string) (File, error) { return d.lie(d.Disk.Open(name)) }

func (d *hookedDisk) OpenWrite(name string) (File, error) { return d.lie(d.Disk.OpenWrite(name)) }

func (d *hookedDisk) lie(f File, err error) (File, error) {
	if err == nil && d.oneLink {
		f = singleLink{f}
	}
	return f, err
}

type singleLink struct{ File }

func (f singleLink) Stat() (int64, int, error) {
	size, _, err := f.File.Stat()
	return size, 1, err
}

// sealable makes a journal with a closed volume that has a large footer.
func sealable(t *testing.T, d *hookedDisk) (j *Journal, id journal.VolumeID, path string, size int64) {
	t.Helper()
	j, err := Open(Config{Dir: t.TempDir(), Disk: func(disk Disk) Disk { d.Disk = disk; return d }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close(bg) })
	replayed(t, j)
	if err := appendPack(j, 1); err != nil {
		t.Fatal(err)
	}
	if err := j.Roll(bg, 1); err != nil {
		t.Fatal(err)
	}
	v := j.Volumes()[0]
	if path, err = j.Footer(bg, v.ID, make([]byte, 3*shrinkStep)); err != nil {
		t.Fatal(err)
	}
	return j, v.ID, path, v.Bytes + 3*shrinkStep
}

// TestReleaseAgainBesideAReader: a release that failed halfway and is repeated does not
// take bytes away from those who read.
func TestReleaseAgainBesideAReader(t *testing.T) {
	d := &hookedDisk{}
	j, id, _, size := sealable(t, d)
	src, err := j.OpenSource(journal.Ref{Volume: id})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	d.failSync = true
	if err := j.Release(bg, id); err == nil {
		t.Fatal("the release did not fail")
	}
	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	if err := j.Release(ctx, id); err != nil {
		t.Fatal(err)
	}
	if info, err := src.File().Stat(); err != nil || info.Size() != size {
		t.Errorf("a file that is read has %d bytes, it had %d (%v)", info.Size(), size, err)
	}
}

// TestReleaseWhereLinksAreNotCounted: an adopted volume's file is the bucket's too, also
// where the file system says that every file has one link.
func TestReleaseWhereLinksAreNotCounted(t *testing.T) {
	d := &hookedDisk{oneLink: true}
	j, id, path, size := sealable(t, d)
	segment := filepath.Join(filepath.Dir(path), "segment")
	if err := os.Link(path, segment); err != nil {
		t.Fatal(err)
	}
	if err := j.Release(bg, id); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the volume is still there: %v", err)
	}
	if info, err := os.Stat(segment); err != nil || info.Size() != size {
		t.Errorf("the bucket's file: %v, %v", info, err)
	}
}
