package file

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

const (
	volumeSuffix = ".volume"
	tmpSuffix    = ".tmp"
	deadSuffix   = ".dead"
)

func fileName(id uint64, suffix string) string { return fmt.Sprintf("%016x%s", id, suffix) }

// parseName is the inverse of fileName.
func parseName(name, suffix string) (id uint64, ok bool) {
	hex, ok := strings.CutSuffix(name, suffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(hex, 16, 64)
	return id, err == nil && id > 0 && fileName(id, suffix) == name
}

// volume is one file of the journal. Fields without a comment are set when it is
// made; the journal's mutex guards those that say so.
type volume struct {
	id     journal.VolumeID
	nonce  pack.Nonce
	header pack.VolumeHeader

	lastSeq uint64 // journal.mu: last durable pack, header.PrevSeq if there is none
	lastCRC uint32 // journal.mu: header checksum of that pack
	closed  bool   // journal.mu
	// suspect: a write or sync failed. The file is not written any more.
	suspect bool // journal.mu
	// durable is the end of the last durable pack. Readers never go past it.
	durable atomic.Int64

	open sync.Mutex // guards reader, and makes opening it happen once
	// reader is the file for reading. The volume is one of its holders until retired.
	reader *handle
	// parting is the last one that a removal has retired: some may still read it.
	parting *handle
}

func newVolume(h pack.VolumeHeader) *volume {
	v := &volume{
		id: journal.VolumeID(h.Volume), nonce: h.Nonce, header: h,
		lastSeq: h.PrevSeq, lastCRC: h.PrevCRC,
	}
	v.durable.Store(pack.VolumeHeaderSize)
	return v
}

func (v *volume) name() string { return fileName(uint64(v.id), volumeSuffix) }

// end is the position behind the last durable pack.
func (v *volume) end() int64 { return v.durable.Load() }

func (v *volume) empty() bool { return v.lastSeq == v.header.PrevSeq }

// extend takes in a pack that is durable. Where the volume is shared, the caller
// holds the journal's mutex.
func (v *volume) extend(seq uint64, crc uint32, end int64) {
	v.lastSeq, v.lastCRC = seq, crc
	v.durable.Store(end)
}

func (v *volume) begun() journal.Begun {
	return journal.Begun{ID: v.id, Nonce: v.nonce, Start: v.header.Start}
}

func (v *volume) info() journal.Info {
	return journal.Info{
		ID:       v.id,
		Nonce:    v.nonce,
		FirstSeq: v.header.PrevSeq + 1,
		LastSeq:  v.lastSeq,
		Bytes:    v.end(),
		Closed:   v.closed,
		Created:  time.UnixMilli(v.header.CreatedAt),
	}
}

// handle is an open file with a count of holders.
type handle struct {
	f    File
	refs atomic.Int32
	gone chan struct{} // closed when the last holder has let go
}

func (h *handle) release() error {
	if h.refs.Add(-1) > 0 {
		return nil
	}
	defer close(h.gone)
	return h.f.Close()
}

// source opens the volume for one more reader.
func (v *volume) source(d Disk) (*source, error) {
	v.open.Lock()
	defer v.open.Unlock()
	if v.reader == nil {
		f, err := d.Open(v.name())
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		v.reader = &handle{f: f, gone: make(chan struct{})}
		v.reader.refs.Store(1)
	}
	v.reader.refs.Add(1)
	return &source{v: v, h: v.reader}, nil
}

// retire gives up the volume's own hold on its reader.
func (v *volume) retire() error {
	v.open.Lock()
	defer v.open.Unlock()
	h := v.reader
	v.reader = nil
	if h == nil {
		return nil
	}
	return h.release()
}

// source reads the durable part of a volume.
type source struct {
	v    *volume
	h    *handle
	once sync.Once
}

// ReadAt reads from the file; io.EOF at the end of the durable part.
func (s *source) ReadAt(b []byte, off int64) (int, error) {
	end := s.v.end()
	if off >= end {
		return 0, io.EOF
	}
	if int64(len(b)) <= end-off {
		return s.h.f.ReadAt(b, off)
	}
	n, err := s.h.f.ReadAt(b[:end-off], off)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// File returns the file itself. What lies past the durable end is not to be read.
func (s *source) File() *os.File { return s.h.f.OS() }

// Close gives up the reader's hold, once.
func (s *source) Close() (err error) {
	s.once.Do(func() { err = s.h.release() })
	return err
}
