package object

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/journal"
)

const (
	// keepMax bounds what lies in files, keepQueue what waits in memory to be written there.
	keepMax   = 1 << 30
	keepQueue = 32 << 20
)

// keep has this process's packs in local files until their epochs are released: a seal then
// needs no request for each. It is a convenience: what does not fit, or cannot be written,
// is read from the bucket. Nothing is synced, and each pack has a checksum.
type keep struct {
	dir    string // "": nothing is kept
	room   func() (int64, error)
	logger *zap.Logger

	mu      sync.Mutex
	made    bool
	queue   []keptPack
	queued  int64
	running bool
	epochs  map[uint64]*keptEpoch
	bytes   int64          // in files
	below   uint64         // the highest epoch that was dropped
	writing sync.WaitGroup // the writer
}

type keptPack struct {
	epoch, seq uint64
	data       []byte
}

// keptEpoch is the file of an epoch.
type keptEpoch struct {
	f   *os.File
	end int64
	at  map[uint64]keptPlace
}

type keptPlace struct {
	pos int64
	len int
	crc uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// put hands over a pack that is stored; data is not changed any more. It does not wait.
func (k *keep) put(epoch, seq uint64, data []byte) {
	if k.dir == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := int64(len(data))
	if k.queued+n > keepQueue || k.bytes+k.queued+n > keepMax {
		return
	}
	k.queue, k.queued = append(k.queue, keptPack{epoch, seq, data}), k.queued+n
	if !k.running {
		k.running = true
		k.writing.Go(k.write)
	}
}

// write writes what waits and ends.
func (k *keep) write() {
	for {
		k.mu.Lock()
		if len(k.queue) == 0 {
			k.running = false
			k.mu.Unlock()
			return
		}
		p := k.queue[0]
		k.queue = k.queue[1:]
		e, late := k.epochs[p.epoch], p.epoch <= k.below
		k.mu.Unlock()
		var err error
		if !late {
			err = k.one(e, &p)
		}
		k.mu.Lock()
		k.queued -= int64(len(p.data))
		if err != nil {
			k.logger.Debug("a pack is not kept, a seal reads it from the bucket", zap.Uint64("pack", p.seq), zap.Error(err))
		}
		k.mu.Unlock()
	}
}

// one writes a pack into the file of its epoch, e or a new one.
func (k *keep) one(e *keptEpoch, p *keptPack) error {
	if k.room != nil {
		if room, err := k.room(); err != nil || room < int64(len(p.data)) {
			return errors.Join(err, fmt.Errorf("%d bytes of the disk may be used", max(room, 0)))
		}
	}
	if e == nil {
		f, err := k.create(p.epoch)
		if err != nil {
			return err
		}
		e = &keptEpoch{f: f, at: make(map[uint64]keptPlace)}
		k.mu.Lock()
		if k.epochs == nil {
			k.epochs = make(map[uint64]*keptEpoch)
		}
		dropped := p.epoch <= k.below
		if !dropped {
			k.epochs[p.epoch] = e
		}
		k.mu.Unlock()
		if dropped {
			return errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if _, err := e.f.WriteAt(p.data, e.end); err != nil {
		return err
	}
	at := keptPlace{e.end, len(p.data), crc32.Checksum(p.data, castagnoli)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epochs[p.epoch] == e { // not dropped meanwhile
		e.at[p.seq] = at
		e.end += int64(at.len)
		k.bytes += int64(at.len)
	}
	return nil
}

// create makes an epoch's file. What an earlier process left is removed first.
func (k *keep) create(epoch uint64) (*os.File, error) {
	if !k.made {
		if err := os.RemoveAll(k.dir); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(k.dir, 0o750); err != nil {
			return nil, err
		}
		k.made = true
	}
	return os.OpenFile(filepath.Join(k.dir, fmt.Sprintf("%016x", epoch)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
}

// get returns a pack as it was put, or nil.
func (k *keep) get(epoch, seq uint64) []byte {
	k.mu.Lock()
	e := k.epochs[epoch]
	var at keptPlace
	if e != nil {
		at = e.at[seq]
	}
	k.mu.Unlock()
	if at.len == 0 {
		return nil
	}
	b := make([]byte, at.len)
	if n, _ := e.f.ReadAt(b, at.pos); n < len(b) || crc32.Checksum(b, castagnoli) != at.crc {
		return nil
	}
	return b
}

// drop lets go of an epoch. What still waits of it is not written.
func (k *keep) drop(epoch uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.below = max(k.below, epoch)
	e := k.epochs[epoch]
	if e == nil {
		return
	}
	k.bytes -= e.end
	delete(k.epochs, epoch)
	if err := os.Remove(e.f.Name()); err != nil {
		k.logger.Warn("file of kept packs", zap.Error(err))
	}
	e.f.Close()
}

// close ends the writer and removes all files. Nothing is put any more.
func (k *keep) close() {
	k.writing.Wait()
	k.mu.Lock()
	var ids []uint64
	for id := range k.epochs {
		ids = append(ids, id)
	}
	k.mu.Unlock()
	for _, id := range ids {
		k.drop(id)
	}
}

// Kept returns a pack that this process has appended, from a local file; nil if it is to be
// read through OpenSource. The memory is the caller's.
func (j *Journal) Kept(id journal.VolumeID, seq uint64) []byte {
	return j.keep.get(uint64(id), seq)
}
