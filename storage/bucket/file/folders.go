package file

import (
	"os"
	"path/filepath"
	"sync"
)

// settledMax bounds the memory of which folders are durable.
const settledMax = 4096

// folders makes the folders of keys durable, and removes them when their last
// object is deleted: an object journal goes through a folder every few minutes.
type folders struct {
	root string

	mu      sync.Mutex
	settled map[string]struct{} // exist, and so do their parents, durably
	busy    map[string]int      // a link into them is under way
}

func newFolders(root string) *folders {
	return &folders{root: root, settled: map[string]struct{}{}, busy: map[string]int{}}
}

// enter keeps dir from being removed until leave.
func (f *folders) enter(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[dir]++
}

func (f *folders) leave(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[dir]--; f.busy[dir] == 0 {
		delete(f.busy, dir)
	}
}

func (f *folders) forget(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.settled, dir)
}

func (f *folders) known(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.settled[dir]
	return ok
}

// settle makes dir and its parents up to the root, durably. Folders that are there
// already are synced too: who made them may not have come to it.
func (f *folders) settle(dir string) error {
	if dir == f.root || f.known(dir) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for d := dir; d != f.root; d = filepath.Dir(d) {
		if err := syncFolder(filepath.Dir(d)); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.settled) >= settledMax {
		clear(f.settled)
	}
	f.settled[dir] = struct{}{}
	return nil
}

// removeEmpty removes dir if it is empty and nobody is about to link into it. The
// lock is held over the system call, so that no link can begin in between; it fails
// at once on a folder that is not empty.
func (f *folders) removeEmpty(dir string) {
	if dir == f.root {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[dir] > 0 {
		return
	}
	if os.Remove(dir) == nil {
		delete(f.settled, dir)
	}
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
