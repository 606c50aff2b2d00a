package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

const sector = 512

var (
	errInjected = errors.New("injected fault")
	errEnded    = errors.New("the process has ended")
)

// simDisk is a folder on a simulated disk with a page cache. What a process sees is
// the cache; what is left after a power cut is what was synced and an arbitrary part
// of the rest. A sync that fails marks the pages clean, as Linux does: the cache shows
// what the disk does not have, and the next sync succeeds.
type simDisk struct {
	mu     sync.Mutex
	rng    *rand.Rand
	names  map[string]*inode // as a process sees them
	onDisk map[string]*inode // after a power cut
	// journaled are the folder's changes that are not synced, in order.
	journaled []func(map[string]*inode)
	free      int64
	chaos     float64 // probability that an operation fails
	endAfter  int     // operations until the process ends; 0: never
	ended     bool
	calls     []string
	hook      func(call string) error // before each operation
	// ledger is beside the disk: what it says it has, it has, also after a power cut.
	ledger *journaltest.Ledger
}

// inode is a file of the simulated disk.
type inode struct {
	cache []byte
	disk  []byte
	dirty []change // not synced, in order
	links int
	keep  int64 // reserved
}

// change is a write, or a truncation when data is nil.
type change struct {
	off  int64
	data []byte
}

func newSimDisk(seed uint64) *simDisk {
	d := &simDisk{
		rng: rand.New(rand.NewPCG(seed, 5)), free: 1 << 40,
		names: map[string]*inode{}, onDisk: map[string]*inode{}, ledger: &journaltest.Ledger{},
	}
	d.ledger.Step = func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.op("ledger")
	}
	return d
}

// op decides whether an operation goes through. The caller holds d.mu.
func (d *simDisk) op(call string) error {
	if d.ended {
		return errEnded
	}
	d.calls = append(d.calls, call)
	if d.hook != nil {
		if err := d.hook(call); err != nil {
			return err
		}
	}
	if d.endAfter > 0 {
		if d.endAfter--; d.endAfter == 0 {
			d.ended = true
			return errEnded
		}
	}
	if d.rng.Float64() < d.chaos {
		return fmt.Errorf("%w: %s", errInjected, call)
	}
	return nil
}

// revive starts a new process on the same machine: the cache is as it was.
func (d *simDisk) revive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended, d.endAfter = false, 0
}

// powerCut leaves what a disk may have after the power failed.
func (d *simDisk) powerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, apply := range d.journaled[:d.rng.IntN(len(d.journaled)+1)] {
		apply(d.onDisk)
	}
	d.journaled = nil
	d.names = map[string]*inode{}
	seen := map[*inode]bool{}
	for name, n := range d.onDisk {
		d.names[name] = n
		if !seen[n] {
			seen[n] = true
			n.links = 0
			n.tear(d.rng)
		}
		n.links++
	}
}

// tear brings an arbitrary part of the changes that were not synced to the disk.
func (n *inode) tear(rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0: // nothing
	case 1:
		for _, c := range n.dirty {
			n.disk = c.apply(n.disk)
		}
	default:
		for _, c := range n.dirty {
			n.disk = c.applyPart(n.disk, rng)
		}
	}
	n.dirty = nil
	n.cache = slices.Clone(n.disk)
}

func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, int(c.off))
	}
	if end := int(c.off) + len(c.data); end > len(b) {
		b = resize(b, end)
	}
	copy(b[c.off:], c.data)
	return b
}

// applyPart applies some of the sectors.
func (c change) applyPart(b []byte, rng *rand.Rand) []byte {
	if c.data == nil {
		if rng.IntN(2) == 0 {
			return c.apply(b)
		}
		return b
	}
	for at := 0; at < len(c.data); {
		n := min(sector-(int(c.off)+at)%sector, len(c.data)-at)
		if rng.IntN(3) > 0 {
			b = change{c.off + int64(at), c.data[at : at+n]}.apply(b)
		}
		at += n
	}
	return b
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return b[:n:n]
	}
	return append(b[:len(b):len(b)], make([]byte, n-len(b))...)
}

func (d *simDisk) Path(name string) string { return "sim/" + name }

