package object

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

type replayFunc = func(journal.Ref, *pack.Index) error

// Replay fences whoever may still write, reads what is not released, and begins a
// new epoch. journal.ErrFenced if another process does the same and was faster.
func (j *Journal) Replay(ctx context.Context, fn func(journal.Ref, *pack.Index) error) error {
	after := ""
	if j.cfg.Oldest > 0 {
		after = j.key(uint64(j.cfg.Oldest)-1, releasedSlot)
	}
	found, err := j.list(ctx, j.cfg.Prefix, after)
	if err != nil {
		return err
	}
	old, err := group(found, uint64(j.cfg.Oldest))
	if err != nil {
		return err
	}
	epochs, err := j.readHeaders(ctx, old)
	if err != nil {
		return err
	}
	if err := j.admit(ctx, epochs); err != nil {
		return err
	}
	var prev *epoch
	flags := pack.VolumeFlags(0)
	if n := len(epochs); n > 0 {
		prev = epochs[n-1]
		if flags, err = j.fenceOff(ctx, prev); err != nil {
			return fmt.Errorf("journal: fence epoch %d: %w", prev.id(), err)
		}
	}
	next := j.headerAfter(prev, flags) // its end mark is filled in below
	for i, e := range epochs {
		if err := j.replayEpoch(ctx, e, old[i].released, fn); err != nil {
			return err
		}
		if i+1 < len(epochs) {
			err = e.matches(&epochs[i+1].header)
		} else {
			next.PrevSeq, next.PrevCRC = e.lastSeq, e.lastCRC
		}
		if err != nil {
			return err
		}
		e.closed = true
		switch {
		case old[i].released || e.empty():
			j.leaving = append(j.leaving, e)
		default:
			j.epochs = append(j.epochs, e)
		}
	}
	if err := j.beginEpoch(ctx, next); err != nil {
		return err
	}
	if err := j.cfg.Ledger.Begin(ctx, newEpoch(next).begun()); err != nil {
		return fmt.Errorf("journal: have epoch %d remembered: %w", next.Volume, err)
	}
	j.adopt(next, nil)
	return nil
}

// admit asks the ledger whether the journal may go on. No epoch was fenced yet.
func (j *Journal) admit(ctx context.Context, epochs []*epoch) error {
	found := make([]journal.Begun, len(epochs))
	for i, e := range epochs {
		found[i] = e.begun()
	}
	admitted, err := j.cfg.Ledger.Admit(ctx, found)
	j.start = admitted.Start
	return err
}

// stored is an epoch as it was listed.
type stored struct {
	id       uint64
	released bool
	begun    bool // slot 0 exists
	packs    int  // slots that are neither 0 nor the released mark
}

// group sorts what was listed into epochs, from the oldest that is not released on.
// Every epoch keeps its slot 0 for ever, so one that is missing is a loss. first is the
// epoch from which on was listed, 0 for all.
func group(found []listed, first uint64) ([]stored, error) {
	var epochs []stored
	for _, l := range found {
		if n := len(epochs); n == 0 || epochs[n-1].id != l.epoch {
			epochs = append(epochs, stored{id: l.epoch})
		}
		e := &epochs[len(epochs)-1]
		switch l.slot {
		case 0:
			e.begun = true
		case releasedSlot:
			e.released = true
		default:
			e.packs++
		}
	}
	if first > 0 && (len(epochs) == 0 || epochs[0].id != first) {
		return nil, fmt.Errorf("%w: epoch %d, with which the journal goes on, is missing", journal.ErrDamaged, first)
	}
	for i, e := range epochs {
		if !e.begun {
			return nil, fmt.Errorf("%w: epoch %d has no slot 0", journal.ErrDamaged, e.id)
		}
		if i > 0 && e.id != epochs[i-1].id+1 {
			return nil, fmt.Errorf("%w: no slot 0 of epoch %d", journal.ErrDamaged, epochs[i-1].id+1)
		}
	}
	// An epoch that is released and clean has its fence and nothing more. The newest
	// is needed in any case: the next one follows it.
	for len(epochs) > 1 && epochs[0].released && epochs[0].packs <= 1 {
		epochs = epochs[1:]
	}
	return epochs, nil
}

