// Package object is the journal that lives in a bucket: each pack is one object,
// created if absent. The successful create is the commit, so nothing but the bucket
// decides who may write.
//
// Keys are `<prefix><epoch, 16 hex>/<slot, 16 hex>`. An epoch is a volume. Its slot 0
// is the volume header; slot n is the pack with sequence n, or a fence. Only the
// bucket makes epochs unique: whoever creates slot 0 owns the epoch, until somebody
// creates a fence in the first free slot. Everything above a fence is void. The next
// epoch's slot 0 says which pack of the epoch was its last.
//
// A cancelled or failed create may still take effect later, at any time. So a slot
// only ever gets one byte string, which is created again and again until the bucket
// says that it is there; to give up on it takes a fence. docs/formats/journal.md has
// the protocol in full.
package object

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Config says where the journal lives and how patient it is.
type Config struct {
	Bucket    bucket.Bucket
	Prefix    string // of all keys, with its slash; "" means "journal/"
	ClusterID string // at most 24 bytes; an epoch of another cluster is refused
	Broker    int32
	// Oldest is what Released was last called with, 0 if never: everything below it is
	// released, and it exists itself. A start then lists what is open, and not what
	// epochs that are long over have left, which are three small objects each.
	Oldest journal.VolumeID
	// Released, if set, is called by Release when no epoch below oldest has a pack any
	// more; it keeps oldest durably for the next start. Its error is Release's.
	Released func(ctx context.Context, oldest journal.VolumeID) error
	// Ledger remembers with which epoch each start went on; nil: nobody does. The
	// epochs of later rolls are not told to it: nothing but the bucket is needed to go on.
	Ledger journal.Ledger
	// InFlightMax is how many packs are uploaded at once. 0 means 8.
	InFlightMax int
	// AttemptMax bounds one request to the bucket, GiveUpAfter all attempts at one
	// object together, both without what its bytes take on a slow line (pace). 0 means
	// 10 s and 60 s.
	AttemptMax  time.Duration
	GiveUpAfter time.Duration
	// RetryPause is the pause after the first failed attempt; it doubles up to 16
	// times that. 0 means 50 ms.
	RetryPause time.Duration
	Logger     *zap.Logger      // nil: none
	Now        func() time.Time // nil: time.Now
	// KeepDir is a folder of its own in which packs are kept until their epochs are
	// released, so that sealing does not read them from the bucket. "": they are not.
	KeepDir string
	// KeepRoom is how many bytes may be written there: what others need of the disk stays
	// free. nil: as many as fit.
	KeepRoom func() (int64, error)
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "journal/"
	}
	if c.Ledger == nil {
		c.Ledger = journal.NoLedger{}
	}
	if c.InFlightMax <= 0 {
		c.InFlightMax = 8
	}
	if c.AttemptMax <= 0 {
		c.AttemptMax = 10 * time.Second
	}
	if c.GiveUpAfter <= 0 {
		c.GiveUpAfter = time.Minute
	}
	if c.RetryPause <= 0 {
		c.RetryPause = 50 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Journal implements journal.Journal.
type Journal struct {
	cfg Config
	// self is the nonce of this process's fences: how it knows its own.
	self pack.Nonce
	// start is the number of this start, in the headers of its epochs. Replay sets it.
	start int32
	pace  *pace // of packs
	keep  keep

	mu      sync.Mutex // guards what is below; never held across a request
	epochs  []*epoch   // not released, oldest first; the last is open after Replay
	leaving []*epoch   // closed without a pack: to be cleaned by the next Release
	oldest  uint64     // as last told by Released
	opened  bool
	writing int  // Appends and Rolls that have not returned
	line    line // of the open epoch
	// next is the header of the epoch that a Roll has tried to begin, so that the
	// next attempt creates the same object.
	next *pack.VolumeHeader
}

var _ journal.Journal = (*Journal)(nil)

// New makes a journal. It touches nothing until Replay.
func New(cfg Config) *Journal {
	j := &Journal{cfg: cfg.withDefaults(), oldest: uint64(cfg.Oldest)}
	j.pace = newPace(j.cfg.InFlightMax)
	j.keep = keep{dir: j.cfg.KeepDir, room: j.cfg.KeepRoom, logger: j.cfg.Logger}
	rand.Read(j.self[:]) // never fails; it would end the process
	return j
}

// epoch is one volume.
type epoch struct {
	header  pack.VolumeHeader
	lastSeq uint64 // last durable pack
	lastCRC uint32
	bytes   int64
	closed  bool
}

func newEpoch(h pack.VolumeHeader) *epoch {
	return &epoch{header: h, lastSeq: h.PrevSeq, lastCRC: h.PrevCRC}
}

func (e *epoch) id() uint64 { return e.header.Volume }

func (e *epoch) begun() journal.Begun {
	return journal.Begun{ID: journal.VolumeID(e.id()), Nonce: e.header.Nonce, Start: e.header.Start}
}

func (e *epoch) empty() bool { return e.lastSeq == e.header.PrevSeq }

func (e *epoch) extend(seq uint64, crc uint32, size int64) {
	e.lastSeq, e.lastCRC = seq, crc
	e.bytes += size
}

func (e *epoch) info() journal.Info {
	return journal.Info{
		ID:       journal.VolumeID(e.id()),
		Nonce:    e.header.Nonce,
		FirstSeq: e.header.PrevSeq + 1,
		LastSeq:  e.lastSeq,
		Bytes:    e.bytes,
		Closed:   e.closed,
		Created:  time.UnixMilli(e.header.CreatedAt),
	}
}

// InFlightMax is how many packs may be on their way at once.
func (j *Journal) InFlightMax() int { return j.cfg.InFlightMax }

// Volumes lists the epochs that are not released, oldest first.
func (j *Journal) Volumes() []journal.Info {
	j.mu.Lock()
	defer j.mu.Unlock()
	infos := make([]journal.Info, len(j.epochs))
	for i, e := range j.epochs {
		infos[i] = e.info()
	}
	return infos
}

// last is the open epoch.
func (j *Journal) last() *epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epochs[len(j.epochs)-1]
}

