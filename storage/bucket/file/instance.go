package file

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tempFolder holds one folder per open Bucket.
const tempFolder = ".tmp"

// instance is an open Bucket's folder of temporary files. It is locked while the
// Bucket is open, so that another process can tell leftovers from work under way.
type instance struct {
	all  string // the folder of all instances
	dir  string
	lock *os.File
	next atomic.Uint64
	// links returns how many names a file has; two where the file system does not tell.
	links func(os.FileInfo) uint64
}

// newInstance makes and locks a folder. A cleaner may catch it between the two and
// remove it: then again, under another name.
func newInstance(root string) (*instance, error) {
	all := filepath.Join(root, tempFolder)
	for range 10 {
		dir := filepath.Join(all, rand.Text())
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		lock, err := lockFolder(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &instance{all: all, dir: dir, lock: lock, links: links}, nil
	}
	return nil, fmt.Errorf("%s: other processes keep removing new folders", all)
}

// lockFolder takes the lock of a folder, without waiting, and makes sure that the
// folder was not removed before the lock was had.
func lockFolder(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if _, err := os.Stat(dir); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// countsLinks finds out whether the file system counts the names of a file. One that does
// not (sshfs, some others over FUSE) says that each has one: then no file may be emptied,
// since another name may be somebody's.
func (i *instance) countsLinks() (bool, error) {
	a, b := i.tempName(), i.tempName()
	if err := os.WriteFile(a, nil, 0o644); err != nil {
		return false, err
	}
	defer os.Remove(a)
	if err := os.Link(a, b); err != nil {
		return false, err
	}
	defer os.Remove(b)
	st, err := os.Stat(b)
	return err == nil && i.links(st) == 2, err
}

func (i *instance) tempName() string {
	return filepath.Join(i.dir, strconv.FormatUint(i.next.Add(1), 10))
}

// cleanOthers removes the folders of processes that are gone. It says whether there
// is a process that is not. A process that is gone may have linked an object
// without syncing its folder, so everything is synced before the trace of it goes.
func (i *instance) cleanOthers() (shared bool, err error) {
	entries, err := os.ReadDir(i.all)
	if err != nil {
		return false, err
	}
	synced := false
	for _, e := range entries {
		dir := filepath.Join(i.all, e.Name())
		if dir == i.dir {
			continue
		}
		lock, err := lockFolder(dir)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			shared = true
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return shared, err
		}
		if !synced {
			synced = true
			sure, err := syncAll(lock)
			if err != nil {
				lock.Close()
				return shared, err
			}
			shared = shared || !sure
		}
		err = i.removeLeftovers(dir)
		lock.Close()
		if err != nil {
			return shared, err
		}
	}
	return shared, nil
}

// removeLeftovers removes a folder of temporary files.
func (i *instance) removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := i.shrinkAndRemove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(dir)
}

// close removes the folder: a clean end leaves nothing to sync.
func (i *instance) close() error {
	return errors.Join(i.removeLeftovers(i.dir), i.lock.Close())
}