func (d *simDisk) List() ([]DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("list"); err != nil {
		return nil, err
	}
	var list []DirEntry
	for name, n := range d.names {
		list = append(list, DirEntry{Name: name, Size: int64(len(n.cache)), Links: n.links})
	}
	slices.SortFunc(list, func(a, b DirEntry) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list, nil
}

// rename changes the folder in the cache and remembers the change for the disk.
func (d *simDisk) change(apply func(map[string]*inode)) {
	apply(d.names)
	d.journaled = append(d.journaled, apply)
}

func (d *simDisk) Create(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("create " + name); err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, fs.ErrExist
	}
	n := &inode{links: 1}
	d.change(func(names map[string]*inode) { names[name] = n })
	return &simFile{d: d, n: n, name: name, write: true}, nil
}

func (d *simDisk) Open(name string) (File, error) { return d.open("open ", name, false) }

func (d *simDisk) OpenWrite(name string) (File, error) { return d.open("openwrite ", name, true) }

func (d *simDisk) open(call, name string, write bool) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op(call + name); err != nil {
		return nil, err
	}
	n := d.names[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return &simFile{d: d, n: n, name: name, write: write}, nil
}

func (d *simDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("rename " + to); err != nil {
		return err
	}
	n := d.names[from]
	d.change(func(names map[string]*inode) {
		names[to] = n
		delete(names, from)
	})
	return nil
}

func (d *simDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("remove " + name); err != nil {
		return err
	}
	n := d.names[name]
	if n == nil {
		return fs.ErrNotExist
	}
	n.links--
	d.change(func(names map[string]*inode) { delete(names, name) })
	return nil
}

// link gives a file a second name, as a bucket does that adopts it.
func (d *simDisk) link(from, to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[from]
	n.links++
	d.names[to] = n
}

func (d *simDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.op("syncdir"); err != nil {
		return err
	}
	for _, apply := range d.journaled {
		apply(d.onDisk)
	}
	d.journaled = nil
	return nil
}

func (d *simDisk) Free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, d.op("free")
}

// simFile is an open file of a simDisk.
type simFile struct {
	d     *simDisk
	n     *inode
	name  string
	write bool
}

func (f *simFile) OS() *os.File { return nil }

func (f *simFile) Close() error { return nil }

func (f *simFile) Stat() (int64, int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.n.cache)), f.n.links, f.d.op("stat " + f.name)
}

func (f *simFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.op("read " + f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.n.cache)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.cache[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *simFile) WriteVec(bufs [][]byte, off int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if !f.write {
		panic("write to a file that is open for reading")
	}
	if f.n.links > 1 {
		panic("write to a file with a second link")
	}
	data := slices.Concat(bufs...)
	err := f.d.op("write " + f.name)
	if err != nil && len(data) > 0 { // short: some of it is in the cache
		data = data[:f.d.rng.IntN(len(data))]
		if f.d.rng.IntN(2) == 0 {
			err = fmt.Errorf("%w: %w", err, unix.ENOSPC)
		}
	}
	if !errors.Is(err, errEnded) && len(data) > 0 {
		f.put(change{off, data})
	}
	return err
}

func (f *simFile) put(c change) {
	f.n.cache = c.apply(f.n.cache)
	f.n.dirty = append(f.n.dirty, c)
}

func (f *simFile) Truncate(n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.n.links > 1 {
		panic("truncation of a file with a second link")
	}
	if err := f.d.op("truncate " + f.name); err != nil {
		return err
	}
	f.put(change{n, nil})
	return nil
}

func (f *simFile) Reserve(n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.op("reserve " + f.name); err != nil {
		return err
	}
	if n-f.n.keep > f.d.free {
		return unix.ENOSPC
	}
	f.d.free -= max(n-f.n.keep, 0)
	f.n.keep = max(f.n.keep, n)
	return nil
}

func (f *simFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	err := f.d.op("sync " + f.name)
	if errors.Is(err, errEnded) {
		return err
	}
	for _, c := range f.n.dirty {
		if err == nil {
			f.n.disk = c.apply(f.n.disk)
		} else {
			f.n.disk = c.applyPart(f.n.disk, f.d.rng)
		}
	}
	// Also after a failure: the pages are clean now, and the next sync will succeed.
	f.n.dirty = nil
	return err
}
