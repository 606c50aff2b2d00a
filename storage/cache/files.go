package cache

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// files keeps local objects open, at most so many that nobody reads, and at most so many
// at all.
type files struct {
	b    bucket.Bucket
	max  int // idle
	most int // open at all; 0: no bound
	m    *metrics

	mu     sync.Mutex
	opened int // open, or about to be
	byKey  map[string]*openFile
	idle   *list.List // of *openFile without a holder, the latest used in front
	closed bool
}

// openFile is a file with a count of holders.
type openFile struct {
	key   string
	size  int64
	f     *os.File
	holds int
	place *list.Element // in idle, nil while it is held
	gone  bool          // not in byKey any more: the last holder closes it
}

func newFiles(b bucket.Bucket, idle, most int, m *metrics) *files {
	return &files{b: b, max: idle, most: most, m: m, byKey: map[string]*openFile{}, idle: list.New()}
}

var (
	errClosed = errors.New("cache: closed")
	// ErrTooMany: as many files are being read as may be open.
	ErrTooMany = errors.New("cache: too many files are being read at once")
)

func (fs *files) open(key string, size int64) (Source, error) {
	of, err := fs.hold(key, nil)
	if of == nil && err == nil {
		of, err = fs.openNew(key)
	}
	if err != nil {
		return nil, err
	}
	s := &local{fs: fs, of: of}
	if of.size != size {
		return nil, errors.Join(fmt.Errorf("cache: open %s: %w: the file has %d bytes, it should have %d",
			key, bucket.ErrRange, of.size, size), s.Close())
	}
	return s, nil
}

// openNew opens a file outside the lock. If another reader was quicker, its file is
// taken and this one closed.
func (fs *files) openNew(key string) (*openFile, error) {
	if err := fs.makeRoom(); err != nil {
		return nil, fmt.Errorf("cache: open %s: %w", key, err)
	}
	f, err := bucket.OpenFile(fs.b, key)
	if err != nil {
		fs.uncount()
		return nil, fmt.Errorf("cache: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		fs.uncount()
		return nil, errors.Join(fmt.Errorf("cache: open %s: %w", key, err), f.Close())
	}
	fresh := &openFile{key: key, size: st.Size(), f: f}
	of, err := fs.hold(key, fresh)
	if of != fresh {
		fs.uncount()
		err = errors.Join(err, f.Close())
	}
	return of, err
}

// makeRoom counts a file that is about to be opened, and closes one that nobody reads
// for it if it has to.
func (fs *files) makeRoom() error {
	fs.mu.Lock()
	var victim *openFile
	if fs.most > 0 && fs.opened >= fs.most {
		if fs.idle.Len() == 0 {
			fs.mu.Unlock()
			return ErrTooMany
		}
		victim = fs.idle.Back().Value.(*openFile)
		fs.drop(victim)
	}
	fs.opened++
	fs.mu.Unlock()
	_ = fs.closeFile(victim) // it was only read: there is nothing to lose
	return nil
}

// uncount says that a file that was counted is not open, or not any more.
func (fs *files) uncount() {
	fs.mu.Lock()
	fs.opened--
	fs.mu.Unlock()
}

// hold adds a holder to the file of key. If there is none, fresh takes its place.
func (fs *files) hold(key string, fresh *openFile) (*openFile, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return nil, errClosed
	}
	of := fs.byKey[key]
	if of == nil {
		if fresh == nil {
			return nil, nil
		}
		of = fresh
		fs.byKey[key] = of
		fs.m.openFiles.Inc()
	}
	of.holds++
	if of.place != nil {
		fs.idle.Remove(of.place)
		of.place = nil
	}
	return of, nil
}

// release gives up one hold, and closes what is too much then.
func (fs *files) release(of *openFile) error {
	fs.mu.Lock()
	var victim *openFile
	of.holds--
	switch {
	case of.holds > 0:
	case of.gone:
		victim = of
	default:
		of.place = fs.idle.PushFront(of)
		if fs.idle.Len() > fs.max {
			victim = fs.idle.Back().Value.(*openFile)
			fs.drop(victim)
		}
	}
	fs.mu.Unlock()
	return fs.closeFile(victim)
}

// drop takes a file out of the pool. The caller holds the lock, and closes the file
// afterwards if nobody holds it.
func (fs *files) drop(of *openFile) {
	delete(fs.byKey, of.key)
	of.gone = true
	if of.place != nil {
		fs.idle.Remove(of.place)
		of.place = nil
	}
}

func (fs *files) closeFile(of *openFile) error {
	if of == nil {
		return nil
	}
	fs.m.openFiles.Dec()
	defer fs.uncount()
	return of.f.Close()
}

func (fs *files) forget(key string) {
	fs.mu.Lock()
	of := fs.byKey[key]
	if of != nil {
		fs.drop(of)
		if of.holds > 0 {
			of = nil
		}
	}
	fs.mu.Unlock()
	_ = fs.closeFile(of) // it was only read: there is nothing to lose
}

func (fs *files) close() error {
	fs.mu.Lock()
	fs.closed = true
	var victims []*openFile
	for _, of := range fs.byKey {
		fs.drop(of)
		if of.holds == 0 {
			victims = append(victims, of)
		}
	}
	fs.mu.Unlock()
	var errs []error
	for _, of := range victims {
		errs = append(errs, fs.closeFile(of))
	}
	return errors.Join(errs...)
}

// local is a Source over an open file.
type local struct {
	fs   *files
	of   *openFile
	once sync.Once
	err  error
}

func (l *local) ReadAt(p []byte, off int64) (int, error) { return l.of.f.ReadAt(p, off) }
func (l *local) File() *os.File                          { return l.of.f }

// Close may be called more than once; the hold is given up once.
func (l *local) Close() error {
	l.once.Do(func() { l.err = l.fs.release(l.of) })
	return l.err
}
