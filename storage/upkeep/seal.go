package upkeep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// Where objects lie. A key is made of what is in it and a random part: it is never
// used twice, so that a late upload cannot stand in for another.
const (
	segmentPrefix = "segment/"
	liftedPrefix  = "lifted/"
	statesPrefix  = "states/"
)

func newKey(prefix string, number uint64) string {
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%s%016x-%x", prefix, number, nonce)
}

// footered is implemented by a journal whose closed volumes are local files.
type footered interface {
	// Footer appends footer to a closed volume durably and returns the file's path. A
	// volume that has a footer keeps it. errors.ErrUnsupported if the file cannot be
	// written any more.
	Footer(ctx context.Context, volume journal.VolumeID, footer []byte) (path string, err error)
}

// Seal registers every closed volume of the journal as a segment, oldest first, and
// lets the journal go of it. It may be stopped anywhere and called again.
func (u *Upkeep) Seal(ctx context.Context) error {
	for {
		group, err := u.closedVolumes(ctx)
		if err != nil || len(group) == 0 {
			return err
		}
		if err := u.sealVolumes(ctx, group); err != nil {
			return fmt.Errorf("seal journal volume %d: %w", group[0].ID, err)
		}
	}
}

// closedVolumes returns the oldest volumes that are to be sealed into one segment.
// On the way it releases those that need no seal: empty ones, and those whose seal
// was interrupted after its registration.
func (u *Upkeep) closedVolumes(ctx context.Context) ([]journal.Info, error) {
	var group []journal.Info
	var bytes int64
	for _, v := range u.cfg.Journal.Volumes() {
		if !v.Closed {
			break
		}
		if v.LastSeq >= v.FirstSeq {
			done, err := u.cfg.Store.Registered(ctx, rowOf(v))
			if err != nil {
				return nil, fmt.Errorf("ask for journal volume %d: %w", v.ID, err)
			}
			if !done {
				if len(group) > 0 && (u.adopts() || bytes+v.Bytes > u.cfg.SealBytesMax) {
					break
				}
				group = append(group, v)
				bytes += v.Bytes
				continue
			}
		}
		if len(group) > 0 {
			break
		}
		if err := u.finishSealed(ctx, v); err != nil {
			return nil, fmt.Errorf("release journal volume %d: %w", v.ID, err)
		}
	}
	return group, nil
}

// rowOf is how the metadata store knows a volume.
func rowOf(v journal.Info) metadata.Volume {
	return metadata.Volume{Number: uint64(v.ID), Nonce: v.Nonce}
}

// adopts says whether a volume can become a segment as it is.
func (u *Upkeep) adopts() bool {
	_, ok := u.cfg.Journal.(footered)
	return ok && bucket.Local(u.cfg.Bucket)
}

// finishSealed does what is left of a seal once it is registered. The log may have
// heard of it or not.
func (u *Upkeep) finishSealed(ctx context.Context, v journal.Info) error {
	if err := u.switchReaders(ctx, v); err != nil {
		return err
	}
	return u.release(ctx, []journal.Info{v})
}

func (u *Upkeep) switchReaders(ctx context.Context, v journal.Info) error {
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	slices, err := u.slicesOf(ctx, v)
	if err != nil {
		return err
	}
	u.cfg.Log.VolumeSealed(v.ID, slices)
	return nil
}

// sealVolumes makes one segment of the volumes and registers it.
func (u *Upkeep) sealVolumes(ctx context.Context, group []journal.Info) error {
	began := u.cfg.Now()
	last := group[len(group)-1]
	key := newKey(segmentPrefix, uint64(last.ID))
	defer u.uploads.begin(key)()
	size, err := u.storeVolumes(ctx, key, group)
	if err != nil {
		return err
	}
	reg := metadata.Registration{Segment: metadata.Segment{Key: key, Bytes: size}}
	for _, v := range group {
		reg.Volumes = append(reg.Volumes, rowOf(v))
	}
	if err := u.registerSealed(ctx, group, reg); err != nil {
		return err
	}
	if err := u.release(ctx, group); err != nil {
		return err
	}
	took := u.cfg.Now().Sub(began)
	u.metrics.sealed(size, took)
	u.logger.Debug("sealed", zap.String("key", key), zap.Int64("bytes", size), zap.Duration("took", took))
	return nil
}

// storeVolumes folds the volumes and puts them into the bucket as one segment. It
// returns the segment's size.
func (u *Upkeep) storeVolumes(ctx context.Context, key string, group []journal.Info) (size int64, err error) {
	last := group[len(group)-1]
	plan := &segment.Plan{Volume: u.volumeHeader(uint64(last.ID))}
	plan.Footer.Head = segment.Head{
		FirstVolume: uint64(group[0].ID), LastVolume: uint64(last.ID),
		FirstSeq: group[0].FirstSeq, LastSeq: last.LastSeq,
	}
	f := u.newFold(plan)
	for _, v := range group {
		c, err := u.openContents(ctx, v)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, c.close()) }()
		src := plan.Source(c.src)
		err = c.packs(ctx, func(pos int64, index *pack.Index) error {
			return f.pack(ctx, src, pos, index)
		})
		if err != nil {
			return 0, err
		}
	}
	if err := f.states(); err != nil {
		return 0, err
	}
	return u.store(ctx, key, group, plan)
}

func (u *Upkeep) volumeHeader(number uint64) pack.VolumeHeader {
	h := pack.VolumeHeader{
		Kind:      pack.VolumeSegment,
		Cluster:   u.cfg.Start.ClusterID,
		Broker:    u.cfg.Broker,
		Volume:    number,
		CreatedAt: u.cfg.Now().UnixMilli(),
	}
	_, _ = rand.Read(h.Nonce[:])
	return h
}

// release lets the journal go of registered volumes, after the bucket has seen that
// the store knows them.
func (u *Upkeep) release(ctx context.Context, group []journal.Info) error {
	if err := u.cfg.Seam("witness"); err != nil {
		return err
	}
	if err := u.witness.Advance(ctx); err != nil {
		return err
	}
	for _, v := range group {
		if err := u.cfg.Seam("release"); err != nil {
			return err
		}
		if err := u.cfg.Journal.Release(ctx, v.ID); err != nil {
			return err
		}
		u.cfg.Log.VolumesReleased()
	}
	return nil
}
