// Package file is the journal of one machine: each volume is a local file, to which
// packs are appended with one vectored write and one sync each.
//
// A file is written by the process that created it and by nobody else. It ends with
// an end mark in the header of the next file, which names the last valid pack; what
// lies behind is never read. So a write or sync that failed, and a tail that was torn
// by a crash, need no repair in place: the next file simply says where the old one
// ends. docs/formats/journal.md has the layout and the rules of recovery.
//
// Files of the folder: `<volume, 16 hex digits>.volume`; `.tmp` while a volume is
// being created; `.dead` while one is being deleted; `lock`.
package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Defaults of Config.
const (
	DefaultVolumeBytes = 256 << 20
	reserveStep        = 64 << 20 // by which room grows past VolumeBytes
)

// Config says where a journal lives and what it leaves to others.
type Config struct {
	Dir       string // made if missing
	ClusterID string // at most 24 bytes; a volume of another cluster is refused
	Broker    int32
	// VolumeBytes is the room that is reserved for a volume when it begins. The
	// owner of the journal rolls at about this size. 0 means DefaultVolumeBytes.
	VolumeBytes int64
	// ReserveBytes of the disk are left free: with less, Append and Roll return
	// journal.ErrNoRoom before they write anything.
	ReserveBytes int64
	// Ledger remembers the volumes outside of the folder; nil: nobody does.
	Ledger journal.Ledger
	Logger *zap.Logger      // nil: none
	Now    func() time.Time // nil: time.Now
	// Disk, if set, is asked once for what stands between the journal and its folder.
	Disk func(Disk) Disk
	// Observe, if set, is told after each pack how long its write and its sync took.
	// It runs on the ack path.
	Observe func(bytes int64, write, sync time.Duration)
}

// Journal implements journal.Journal and journal.Adoptable.
type Journal struct {
	cfg  Config
	disk Disk
	lock *os.File

	// The writer's side: Replay, Append, Roll and Close, which never overlap. writer is
	// held by the last three, so that Close knows.
	writer   sync.Mutex
	out      File  // the open volume, nil before Replay and after Close
	reserved int64 // bytes allocated for it
	failed   error // the open volume takes no more packs: it needs Roll
	suspect  bool  // a write or sync of the open volume failed
	nextID   uint64
	admitted journal.Admission
	pending  *pending // a volume that is durable and not known to be remembered

	mu      sync.Mutex // guards what is below, and is not held across writes
	volumes []*volume  // not released, oldest first; the last is open after Replay
	leaving []*volume  // released, but an older one is not yet
	// unsynced: files were removed since the folder was synced.
	unsynced bool
}

var (
	_ journal.Journal   = (*Journal)(nil)
	_ journal.Adoptable = (*Journal)(nil)
)

// Open takes the folder for this process, and fails if another one has it. Nothing
// is read or written until Replay.
func Open(cfg Config) (*Journal, error) {
	if err := makeFolder(cfg.Dir, syncFolder); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	cfg = cfg.withDefaults()
	lock, err := lockDir(cfg.Dir, cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var disk Disk = osDisk{dir: cfg.Dir}
	if cfg.Disk != nil {
		disk = cfg.Disk(disk)
	}
	j := newJournal(cfg, disk)
	j.lock = lock
	return j, nil
}

// makeFolder makes sure that the folder is there and stays there: its parent is
// synced also when it was made by a process that may have died before it did so.
func makeFolder(dir string, sync func(string) error) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return sync(filepath.Dir(dir))
}

func (c Config) withDefaults() Config {
	if c.Ledger == nil {
		c.Ledger = journal.NoLedger{}
	}
	if c.VolumeBytes <= 0 {
		c.VolumeBytes = DefaultVolumeBytes
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func newJournal(cfg Config, d Disk) *Journal {
	return &Journal{cfg: cfg.withDefaults(), disk: d, nextID: 1}
}

// InFlightMax is 1: a pack is written when the one before it is durable.
func (j *Journal) InFlightMax() int { return 1 }

// Volumes lists the volumes that are not released, oldest first.
func (j *Journal) Volumes() []journal.Info {
	j.mu.Lock()
	defer j.mu.Unlock()
	infos := make([]journal.Info, len(j.volumes))
	for i, v := range j.volumes {
		infos[i] = v.info()
	}
	return infos
}

// OpenSource opens the file of the volume that the pack lies in.
func (j *Journal) OpenSource(ref journal.Ref) (journal.Source, error) {
	j.mu.Lock()
	v := j.find(ref.Volume)
	j.mu.Unlock()
	if v == nil {
		return nil, fmt.Errorf("journal: volume %d: %w", ref.Volume, fs.ErrNotExist)
	}
	return v.source(j.disk)
}

// find returns the volume, or nil. The caller holds j.mu.
func (j *Journal) find(id journal.VolumeID) *volume {
	for _, v := range j.volumes {
		if v.id == id {
			return v
		}
	}
	return nil
}

// last is the open volume.
func (j *Journal) last() *volume {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.volumes[len(j.volumes)-1]
}

// Close writes the clean-stop mark, unless the open volume has failed, and gives up
// the folder. journal.ErrBusy beside an Append or Roll.
func (j *Journal) Close(context.Context) error {
	if !j.writer.TryLock() {
		return journal.ErrBusy
	}
	defer j.writer.Unlock()
	var err error
	if j.out != nil {
		if j.failed == nil {
			err = j.markCleanStop()
		}
		err = errors.Join(err, j.out.Close())
		j.out = nil
	}
	if j.pending != nil {
		err = errors.Join(err, j.pending.out.Close())
		j.pending = nil
	}
	j.mu.Lock()
	volumes := append(j.volumes, j.leaving...)
	j.volumes, j.leaving = nil, nil
	j.mu.Unlock()
	for _, v := range volumes {
		err = errors.Join(err, v.retire())
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
		j.lock = nil
	}
	return err
}

func (j *Journal) markCleanStop() error {
	v := j.last()
	place := pack.Place{Volume: uint64(v.id), Nonce: v.nonce, Seq: v.lastSeq + 1, PrevCRC: v.lastCRC}
	mark := pack.Mark(pack.FlagCleanStop, place, j.cfg.Now().UnixMilli())
	if err := j.out.WriteVec([][]byte{mark}, v.end()); err != nil {
		return fmt.Errorf("journal: mark clean stop: %w", err)
	}
	if err := j.out.Sync(); err != nil {
		return fmt.Errorf("journal: mark clean stop: %w", err)
	}
	return nil
}

func newNonce() (n pack.Nonce) {
	rand.Read(n[:]) // never fails; it would end the process
	return n
}
