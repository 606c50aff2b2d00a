package file

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// osDisk is a folder of the operating system.
type osDisk struct{ dir string }

func (d osDisk) Path(name string) string { return filepath.Join(d.dir, name) }

func (d osDisk) List() ([]DirEntry, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	list := make([]DirEntry, 0, len(entries))
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		list = append(list, DirEntry{Name: e.Name(), Size: info.Size(), Links: linksOf(info)})
	}
	return list, nil
}

func linksOf(info os.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Nlink)
	}
	return 1
}

func (d osDisk) Create(name string) (File, error) {
	return open(d.Path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (d osDisk) Open(name string) (File, error) { return open(d.Path(name), os.O_RDONLY) }

func (d osDisk) OpenWrite(name string) (File, error) { return open(d.Path(name), os.O_RDWR) }

func open(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, 0o640)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f, fd: int(f.Fd())}, nil
}

func (d osDisk) Rename(from, to string) error { return os.Rename(d.Path(from), d.Path(to)) }

func (d osDisk) Remove(name string) error { return os.Remove(d.Path(name)) }

func (d osDisk) Sync() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", d.dir, err)
	}
	return nil
}

func (d osDisk) Free() (int64, error) {
	_, usable, err := Space(d.dir)
	return usable, err
}

// Space is the size of the volume that holds a folder, and how much of that an
// unprivileged process may still use, in bytes.
func Space(dir string) (total, usable int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	unit := blockSize(&st)
	return int64(st.Blocks) * unit, int64(st.Bavail) * unit, nil
}

const (
	// iovMax is how many buffers one system call takes (IOV_MAX of Linux and macOS).
	iovMax = 1024
	// Buffers below smallBuffer are copied together, up to gatherBytes per call: for
	// them a copy costs less than the kernel's work per buffer.
	smallBuffer = 2 << 10
	gatherBytes = 1 << 20
)

// osFile is a file of the operating system. Writes have one owner.
type osFile struct {
	f      *os.File
	fd     int
	gather []byte // memory for small buffers
	iovs   [][]byte
}

func (f *osFile) OS() *os.File { return f.f }

func (f *osFile) Close() error { return f.f.Close() }

func (f *osFile) Truncate(n int64) error { return f.f.Truncate(n) }

func (f *osFile) ReadAt(b []byte, off int64) (int, error) { return f.f.ReadAt(b, off) }

func (f *osFile) Stat() (size int64, links int, err error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, 0, err
	}
	return info.Size(), linksOf(info), nil
}

// WriteVec writes the buffers with as few calls as it can.
func (f *osFile) WriteVec(bufs [][]byte, off int64) error {
	for len(bufs) > 0 {
		var err error
		bufs = f.take(bufs)
		if off, err = f.writeAll(off); err != nil {
			return fmt.Errorf("write %s at %d: %w", f.f.Name(), off, err)
		}
	}
	return nil
}

// take fills f.iovs with what one call can write and returns the buffers left.
func (f *osFile) take(bufs [][]byte) [][]byte {
	f.iovs, f.gather = f.iovs[:0], f.gather[:0]
	for len(bufs) > 0 && len(f.iovs) < iovMax {
		if len(bufs[0]) >= smallBuffer || len(bufs) == 1 {
			f.iovs = append(f.iovs, bufs[0])
			bufs = bufs[1:]
			continue
		}
		if f.gather == nil {
			f.gather = make([]byte, 0, gatherBytes)
		}
		start := len(f.gather)
		for len(bufs) > 0 && len(bufs[0]) < smallBuffer && len(f.gather)+len(bufs[0]) <= cap(f.gather) {
			f.gather = append(f.gather, bufs[0]...)
			bufs = bufs[1:]
		}
		if len(f.gather) == start {
			break // no memory left for small ones in this call
		}
		f.iovs = append(f.iovs, f.gather[start:])
	}
	return bufs
}

// writeAll writes f.iovs at off, going on after short writes and interrupts. It
// returns the position behind what was written.
func (f *osFile) writeAll(off int64) (int64, error) {
	iovs := f.iovs
	for len(iovs) > 0 {
		n, err := unix.Pwritev(f.fd, iovs, off)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil {
			return off, err
		}
		if n == 0 {
			return off, unix.ENOSPC
		}
		off += int64(n)
		for len(iovs) > 0 && n >= len(iovs[0]) {
			n -= len(iovs[0])
			iovs = iovs[1:]
		}
		if n > 0 {
			iovs[0] = iovs[0][n:]
		}
	}
	return off, nil
}

func (f *osFile) Sync() error {
	if err := syncData(f.fd); err != nil {
		return fmt.Errorf("sync %s: %w", f.f.Name(), err)
	}
	return nil
}

func (f *osFile) Reserve(n int64) error {
	if err := reserve(f.fd, n); err != nil {
		return fmt.Errorf("reserve %d bytes for %s: %w", n, f.f.Name(), err)
	}
	return nil
}

func syncFolder(dir string) error { return osDisk{dir: dir}.Sync() }
