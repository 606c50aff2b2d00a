package file

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Roll begins the next file, whose header is the end mark of this one.
func (j *Journal) Roll(ctx context.Context, lastSeq uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.writer.Lock()
	defer j.writer.Unlock()
	if j.out == nil {
		return errors.New("journal: roll of a journal that is not open")
	}
	v := j.last()
	if lastSeq != v.lastSeq {
		return fmt.Errorf("journal: roll after pack %d, the last durable one is %d", lastSeq, v.lastSeq)
	}
	if _, err := j.checkFree(pack.VolumeHeaderSize); err != nil {
		return err
	}
	if j.failed == nil && v.empty() {
		return nil
	}
	old, sound := j.out, !j.suspect
	next, out, err := j.succeed(ctx, v, flagsOf(sound), nil)
	if err != nil {
		// The new file may exist and end this one here: nothing may follow.
		j.failed = err
		return err
	}
	if sound {
		j.trim(old, v)
	}
	old.Close() // nothing of the file depends on it any more
	j.adopt(next, out, v, !sound)
	return nil
}

func flagsOf(sound bool) pack.VolumeFlags {
	if sound {
		return 0
	}
	return pack.VolumePrevFailed
}

// trim gives back the room behind the end of a file that is closed in order. The
// size stays, so a failure costs room only.
func (j *Journal) trim(f File, v *volume) {
	if err := f.Truncate(v.end()); err != nil {
		j.cfg.Logger.Warn("journal: room behind a closed volume not given back",
			zap.String("file", j.disk.Path(v.name())), zap.Error(err))
	}
}

// adopt makes next the open volume after prev.
func (j *Journal) adopt(next *volume, out File, prev *volume, suspect bool) {
	j.out, j.failed, j.suspect = out, nil, false
	j.mu.Lock()
	defer j.mu.Unlock()
	if prev != nil {
		prev.closed = true
		prev.suspect = prev.suspect || suspect
	}
	if prev != nil && prev.empty() {
		j.volumes = j.volumes[:len(j.volumes)-1]
		j.dropEmpty(prev)
	}
	j.volumes = append(j.volumes, next)
}

// dropEmpty removes a volume without packs, which the chain leaves out. Where that
// fails it leaves with the next release. The caller holds j.mu.
func (j *Journal) dropEmpty(v *volume) {
	if err := errors.Join(v.retire(), j.disk.Remove(v.name())); err != nil {
		j.cfg.Logger.Warn("journal: empty volume not removed", zap.String("file", j.disk.Path(v.name())), zap.Error(err))
		j.leaving = insertByID(j.leaving, v)
	}
	j.unsynced = true
}

// firstPack is a pack that a new volume begins with.
type firstPack struct {
	seq  uint64
	bufs [][]byte
}

// pending is a volume that is durable, while it is open whether the ledger knows it.
type pending struct {
	v   *volume
	out File
}

// succeed begins the volume after prev and has it remembered. If that fails the file
// stays, since the ledger may know it all the same, and the next attempt goes on with
// it: prev and flags are the same then, as nothing is appended in between.
func (j *Journal) succeed(ctx context.Context, prev *volume, flags pack.VolumeFlags, first *firstPack) (*volume, File, error) {
	if j.pending == nil {
		v, out, err := j.begin(prev, flags, first)
		if err != nil {
			return nil, nil, err
		}
		j.pending = &pending{v, out}
	}
	p := j.pending
	if err := j.cfg.Ledger.Begin(ctx, p.v.begun()); err != nil {
		return nil, nil, fmt.Errorf("journal: have volume %d remembered: %w", p.v.id, err)
	}
	j.pending = nil
	return p.v, p.out, nil
}

// begin creates the volume after prev (nil: the first of all) and returns it when it
// is durable in the folder, together with its first pack if there is one. It leaves
// nothing behind when it fails, except perhaps a volume without packs that no later
// one names; that is void.
//
// A new file has its temporary name until its bytes are durable: whoever finds a
// volume under its final name can count on its header, and on the pack in doubt that
// recovery moved into it. Were they synced one after the other, a crash in between
// would end the old volume before that pack and lose it.
func (j *Journal) begin(prev *volume, flags pack.VolumeFlags, first *firstPack) (_ *volume, _ File, err error) {
	id := j.nextID
	j.nextID++
	v := newVolume(j.headerAfter(prev, id, flags))
	tmp := fileName(id, tmpSuffix)
	f, err := j.disk.Create(tmp)
	if err != nil {
		return nil, nil, noRoomAs(fmt.Errorf("journal: begin volume %d: %w", id, err))
	}
	defer func() {
		if err != nil {
			f.Close()
			// Best effort: a start removes what is left.
			_ = j.disk.Remove(tmp)
			_ = j.disk.Remove(v.name())
			err = noRoomAs(fmt.Errorf("journal: begin volume %d: %w", id, err))
		}
	}()
	if err := j.fill(f, v, first); err != nil {
		return nil, nil, err
	}
	if err := j.disk.Rename(tmp, v.name()); err != nil {
		return nil, nil, err
	}
	if err := j.disk.Sync(); err != nil {
		return nil, nil, err
	}
	return v, f, nil
}

// fill reserves room in a new file, writes header and first pack, and syncs.
func (j *Journal) fill(f File, v *volume, first *firstPack) error {
	bufs := [][]byte{pack.AppendVolumeHeader(nil, &v.header)}
	need, crc := int64(pack.VolumeHeaderSize), uint32(0)
	if first != nil {
		crc = pack.Stamp(first.bufs[0], pack.Place{Volume: uint64(v.id), Nonce: v.nonce, Seq: first.seq, PrevCRC: v.lastCRC})
		bufs = append(bufs, first.bufs...)
		need += sizeOf(first.bufs)
	}
	free, err := j.disk.Free()
	if err != nil {
		return err
	}
	if err := j.reserve(f, max(need, min(j.cfg.VolumeBytes, free-j.cfg.ReserveBytes)), need); err != nil {
		return err
	}
	if err := f.WriteVec(bufs, 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if first != nil {
		v.extend(first.seq, crc, need)
	}
	return nil
}

// noRoomAs makes a full disk recognisable: a volume that could not begin has written
// nothing that counts.
func noRoomAs(err error) error {
	if noRoom(err) && !errors.Is(err, journal.ErrNoRoom) {
		return fmt.Errorf("%w: %w", journal.ErrNoRoom, err)
	}
	return err
}

// headerAfter makes the header of the volume that follows prev. A volume without
// packs is left out of the chain: the new one takes its place.
func (j *Journal) headerAfter(prev *volume, id uint64, flags pack.VolumeFlags) pack.VolumeHeader {
	h := pack.VolumeHeader{
		Kind:      pack.VolumeFile,
		Cluster:   j.cfg.ClusterID,
		Broker:    j.cfg.Broker,
		Volume:    id,
		Nonce:     newNonce(),
		Start:     j.admitted.Start,
		CreatedAt: j.cfg.Now().UnixMilli(),
	}
	switch {
	case prev == nil:
	case prev.empty():
		p := &prev.header
		h.Flags, h.Prev, h.PrevNonce, h.PrevSeq, h.PrevCRC = p.Flags, p.Prev, p.PrevNonce, p.PrevSeq, p.PrevCRC
	default:
		h.Flags, h.Prev, h.PrevNonce, h.PrevSeq, h.PrevCRC = flags, uint64(prev.id), prev.nonce, prev.lastSeq, prev.lastCRC
	}
	return h
}
