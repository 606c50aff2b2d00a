package upkeep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"

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
			done, err := u.cfg.Store.Registered(ctx, uint64(v.ID))
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

// slicesOf finds the slices that hold what is left of a registered volume.
func (u *Upkeep) slicesOf(ctx context.Context, v journal.Info) ([]metadata.Slice, error) {
	if v.LastSeq < v.FirstSeq {
		return nil, nil
	}
	c, err := u.openContents(ctx, v)
	if err != nil {
		return nil, err
	}
	ends := make(map[pack.PartitionID]int64)
	err = c.packs(ctx, func(pos int64, index *pack.Index) error {
		for id, x := range index.Extents(pos) {
			ends[id] = x.LastOffset
		}
		return nil
	})
	if err = errors.Join(err, c.close()); err != nil {
		return nil, err
	}
	var found []metadata.Slice
	for id, end := range ends {
		slices, _, err := u.cfg.Store.Partition(ctx, id)
		if errors.Is(err, metadata.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, s := range slices {
			if s.LastOffset >= end {
				found = append(found, s)
				break
			}
		}
	}
	return found, nil
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
	reg := metadata.Registration{Segment: metadata.Segment{Key: key, Bytes: size}, Journal: uint64(last.ID)}
	for _, v := range group[:len(group)-1] {
		reg.Merged = append(reg.Merged, uint64(v.ID))
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
	f := u.newFold()
	for _, v := range group {
		c, err := u.openContents(ctx, v)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, c.close()) }()
		err = c.packs(ctx, func(pos int64, index *pack.Index) error {
			return f.pack(ctx, pos, index, func(id pack.PartitionID, x pack.Extent, appendTime int64) {
				plan.Add(c.src, id, x, appendTime)
			})
		})
		if err != nil {
			return 0, err
		}
	}
	if err := f.states(&plan.Footer); err != nil {
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

// store puts the segment into the bucket: by a link to the journal's own file where
// that is possible, else by one sorted upload. The intent comes first, so that an
// object without a registration is found and swept.
func (u *Upkeep) store(ctx context.Context, key string, group []journal.Info, plan *segment.Plan) (int64, error) {
	if err := u.cfg.Seam("intend"); err != nil {
		return 0, err
	}
	if err := u.cfg.Store.Intend(ctx, key); err != nil {
		return 0, fmt.Errorf("intend %s: %w", key, err)
	}
	if len(group) == 1 && u.adopts() {
		size, err := u.adopt(ctx, key, group[0], plan)
		if !errors.Is(err, errors.ErrUnsupported) {
			return size, err
		}
		u.metrics.copied.Inc()
	}
	return u.upload(ctx, key, plan)
}

// adopt appends the footer to the volume's file and links the file into the bucket.
func (u *Upkeep) adopt(ctx context.Context, key string, v journal.Info, plan *segment.Plan) (int64, error) {
	footer, err := plan.FooterInPlace(v.Bytes)
	if err != nil {
		return 0, err
	}
	if err := u.cfg.Seam("footer"); err != nil {
		return 0, err
	}
	path, err := u.cfg.Journal.(footered).Footer(ctx, v.ID, footer)
	if err != nil {
		return 0, fmt.Errorf("write footer: %w", err)
	}
	if err := u.cfg.Seam("adopt"); err != nil {
		return 0, err
	}
	if err := bucket.Adopt(ctx, u.cfg.Bucket, key, path); err != nil {
		return 0, fmt.Errorf("adopt as %s: %w", key, err)
	}
	info, err := u.cfg.Bucket.Stat(ctx, key)
	return info.Size, err
}

// upload writes a planned segment and makes sure that it arrived.
func (u *Upkeep) upload(ctx context.Context, key string, plan *segment.Plan) (int64, error) {
	plan.Footer.Head.Flags |= segment.FlagSorted
	object, err := plan.Build()
	if err != nil {
		return 0, err
	}
	if err := u.cfg.Seam("upload"); err != nil {
		return 0, err
	}
	err = u.cfg.Bucket.Create(ctx, key, bucket.Body{Size: object.Size(), Open: object.Open})
	if err != nil && !errors.Is(err, bucket.ErrExists) {
		return 0, fmt.Errorf("upload %s: %w", key, err)
	}
	return object.Size(), u.verify(ctx, key, object)
}

// verify compares size and footer of what lies under key with what was sent. The key
// has a random part, objects are stored whole or not at all, and each batch was
// checked on its way: what has this footer at this place is that object.
func (u *Upkeep) verify(ctx context.Context, key string, object *segment.Object) (err error) {
	info, err := u.cfg.Bucket.Stat(ctx, key)
	if err != nil {
		return err
	}
	if info.Size != object.Size() {
		return fmt.Errorf("upload %s: %d bytes arrived of %d", key, info.Size, object.Size())
	}
	want := object.Footer()
	r, err := u.cfg.Bucket.Get(ctx, key, info.Size-int64(len(want)), int64(len(want)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	got, err := io.ReadAll(r)
	if err == nil && string(got) != string(want) {
		err = fmt.Errorf("upload %s: another object lies there", key)
	}
	return err
}

// registerSealed registers a segment and switches readers to it.
func (u *Upkeep) registerSealed(ctx context.Context, group []journal.Info, reg metadata.Registration) error {
	footer, err := u.openFooter(ctx, reg.Segment.Key, reg.Segment.Bytes)
	if err != nil {
		return err
	}
	if h, last := footer.Head(), group[len(group)-1]; h.FirstVolume != uint64(group[0].ID) || h.LastVolume != uint64(last.ID) ||
		h.FirstSeq != group[0].FirstSeq || h.LastSeq != last.LastSeq {
		return fmt.Errorf("%w: %s holds volumes %d to %d, packs %d to %d", segment.ErrDamaged, reg.Segment.Key,
			h.FirstVolume, h.LastVolume, h.FirstSeq, h.LastSeq)
	}
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	if err := u.sealedRows(ctx, footer, &reg); err != nil {
		return err
	}
	id, err := u.register(ctx, reg)
	if err != nil {
		return err
	}
	for i := range reg.Slices {
		reg.Slices[i].Segment = id
	}
	if err := u.cfg.Seam("switch"); err != nil {
		return err
	}
	for _, v := range group {
		u.cfg.Log.VolumeSealed(v.ID, reg.Slices)
	}
	u.lift.stale = true
	return nil
}

// register is Store.Register behind its seam.
func (u *Upkeep) register(ctx context.Context, reg metadata.Registration) (metadata.SegmentID, error) {
	if err := u.cfg.Seam("register"); err != nil {
		return 0, err
	}
	id, err := u.cfg.Store.Register(ctx, reg)
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", reg.Segment.Key, err)
	}
	return id, nil
}

// sealedRows makes the rows of a sealed segment from its own footer, so that what is
// registered is what lies there, also when an earlier attempt wrote the footer. What
// a lift or the log start has overtaken is left out.
func (u *Upkeep) sealedRows(ctx context.Context, footer *segment.Reader, reg *metadata.Registration) error {
	for i := range footer.Len() {
		p := footer.Part(i)
		slices, state, err := u.cfg.Store.Partition(ctx, p.ID)
		if err != nil {
			return fmt.Errorf("read partition %v from the metadata store: %w", p.ID, err)
		}
		logStart, err := u.cfg.Store.LogStart(ctx, p.ID)
		if err != nil {
			return fmt.Errorf("read log start of %v: %w", p.ID, err)
		}
		if p.StateLen > 0 && p.NextOffset >= state.NextOffset {
			reg.States = append(reg.States, metadata.State{
				ID: p.ID, NextOffset: p.NextOffset, LeaderEpoch: p.LeaderEpoch,
				BlockPos: p.StatePos, BlockLen: p.StateLen,
			})
		}
		s, err := sliceOf(footer, p, sealedEnd(slices)+1)
		if err != nil {
			return err
		}
		if s.Bytes > 0 && s.LastOffset >= logStart {
			reg.Slices = append(reg.Slices, s)
		}
	}
	return nil
}

// sliceOf makes the row of what a segment holds of a partition from offset on. Packs
// end where slices do, so an extent lies on one side whole.
func sliceOf(footer *segment.Reader, p segment.Part, offset int64) (metadata.Slice, error) {
	s := metadata.Slice{
		ID: p.ID, BaseOffset: p.BaseOffset, LastOffset: p.LastOffset,
		Bytes: p.Bytes, MaxTimestamp: p.MaxTimestamp, AppendTime: p.AppendTime,
	}
	if p.Extents == 0 || p.BaseOffset >= offset {
		return s, nil
	}
	xs, err := footer.Extents(p.ID)
	if err != nil {
		return s, err
	}
	s.BaseOffset, s.Bytes, s.MaxTimestamp = offset, 0, -1
	for i := segment.Search(xs, offset); i < len(xs); i++ {
		s.Bytes += xs[i].DataLen
		s.MaxTimestamp = max(s.MaxTimestamp, xs[i].MaxTimestamp)
	}
	return s, nil
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
	}
	return nil
}

// openFooter reads the footer of an object.
func (u *Upkeep) openFooter(ctx context.Context, key string, size int64) (*segment.Reader, error) {
	r, err := segment.Open(objectReader{ctx, u.cfg.Bucket, key}, size)
	if err != nil {
		return nil, fmt.Errorf("read the footer of %s: %w", key, err)
	}
	return r, nil
}

// objectReader reads an object of the bucket by position.
type objectReader struct {
	ctx    context.Context
	bucket bucket.Bucket
	key    string
}

// ReadAt fills p or fails.
func (r objectReader) ReadAt(p []byte, off int64) (n int, err error) {
	body, err := r.bucket.Get(r.ctx, r.key, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadFull(body, p)
}

// uploads are the keys that this process is about to register: the sweeper leaves
// their intents alone however long an upload takes.
type uploads struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

// begin adds a key; the function that it returns removes it.
func (x *uploads) begin(key string) func() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.keys == nil {
		x.keys = make(map[string]struct{})
	}
	x.keys[key] = struct{}{}
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.keys, key)
	}
}

func (x *uploads) has(key string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.keys[key]
	return ok
}
