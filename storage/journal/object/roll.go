package object

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// fenceTriesMax bounds the search for a free slot. What can occupy slots behind the
// last durable pack are packs that were on their way, as many as are ever in flight.
const fenceTriesMax = 1 << 12

// Roll fences the epoch and begins the next.
func (j *Journal) Roll(ctx context.Context, lastSeq uint64) error {
	if err := j.enterWrite(); err != nil {
		return err
	}
	defer j.leaveWrite()
	j.mu.Lock()
	e, failed := j.epochs[len(j.epochs)-1], j.line.err
	j.mu.Unlock()
	switch {
	case errors.Is(failed, journal.ErrFenced):
		return failed
	case lastSeq != e.lastSeq:
		return fmt.Errorf("journal: roll after pack %d, the last durable one is %d", lastSeq, e.lastSeq)
	case failed == nil && e.empty():
		return nil
	}
	err := j.closeAndBegin(ctx, e)
	if err != nil {
		// A fence may be there, or the next epoch: nothing may follow in this one.
		err = fmt.Errorf("journal: close epoch %d after pack %d: %w", e.id(), lastSeq, err)
		j.mu.Lock()
		if j.line.err == nil || errors.Is(err, journal.ErrFenced) {
			j.line.err, j.line.failedAt = err, lastSeq+1
		}
		j.mu.Unlock()
	}
	return err
}

func (j *Journal) closeAndBegin(ctx context.Context, e *epoch) error {
	if err := j.fenceOwn(ctx, e); err != nil {
		return err
	}
	if j.next == nil {
		h := j.headerAfter(e, 0)
		j.next = &h
	}
	if err := j.beginEpoch(ctx, *j.next); err != nil {
		return err
	}
	j.adopt(*j.next, e)
	j.next = nil
	return nil
}

// fenceOwn puts a fence into the first free slot behind the epoch's last pack. A pack
// of ours that landed after all, or an object that nobody can read, occupies its slot
// for ever: the next epoch's header voids it, and the fence goes behind it.
func (j *Journal) fenceOwn(ctx context.Context, e *epoch) error {
	for slot := e.lastSeq + 1; slot <= e.lastSeq+fenceTriesMax; slot++ {
		err := j.createExact(ctx, j.key(e.id(), slot), j.fence(e, slot, 0))
		var other *conflict
		if !errors.As(err, &other) {
			return err
		}
		if h, ok := isFence(other.content, e.id(), slot); ok {
			if h.Nonce == j.self { // of an earlier attempt
				return nil
			}
			return fmt.Errorf("%w: fence %x in %s", journal.ErrFenced, h.Nonce[:4], other.key)
		}
	}
	return fmt.Errorf("journal: no free slot in the %d behind pack %d of epoch %d", fenceTriesMax, e.lastSeq, e.id())
}

// headerAfter makes slot 0 of the epoch that follows e (nil: the first).
func (j *Journal) headerAfter(e *epoch, flags pack.VolumeFlags) pack.VolumeHeader {
	h := pack.VolumeHeader{
		Kind: pack.VolumeObject, Flags: flags, Cluster: j.cfg.ClusterID, Broker: j.cfg.Broker,
		Volume: 1, Start: j.start, CreatedAt: j.cfg.Now().UnixMilli(),
	}
	rand.Read(h.Nonce[:])
	if e != nil {
		h.Volume, h.Prev, h.PrevNonce = e.id()+1, e.id(), e.header.Nonce
		h.PrevSeq, h.PrevCRC = e.lastSeq, e.lastCRC
	}
	return h
}

// beginEpoch creates slot 0. Whoever is first owns the epoch, and the journal.
func (j *Journal) beginEpoch(ctx context.Context, h pack.VolumeHeader) error {
	err := j.createExact(ctx, j.key(h.Volume, 0), pack.AppendVolumeHeader(nil, &h))
	var other *conflict
	if !errors.As(err, &other) {
		return err
	}
	theirs, err := pack.DecodeVolumeHeader(other.content)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", journal.ErrDamaged, other.key, err)
	}
	return fmt.Errorf("%w: epoch %d was begun by broker %d of cluster %q", journal.ErrFenced, h.Volume, theirs.Broker, theirs.Cluster)
}

// adopt makes the epoch with header h the open one after prev.
func (j *Journal) adopt(h pack.VolumeHeader, prev *epoch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := newEpoch(h)
	if prev != nil {
		prev.closed = true
		if prev.empty() {
			j.epochs = j.epochs[:len(j.epochs)-1]
			j.leaving = append(j.leaving, prev)
		}
	}
	j.epochs = append(j.epochs, e)
	j.line = newLine(e)
	j.opened = true
}
