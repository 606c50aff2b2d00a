package file

import (
	"io"
	"os"
)

// Disk is the folder of a journal, as far as the journal uses it. Tests put one in
// its place that tears, forgets and fails.
type Disk interface {
	// List returns the files of the folder in order of name.
	List() ([]DirEntry, error)
	// Create makes a file that must not exist, open for reading and writing.
	Create(name string) (File, error)
	// Open opens for reading, OpenWrite for reading and writing, an existing file.
	Open(name string) (File, error)
	OpenWrite(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes creations, renames and removals durable.
	Sync() error
	// Free returns how many bytes an unprivileged process may still allocate.
	Free() (int64, error)
	// Path returns the file's path, for messages and for links.
	Path(name string) string
}

// DirEntry is a file of a Disk's folder.
type DirEntry struct {
	Name  string
	Size  int64
	Links int
}

// File is an open file of a Disk.
type File interface {
	io.ReaderAt
	// WriteVec writes all of bufs, one after another, from position off.
	WriteVec(bufs [][]byte, off int64) error
	// Sync makes what was written durable. A call that fails leaves it open what is
	// on the disk, and later calls prove nothing about it.
	Sync() error
	// Reserve allocates room for n bytes from the start without changing the size.
	// errors.ErrUnsupported where the file system cannot.
	Reserve(n int64) error
	Truncate(n int64) error
	Stat() (size int64, links int, err error)
	// OS is the file behind it, or nil.
	OS() *os.File
	Close() error
}
