package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

type replayFunc = func(journal.Ref, *pack.Index) error

// Replay reads what the previous process left, ends it with a new volume, and opens
// that one for Append.
func (j *Journal) Replay(ctx context.Context, fn func(journal.Ref, *pack.Index) error) error {
	if j.out != nil {
		return errors.New("journal: replayed twice")
	}
	found, err := j.inventory()
	if err != nil {
		return err
	}
	chain, void, err := j.chain(found.volumes)
	if err != nil {
		return err
	}
	if err := j.admit(ctx, found.volumes); err != nil {
		return err
	}
	var mem scanMemory
	for i := 0; i+1 < len(chain); i++ {
		if err := j.replayClosed(ctx, chain[i], &chain[i+1].header, &mem, fn); err != nil {
			return err
		}
		if err := j.unknown(chain[i], tail{}); err != nil {
			return err
		}
	}
	j.volumes = chain
	if err := j.replayLast(ctx, chain, &mem, fn); err != nil {
		return err
	}
	return j.sweep(ctx, void, found.leftovers)
}

// admit asks the ledger whether the journal may go on.
func (j *Journal) admit(ctx context.Context, volumes []*volume) error {
	found := make([]journal.Begun, len(volumes))
	for i, v := range volumes {
		found[i] = v.begun()
	}
	admitted, err := j.cfg.Ledger.Admit(ctx, found)
	if err != nil {
		return err
	}
	j.admitted = admitted
	j.nextID = max(j.nextID, uint64(admitted.Above)+1)
	return nil
}

// unknown refuses a journal that has gone on in a volume that is not remembered. What
// is durable there before it is remembered is the pack in doubt of the one before it.
func (j *Journal) unknown(v *volume, tail tail) error {
	packs := v.lastSeq - v.header.PrevSeq
	if tail.doubt != nil {
		packs++
	}
	if j.admitted.Known == 0 || v.id <= j.admitted.Known || (packs <= 1 && !tail.clean) {
		return nil
	}
	return fmt.Errorf("%w: %s holds %d packs, and the newest volume that is remembered is %d",
		journal.ErrNewer, j.disk.Path(v.name()), packs, j.admitted.Known)
}

// inventory is what the folder holds.
type inventory struct {
	volumes   []*volume // by id
	leftovers []string  // of volumes that never began or were being deleted
}

func (j *Journal) inventory() (inventory, error) {
	entries, err := j.disk.List()
	if err != nil {
		return inventory{}, fmt.Errorf("journal: list %s: %w", j.cfg.Dir, err)
	}
	var inv inventory
	for _, e := range entries {
		if id, ok := parseName(e.Name, volumeSuffix); ok {
			j.nextID = max(j.nextID, id+1)
			v, err := j.readHeader(e.Name, id)
			if err != nil {
				return inv, err
			}
			inv.volumes = append(inv.volumes, v)
			continue
		}
		for _, suffix := range []string{tmpSuffix, deadSuffix} {
			if id, ok := parseName(e.Name, suffix); ok {
				j.nextID = max(j.nextID, id+1)
				inv.leftovers = append(inv.leftovers, e.Name)
			}
		}
	}
	slices.SortFunc(inv.volumes, func(a, b *volume) int { return int(a.id) - int(b.id) })
	return inv, nil
}

// readHeader opens a volume. A file under a volume's name has had a durable header.
func (j *Journal) readHeader(name string, id uint64) (*volume, error) {
	path := j.disk.Path(name)
	f, err := j.disk.Open(name)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	var b [pack.VolumeHeaderSize]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("journal: %w", err)
	}
	h, err := pack.DecodeVolumeHeader(b[:n])
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s at position 0: %w", journal.ErrDamaged, path, err)
	case h.Volume != id || h.Kind != pack.VolumeFile:
		return nil, fmt.Errorf("%w: %s at position 0: header of volume %d, kind %d", journal.ErrDamaged, path, h.Volume, h.Kind)
	case h.Cluster != j.cfg.ClusterID || h.Broker != j.cfg.Broker:
		return nil, fmt.Errorf("journal: %s belongs to broker %d of cluster %q, this is broker %d of cluster %q",
			path, h.Broker, h.Cluster, j.cfg.Broker, j.cfg.ClusterID)
	}
	return newVolume(h), nil
}

// chain orders the volumes by following each header to its predecessor, from the
// newest on. A volume that the chain jumps over is void: no pack of it was ever
// acknowledged, since appends begin only after the header that names it is durable
// (see begin and headerAfter). Volumes leave the oldest first, so a missing one with
// older ones behind it is a loss.
func (j *Journal) chain(volumes []*volume) (chain, void []*volume, err error) {
	for i := len(volumes) - 1; i >= 0; i-- {
		v := volumes[i]
		if len(chain) == 0 {
			chain = append(chain, v)
			continue
		}
		next := chain[len(chain)-1]
		mark := &next.header
		switch {
		case mark.Prev < uint64(v.id):
			void = append(void, v)
			continue
		case mark.Prev > uint64(v.id):
			return nil, nil, fmt.Errorf("%w: %s is missing: %s names it, and %s is older",
				journal.ErrDamaged, j.disk.Path(fileName(mark.Prev, volumeSuffix)), j.disk.Path(next.name()), j.disk.Path(v.name()))
		case mark.PrevNonce != v.nonce || mark.PrevSeq < v.header.PrevSeq:
			return nil, nil, fmt.Errorf("%w: %s at position 0: not the volume that %s follows",
				journal.ErrDamaged, j.disk.Path(v.name()), j.disk.Path(next.name()))
		}
		v.closed = true
		v.suspect = mark.Flags&pack.VolumePrevFailed != 0
		chain = append(chain, v)
	}
	slices.Reverse(chain)
	return chain, void, nil
}