// readHeaders reads slot 0 of each epoch and checks that each follows the other. An
// epoch's last pack is what its successor says.
func (j *Journal) readHeaders(ctx context.Context, old []stored) ([]*epoch, error) {
	epochs := make([]*epoch, len(old))
	for i, s := range old {
		key := j.key(s.id, 0)
		var h pack.VolumeHeader
		_, err := j.read(ctx, key, func(b []byte) (err error) {
			h, err = pack.DecodeVolumeHeader(b)
			return err
		})
		switch {
		case errors.Is(err, pack.ErrCorrupt), errors.Is(err, pack.ErrVersion):
			return nil, fmt.Errorf("%w: %s at position 0: %w", journal.ErrDamaged, key, err)
		case err != nil:
			return nil, fmt.Errorf("journal: read %s: %w", key, err)
		case h.Volume != s.id || h.Kind != pack.VolumeObject:
			return nil, fmt.Errorf("%w: %s at position 0: header of volume %d, kind %d", journal.ErrDamaged, key, h.Volume, h.Kind)
		case h.Cluster != j.cfg.ClusterID || h.Broker != j.cfg.Broker:
			return nil, fmt.Errorf("journal: %s belongs to broker %d of cluster %q, this is broker %d of cluster %q",
				key, h.Broker, h.Cluster, j.cfg.Broker, j.cfg.ClusterID)
		}
		epochs[i] = newEpoch(h)
		if i == 0 {
			continue
		}
		prev := epochs[i-1]
		if h.Prev != prev.id() || h.PrevNonce != prev.header.Nonce || h.PrevSeq < prev.header.PrevSeq {
			return nil, fmt.Errorf("%w: %s does not follow epoch %d", journal.ErrDamaged, key, prev.id())
		}
		prev.lastSeq, prev.lastCRC = h.PrevSeq, h.PrevCRC
	}
	return epochs, nil
}

// matches says whether what was read of the epoch is what its successor says.
func (e *epoch) matches(next *pack.VolumeHeader) error {
	if e.lastSeq != next.PrevSeq || e.lastCRC != next.PrevCRC {
		return fmt.Errorf("%w: epoch %d ends with pack %d, checksum %08x; the next one says %d, %08x",
			journal.ErrDamaged, e.id(), e.lastSeq, e.lastCRC, next.PrevSeq, next.PrevCRC)
	}
	return nil
}

const (
	// After lossesMax slots that the other writer filled first, the fencer puts a
	// barrier barrierStep slots ahead: up to there the writer may go on, no further.
	lossesMax   = 3
	barrierStep = 32
)

// fenceOff ends the newest epoch: it claims the first free slot, and only then looks
// at what lies below. It sets the epoch's last pack.
func (j *Journal) fenceOff(ctx context.Context, e *epoch) (pack.VolumeFlags, error) {
	slots, err := j.list(ctx, j.key(e.id(), 0)[:len(j.cfg.Prefix)+17], "")
	if err != nil {
		return 0, err
	}
	sizes := make(map[uint64]int64, len(slots))
	top := e.header.PrevSeq
	for _, s := range slots {
		sizes[s.slot] = s.size
		if s.slot != releasedSlot {
			top = max(top, s.slot)
		}
	}
	if _, released := sizes[releasedSlot]; released {
		// Its packs are gone; who released it knew its end, and so does its successor:
		// there is one, since only closed epochs are released.
		return 0, fmt.Errorf("%w: epoch %d was released, and the one after it is missing", journal.ErrDamaged, e.id())
	}
	losses := 0
	for slot := e.header.PrevSeq + 1; ; slot++ {
		if size, taken := sizes[slot]; taken && size != pack.HeaderSize {
			continue
		}
		h, fence, err := j.claim(ctx, e, slot)
		if err != nil {
			return 0, err
		}
		if fence {
			e.lastSeq = slot - 1
			if h.Flags&pack.FlagCleanStop != 0 {
				return pack.VolumePrevClean, nil
			}
			j.cfg.Logger.Info("journal: epoch fenced", zap.Uint64("epoch", e.id()), zap.Uint64("slot", slot))
			return 0, nil
		}
		if losses++; losses == lossesMax {
			if err := j.barrier(ctx, e, max(top, slot)+barrierStep); err != nil {
				return 0, err
			}
		}
	}
}

// claim tries to put a fence into a slot. It returns the fence that is there now,
// which may be another's, or false if a pack was faster.
func (j *Journal) claim(ctx context.Context, e *epoch, slot uint64) (h pack.Header, fence bool, err error) {
	b := j.fence(e, slot, 0)
	err = j.createExact(ctx, j.key(e.id(), slot), b)
	var other *conflict
	if errors.As(err, &other) {
		h, fence = isFence(other.content, e.id(), slot)
		return h, fence, nil
	}
	if err != nil {
		return h, false, err
	}
	h, _ = isFence(b, e.id(), slot)
	return h, true, nil
}