func (j *Journal) find(id journal.VolumeID) *epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.epochs {
		if e.id() == uint64(id) {
			return e
		}
	}
	return nil
}

// OpenSource opens the object of one pack.
func (j *Journal) OpenSource(ref journal.Ref) (journal.Source, error) {
	if j.find(ref.Volume) == nil {
		return nil, fmt.Errorf("journal: epoch %d: %w", ref.Volume, fs.ErrNotExist)
	}
	return j.openSource(j.key(uint64(ref.Volume), ref.Seq), ref.Len)
}

// Close ends the epoch with a fence that says that it was a clean stop, unless it is
// broken anyway. journal.ErrBusy beside an Append or Roll.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	if j.writing > 0 {
		j.mu.Unlock()
		return journal.ErrBusy
	}
	sound := j.opened && j.line.err == nil
	j.opened = false
	j.mu.Unlock()
	j.keep.close()
	if !sound {
		return nil
	}
	e := j.last()
	fence := j.fence(e, e.lastSeq+1, pack.FlagCleanStop)
	err := j.createExact(ctx, j.key(e.id(), e.lastSeq+1), fence)
	if err != nil {
		return fmt.Errorf("journal: mark clean stop: %w", err)
	}
	return nil
}

// enterWrite counts an Append or Roll until leaveWrite; errNotOpen before Replay and after Close.
func (j *Journal) enterWrite() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.opened {
		return errNotOpen
	}
	j.writing++
	return nil
}

func (j *Journal) leaveWrite() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writing--
}

// fence encodes a fence for a slot of an epoch.
func (j *Journal) fence(e *epoch, slot uint64, flags pack.HeaderFlags) []byte {
	place := pack.Place{Volume: e.id(), Nonce: j.self, Seq: slot}
	return pack.Mark(pack.FlagFence|flags, place, j.cfg.Now().UnixMilli())
}

var errNotOpen = errors.New("journal: not open")