// openScan opens a volume for reading it whole.
func (j *Journal) openScan(v *volume, mem *scanMemory) (*scanner, error) {
	f, err := j.disk.Open(v.name())
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	size, _, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), f.Close())
	}
	return newScanner(v, f, j.disk.Path(v.name()), size, mem), nil
}

// replayClosed reads a volume up to its end mark. Every pack up to there had been
// durable: whatever does not check is damage.
func (j *Journal) replayClosed(ctx context.Context, v *volume, mark *pack.VolumeHeader, mem *scanMemory, fn replayFunc) error {
	s, err := j.openScan(v, mem)
	if err != nil {
		return err
	}
	defer s.f.Close()
	for s.seq <= mark.PrevSeq {
		if err := ctx.Err(); err != nil {
			return err
		}
		ref, x, bad := s.next()
		if bad != nil {
			return s.damaged(bad.err, fmt.Sprintf("pack %d of a closed volume that ends with pack %d", s.seq, mark.PrevSeq))
		}
		if x.Header.Flags&pack.FlagCleanStop != 0 {
			return s.damaged(pack.ErrCorrupt, fmt.Sprintf("clean stop before pack %d", mark.PrevSeq))
		}
		v.extend(ref.Seq, x.Header.CRC, ref.Pos+ref.Len)
		if err := fn(ref, x); err != nil {
			return err
		}
	}
	if s.crc != mark.PrevCRC {
		return s.damaged(pack.ErrCorrupt, fmt.Sprintf("last pack has checksum %08x, the next volume says %08x", s.crc, mark.PrevCRC))
	}
	return nil
}

// replayLast reads the volume that was open, if there is one, and begins the next.
func (j *Journal) replayLast(ctx context.Context, chain []*volume, mem *scanMemory, fn replayFunc) error {
	if len(chain) == 0 {
		next, out, err := j.succeed(ctx, nil, 0, nil)
		if err == nil {
			j.adopt(next, out, nil, false)
		}
		return err
	}
	v := chain[len(chain)-1]
	tail, err := j.replayOpen(ctx, v, mem, fn)
	if err == nil {
		err = j.unknown(v, tail)
	}
	if err != nil {
		return err
	}
	flags := pack.VolumeFlags(0)
	if tail.clean {
		flags = pack.VolumePrevClean
	}
	next, out, err := j.succeed(ctx, v, flags, tail.doubt)
	if err != nil {
		return err
	}
	j.adopt(next, out, v, false)
	if tail.doubt == nil {
		return nil
	}
	tail.index.Header.Place = pack.Place{
		Volume: uint64(next.id), Nonce: next.nonce, Seq: tail.doubt.seq, PrevCRC: next.header.PrevCRC,
	}
	tail.index.Header.CRC = next.lastCRC
	ref := journal.Ref{
		Volume: next.id, Seq: tail.doubt.seq, Pos: pack.VolumeHeaderSize, Len: next.end() - pack.VolumeHeaderSize,
	}
	return fn(ref, tail.index)
}

// tail is how a volume without an end mark ends.
type tail struct {
	clean bool
	// doubt is the last whole pack when nothing lies behind it: nobody knows whether
	// its sync succeeded. A page cache shows a pack whose sync failed as whole, so it
	// counts only once it was written anew.
	doubt *firstPack
	index *pack.Index // of the pack in doubt
}

// replayOpen reads a volume without an end mark. Each pack is passed on when the next
// one, or what is left of it, proves that it had been durable.
func (j *Journal) replayOpen(ctx context.Context, v *volume, mem *scanMemory, fn replayFunc) (tail, error) {
	s, err := j.openScan(v, mem)
	if err != nil {
		return tail{}, err
	}
	defer s.f.Close()
	var held journal.Ref
	var index *pack.Index
	confirm := func() error {
		if index == nil {
			return nil
		}
		v.extend(held.Seq, index.Header.CRC, held.Pos+held.Len)
		return fn(held, index)
	}
	for s.pos < s.size {
		if err := ctx.Err(); err != nil {
			return tail{}, err
		}
		ref, x, bad := s.next()
		if bad != nil {
			if err := s.torn(bad); err != nil {
				return tail{}, err
			}
			j.cfg.Logger.Warn("journal: torn tail cut", zap.String("file", s.path), zap.Int64("position", s.pos),
				zap.Int64("bytes", s.size-s.pos), zap.Uint64("sequence", s.seq), zap.NamedError("reason", bad.err))
			return tail{}, confirm()
		}
		if err := confirm(); err != nil {
			return tail{}, err
		}
		if x.Header.Flags&pack.FlagCleanStop != 0 {
			if s.pos != s.size {
				return tail{}, s.damaged(pack.ErrCorrupt, "bytes behind the mark of a clean stop")
			}
			return tail{clean: true}, nil
		}
		held, index = ref, x
	}
	if index == nil {
		return tail{}, nil
	}
	b := make([]byte, held.Len)
	if got, err := s.f.ReadAt(b, held.Pos); got < len(b) {
		return tail{}, fmt.Errorf("journal: read pack %d of %s: %w", held.Seq, s.path, err)
	}
	return tail{doubt: &firstPack{seq: held.Seq, bufs: [][]byte{b}}, index: index}, nil
}

// sweep removes what is not part of the journal.
func (j *Journal) sweep(ctx context.Context, void []*volume, leftovers []string) error {
	for _, v := range void {
		j.cfg.Logger.Info("journal: void volume removed", zap.String("file", j.disk.Path(v.name())))
		leftovers = append(leftovers, v.name())
	}
	j.unsynced = j.unsynced || len(leftovers) > 0
	for _, name := range leftovers {
		if err := j.destroy(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
