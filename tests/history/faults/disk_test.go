package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
)

// ailment is what a disk suffers from. Fields say which calls fail, and with what.
type ailment struct {
	write, create, sync error
	torn                bool // half of what is written arrives before it fails
	full                bool
	slow                time.Duration // of every sync
}

// disk stands between a file journal and its folder.
type disk struct {
	mu   sync.Mutex
	ill  ailment
	gone bool
}

func (d *disk) set(a ailment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ill = a
}

func (d *disk) vanish(gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = gone
}

// now is what it suffers from at this moment.
func (d *disk) now() ailment {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return ailment{write: syscall.EIO, create: syscall.EIO, sync: syscall.EIO}
	}
	return d.ill
}

func (d *disk) wrap(real journalfile.Disk) journalfile.Disk { return illDisk{real, d} }

// illDisk is the folder with what it suffers from.
type illDisk struct {
	journalfile.Disk
	*disk
}

func (d illDisk) Create(name string) (journalfile.File, error) {
	if err := d.now().create; err != nil {
		return nil, err
	}
	return d.opened(d.Disk.Create(name))
}

func (d illDisk) Open(name string) (journalfile.File, error) { return d.opened(d.Disk.Open(name)) }

func (d illDisk) OpenWrite(name string) (journalfile.File, error) {
	return d.opened(d.Disk.OpenWrite(name))
}

func (d illDisk) opened(f journalfile.File, err error) (journalfile.File, error) {
	if err != nil {
		return nil, err
	}
	return illFile{f, d.disk}, nil
}

func (d illDisk) Rename(from, to string) error {
	if err := d.now().create; err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

func (d illDisk) Remove(name string) error {
	if err := d.now().create; err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

func (d illDisk) Sync() error {
	if err := d.now().sync; err != nil {
		return err
	}
	return d.Disk.Sync()
}

func (d illDisk) Free() (int64, error) {
	if d.now().full {
		return 0, nil
	}
	return d.Disk.Free()
}

// illFile is a file of it.
type illFile struct {
	journalfile.File
	*disk
}

func (f illFile) WriteVec(bufs [][]byte, off int64) error {
	a := f.now()
	if a.torn {
		if err := f.File.WriteVec(bufs[:(len(bufs)+1)/2], off); err != nil {
			return err
		}
		return syscall.EIO
	}
	if a.write != nil {
		return a.write
	}
	return f.File.WriteVec(bufs, off)
}

// Sync fails after its effect: what it says is only that nobody knows.
func (f illFile) Sync() error {
	a := f.now()
	time.Sleep(a.slow)
	err := f.File.Sync()
	if a.sync != nil {
		return a.sync
	}
	return err
}

func (f illFile) Reserve(n int64) error {
	if err := f.now().write; err != nil {
		return err
	}
	return f.File.Reserve(n)
}

func (d *disk) lane() Lane {
	state := func(name string, a ailment) Fault {
		return Fault{Name: "disk: " + name, Min: 100 * time.Millisecond, Max: 1500 * time.Millisecond,
			Begin: func(context.Context, *rand.Rand) error { d.set(a); return nil },
			End:   func(context.Context) error { d.set(ailment{}); return nil }}
	}
	return Lane{[]Fault{
		state("syncs fail", ailment{sync: syscall.EIO}),
		state("writes fail", ailment{write: syscall.EIO}),
		state("writes are torn", ailment{torn: true}),
		state("full", ailment{write: syscall.ENOSPC, create: syscall.ENOSPC, full: true}),
		state("no file can be made", ailment{create: syscall.EIO}),
		state("slow", ailment{slow: 100 * time.Millisecond}),
	}}
}
