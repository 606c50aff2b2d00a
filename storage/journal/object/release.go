package object

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Release deletes the packs of a closed epoch. Slot 0 and the fence stay for ever:
// they are what keeps a writer that was asleep from beginning or continuing the epoch
// once more. A mark says that the packs are meant to be gone, so that a start does
// not take a release that was cut short for a loss.
func (j *Journal) Release(ctx context.Context, id journal.VolumeID) error {
	if err := j.leave(id); err != nil {
		return err
	}
	j.mu.Lock()
	leaving := j.leaving
	j.mu.Unlock()
	for _, e := range leaving {
		if err := j.clean(ctx, e); err != nil {
			return fmt.Errorf("journal: release epoch %d: %w", e.id(), err)
		}
		j.forget(e)
	}
	return j.tellOldest(ctx)
}

// tellOldest has the oldest epoch that is not released kept, when it is another one than
// before. The packs below it are gone, and the marks in place of them.
func (j *Journal) tellOldest(ctx context.Context) error {
	j.mu.Lock()
	known, oldest := j.oldest, j.oldest
	if len(j.epochs) > 0 && len(j.leaving) == 0 {
		oldest = j.epochs[0].id()
	}
	j.mu.Unlock()
	if oldest <= known || j.cfg.Released == nil {
		return nil
	}
	if err := j.cfg.Released(ctx, journal.VolumeID(oldest)); err != nil {
		return fmt.Errorf("journal: keep epoch %d as the oldest: %w", oldest, err)
	}
	j.mu.Lock()
	j.oldest = oldest
	j.mu.Unlock()
	return nil
}

// leave moves an epoch to those that are to be cleaned.
func (j *Journal) leave(id journal.VolumeID) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, e := range j.epochs {
		if e.id() != uint64(id) {
			continue
		}
		if !e.closed {
			return fmt.Errorf("journal: release of epoch %d, which is open", id)
		}
		j.epochs = append(j.epochs[:i:i], j.epochs[i+1:]...)
		j.leaving = append(j.leaving, e)
		return nil
	}
	return nil
}

func (j *Journal) forget(e *epoch) {
	j.keep.drop(e.id())
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.leaving {
		if j.leaving[i] == e {
			j.leaving = append(j.leaving[:i:i], j.leaving[i+1:]...)
			return
		}
	}
}

// clean marks an epoch as released and deletes its packs: the void ones above the
// fence first, then those below.
func (j *Journal) clean(ctx context.Context, e *epoch) error {
	place := pack.Place{Volume: e.id(), Nonce: e.header.Nonce, Seq: releasedSlot}
	err := j.createExact(ctx, j.key(e.id(), releasedSlot), pack.Mark(pack.FlagFence, place, 0))
	if err != nil {
		return err
	}
	slots, err := j.list(ctx, j.key(e.id(), 0)[:len(j.cfg.Prefix)+17], "")
	if err != nil {
		return err
	}
	fence, err := j.findFence(ctx, e, slots)
	if err != nil {
		return err
	}
	var void, packs []string
	for i := len(slots) - 1; i >= 0; i-- {
		slot := slots[i].slot
		switch {
		case slot == 0, slot == releasedSlot, slot == fence, fence == 0 && slot > e.lastSeq:
		case slot > e.lastSeq:
			void = append(void, j.key(e.id(), slot))
		default:
			packs = append(packs, j.key(e.id(), slot))
		}
	}
	if err := j.remove(ctx, void); err != nil {
		return err
	}
	return j.remove(ctx, packs)
}

// findFence returns the lowest fence behind the epoch's last pack, or 0.
func (j *Journal) findFence(ctx context.Context, e *epoch, slots []listed) (uint64, error) {
	for _, s := range slots {
		if s.slot <= e.lastSeq || s.size != pack.HeaderSize || s.slot == releasedSlot {
			continue
		}
		b, err := j.read(ctx, j.key(e.id(), s.slot), nil)
		if err != nil {
			return 0, err
		}
		if _, ok := isFence(b, e.id(), s.slot); ok {
			return s.slot, nil
		}
	}
	return 0, nil
}

// removeTogether is how many objects are deleted by one call.
const removeTogether = 256

func (j *Journal) remove(ctx context.Context, keys []string) error {
	for some := range slices.Chunk(keys, removeTogether) {
		err := j.retry(ctx, nil, func(t *try) (bool, error) {
			err := j.cfg.Bucket.Delete(t, some...)
			return err == nil || errors.Is(err, bucket.ErrKey), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
