package server

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/storage/journal"
)

// progress is how far a start is, for whoever waits for it. Its methods may be called
// from any goroutine.
type progress struct {
	what atomic.Pointer[string]

	replaying atomic.Bool
	packs     atomic.Int64
	bytes     atomic.Int64
	total     atomic.Int64 // bytes that there are to replay, about; 0: not known
}

// at says what the start is at.
func (p *progress) at(what string) {
	p.replaying.Store(false)
	p.what.Store(&what)
}

// replay says that the journal is replayed, of about total bytes.
func (p *progress) replay(total int64) {
	p.total.Store(total)
	p.replaying.Store(true)
}

func (p *progress) replayed(ref journal.Ref) {
	p.packs.Add(1)
	p.bytes.Add(ref.Len)
}

func (p *progress) String() string {
	if p.replaying.Load() {
		of := ""
		if total := p.total.Load(); total > 0 {
			of = fmt.Sprintf(" of about %d", total>>20)
		}
		return fmt.Sprintf("replaying the journal: %d packs, %d%s MiB", p.packs.Load(), p.bytes.Load()>>20, of)
	}
	if what := p.what.Load(); what != nil {
		return *what
	}
	return "beginning"
}

// bytesIn is what the files of a folder take, 0 if it cannot be read: it is only shown.
func bytesIn(dir string) (n int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
			n += info.Size()
		}
	}
	return n
}
