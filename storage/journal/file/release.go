package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/streamhouse/streamhouse/storage/journal"
)

const (
	// A large file is shrunk by shrinkStep at a time, with a pause in between, before
	// it is removed: a file system that frees gigabytes at once holds up the syncs of
	// the open volume meanwhile.
	shrinkStep  = 32 << 20
	shrinkPause = 10 * time.Millisecond
	// readersMax is how long a removal waits for those who still read the file. Who
	// reads longer keeps its blocks allocated until it is done.
	readersMax = 10 * time.Second
)

// Release forgets a closed volume and removes its file, unless an older volume is
// still there: then the file goes together with that one, so that a file that is
// missing among the others is known to be lost. Until then a restart brings the
// volume back, and Release has to be repeated.
func (j *Journal) Release(ctx context.Context, id journal.VolumeID) error {
	gone, err := j.take(id)
	if err != nil {
		return err
	}
	if err := j.syncRemovals(); err != nil {
		j.mu.Lock()
		j.leaving = append(gone, j.leaving...)
		j.mu.Unlock()
		return err
	}
	for i, v := range gone {
		if err := j.remove(ctx, v); err != nil {
			j.mu.Lock()
			j.leaving = append(gone[i:], j.leaving...)
			j.mu.Unlock()
			return fmt.Errorf("journal: release volume %d: %w", v.id, err)
		}
	}
	return nil
}

// syncRemovals makes sure that void volumes do not come back after a younger one has
// gone: then they would look like survivors of a loss.
func (j *Journal) syncRemovals() error {
	j.mu.Lock()
	unsynced := j.unsynced
	j.unsynced = false
	j.mu.Unlock()
	if !unsynced {
		return nil
	}
	if err := j.disk.Sync(); err != nil {
		j.mu.Lock()
		j.unsynced = true
		j.mu.Unlock()
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// take moves the volume to those that leave and returns the ones that may go now,
// oldest first.
func (j *Journal) take(id journal.VolumeID) (gone []*volume, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, v := range j.volumes {
		if v.id != id {
			continue
		}
		if !v.closed {
			return nil, fmt.Errorf("journal: release of volume %d, which is open", id)
		}
		j.volumes = append(j.volumes[:i:i], j.volumes[i+1:]...)
		j.leaving = insertByID(j.leaving, v)
		break
	}
	for len(j.leaving) > 0 && (len(j.volumes) == 0 || j.leaving[0].id < j.volumes[0].id) {
		gone = append(gone, j.leaving[0])
		j.leaving = j.leaving[1:]
	}
	return gone, nil
}

func insertByID(list []*volume, v *volume) []*volume {
	i := len(list)
	for i > 0 && list[i-1].id > v.id {
		i--
	}
	list = append(list, nil)
	copy(list[i+1:], list[i:])
	list[i] = v
	return list
}

// remove deletes the file of a volume that nobody will open any more.
func (j *Journal) remove(ctx context.Context, v *volume) error {
	dead := fileName(uint64(v.id), deadSuffix)
	f, err := j.disk.Open(v.name())
	if errors.Is(err, fs.ErrNotExist) { // an earlier attempt came this far
		if err = j.removeDead(ctx, v, dead); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	if err != nil {
		return err
	}
	size, links, err := f.Stat()
	f.Close()
	if err != nil {
		return err
	}
	// The bucket has adopted it, so only the journal's name goes. Some file systems say
	// that every file has one link: what ends behind its last pack has had a footer, and
	// may have been adopted.
	if links > 1 || size > v.end() {
		if err := v.retire(); err != nil {
			return err
		}
		if err := j.disk.Remove(v.name()); err != nil {
			return err
		}
		return j.disk.Sync()
	}
	// Under its own name a file that was shrunk would look damaged after a crash.
	if err := j.disk.Rename(v.name(), dead); err != nil {
		return err
	}
	if err := j.disk.Sync(); err != nil {
		return err
	}
	return j.removeDead(ctx, v, dead)
}

// removeDead removes the file once nobody reads it, or at once what is read for long: its
// blocks then stay until its readers are done.
func (j *Journal) removeDead(ctx context.Context, v *volume, dead string) error {
	if !v.waitUnread(ctx) {
		return j.disk.Remove(dead)
	}
	return j.destroy(ctx, dead)
}

// waitUnread retires the volume and reports whether nobody reads it any more. It may be
// called again: those who read remain known.
func (v *volume) waitUnread(ctx context.Context) bool {
	v.open.Lock()
	if v.reader != nil {
		v.parting = v.reader
	}
	h := v.parting
	v.open.Unlock()
	if h == nil {
		return true
	}
	// The file was only read: its close has nothing to report.
	_ = v.retire()
	timeout := time.NewTimer(readersMax)
	defer timeout.Stop()
	select {
	case <-h.gone:
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// destroy removes a file that is not part of the journal any more, large ones step
// by step. When ctx ends the rest goes at once.
func (j *Journal) destroy(ctx context.Context, name string) error {
	f, err := j.disk.OpenWrite(name)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	size, links, err := f.Stat()
	for ; err == nil && links == 1 && size > shrinkStep && ctx.Err() == nil; size -= shrinkStep {
		if err = f.Truncate(size - shrinkStep); err == nil {
			pause(ctx, shrinkPause)
		}
	}
	f.Close()
	if err == nil {
		err = j.disk.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("journal: remove %s: %w", j.disk.Path(name), err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