// barrier puts a fence ahead of a writer that is faster than the fencer.
func (j *Journal) barrier(ctx context.Context, e *epoch, slot uint64) error {
	for ; ; slot += barrierStep {
		if _, fence, err := j.claim(ctx, e, slot); err != nil || fence {
			return err
		}
	}
}

// replayEpoch reads an epoch's packs, which all exist, in order.
func (j *Journal) replayEpoch(ctx context.Context, e *epoch, released bool, fn replayFunc) error {
	if released {
		return nil
	}
	last := e.lastSeq
	e.lastSeq, e.lastCRC = e.header.PrevSeq, e.header.PrevCRC
	ahead := j.readAhead(ctx, e, last)
	defer ahead.stop()
	var x pack.Index
	for seq := e.lastSeq + 1; seq <= last; seq++ {
		key := j.key(e.id(), seq)
		data, err := ahead.next()
		if err != nil {
			if errors.Is(err, bucket.ErrNotFound) {
				return fmt.Errorf("%w: %s is missing, the epoch ends with pack %d: %w", journal.ErrDamaged, key, last, err)
			}
			return fmt.Errorf("journal: read %s: %w", key, err)
		}
		// Damage is believed only when the bucket gives the same bytes again.
		if err := e.verify(seq, data, &x); err != nil {
			data, err = j.read(ctx, key, func(b []byte) error { return e.verify(seq, b, &x) })
			switch {
			case errors.Is(err, pack.ErrCorrupt), errors.Is(err, pack.ErrVersion):
				return fmt.Errorf("%w: %s at position 0 of %d: %w", journal.ErrDamaged, key, len(data), err)
			case err != nil:
				return fmt.Errorf("journal: read %s: %w", key, err)
			}
		}
		e.extend(seq, x.Header.CRC, int64(len(data)))
		if err := fn(journal.Ref{Volume: journal.VolumeID(e.id()), Seq: seq, Len: int64(len(data))}, &x); err != nil {
			return err
		}
	}
	return nil
}

// verify checks a whole pack, which must continue the epoch.
func (e *epoch) verify(seq uint64, data []byte, x *pack.Index) error {
	h, err := pack.DecodeHeader(data)
	if err != nil {
		return err
	}
	want := pack.Place{Volume: e.id(), Nonce: e.header.Nonce, Seq: seq, PrevCRC: e.lastCRC}
	if h.Place != want || h.Flags&(pack.FlagFence|pack.FlagCleanStop) != 0 {
		return fmt.Errorf("%w: pack %d of epoch %d after checksum %08x, expected %d of %d after %08x",
			pack.ErrCorrupt, h.Seq, h.Volume, h.PrevCRC, seq, e.id(), e.lastCRC)
	}
	if h.Size() != int64(len(data)) {
		return fmt.Errorf("%w: %d bytes, the header says %d", pack.ErrCorrupt, len(data), h.Size())
	}
	split := pack.HeaderSize + h.IndexLen()
	if err := pack.DecodeIndex(h, data[pack.HeaderSize:split], x); err != nil {
		return err
	}
	return pack.VerifyBody(x, data[split:])
}

// readAhead fetches packs in parallel and hands them out in order.
type readAhead struct {
	results []chan fetched
	cancel  context.CancelFunc
	start   func()
}

type fetched struct {
	data []byte
	err  error
}

// replayAhead is how many objects a replay fetches at once.
const replayAhead = 4

func (j *Journal) readAhead(ctx context.Context, e *epoch, last uint64) *readAhead {
	ctx, cancel := context.WithCancel(ctx)
	r := &readAhead{cancel: cancel}
	seq := e.lastSeq + 1
	r.start = func() {
		if seq > last {
			return
		}
		key, out := j.key(e.id(), seq), make(chan fetched, 1)
		seq++
		r.results = append(r.results, out)
		go func() {
			data, err := j.read(ctx, key, nil)
			out <- fetched{data, err}
		}()
	}
	for range replayAhead {
		r.start()
	}
	return r
}

// next returns the next object, of which there must be one.
func (r *readAhead) next() ([]byte, error) {
	f := <-r.results[0]
	r.results = slices.Delete(r.results, 0, 1)
	r.start()
	return f.data, f.err
}

// stop ends the fetches and waits for them.
func (r *readAhead) stop() {
	r.cancel()
	for _, out := range r.results {
		<-out
	}
}
