package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// fold takes the sealed states of partitions forward over the packs of volumes that
// are being sealed, and notes which extents are worth keeping.
type fold struct {
	u        *Upkeep
	touched  map[pack.PartitionID]*folding
	deleted  map[pack.TopicID]bool
	lastTime int64 // ms; append time of the youngest batch
}

// folding is one partition on its way. A sealed partition's state is read from the
// store when its first entry comes.
type folding struct {
	state     partition.State
	from      metadata.State
	sealedEnd int64 // last offset that lies in a slice already, -1: none
	logStart  int64
}

func (u *Upkeep) newFold() *fold {
	return &fold{u: u, touched: make(map[pack.PartitionID]*folding), deleted: make(map[pack.TopicID]bool)}
}

// pack applies one pack of a volume. keep is called for each extent that lies above
// what the partition's slices hold already and above its log start.
func (f *fold) pack(ctx context.Context, pos int64, index *pack.Index, keep func(pack.PartitionID, pack.Extent, int64)) error {
	first := 0
	for id, x := range index.Extents(pos) {
		entries := index.Entries[first : first+int(x.IndexCount)]
		first += len(entries)
		if gone, err := f.gone(ctx, id.Topic); err != nil {
			return err
		} else if gone {
			continue
		}
		p, err := f.partition(ctx, id)
		if err != nil {
			return err
		}
		appendTime, err := p.apply(entries)
		if err != nil {
			return fmt.Errorf("%w: pack %d: %w", journal.ErrDamaged, index.Header.Seq, err)
		}
		f.lastTime = max(f.lastTime, appendTime)
		if x.LastOffset > p.sealedEnd && x.LastOffset >= p.logStart {
			keep(id, x, appendTime)
		}
	}
	return nil
}

// gone says whether the topic was deleted, with the same answer for a whole seal. A
// topic that neither exists nor was ever deleted is one that the metadata store has
// lost: its records are not thrown away.
func (f *fold) gone(ctx context.Context, topic pack.TopicID) (bool, error) {
	if gone, known := f.deleted[topic]; known {
		return gone, nil
	}
	gone := !f.u.cfg.Topics.Exists(topic)
	if gone {
		deleted, err := f.u.cfg.Store.Deleted(ctx, topic)
		if err != nil {
			return false, fmt.Errorf("ask for topic %x: %w", topic, err)
		}
		if !deleted {
			return false, fmt.Errorf("%w: the journal holds records of topic %x, which was never created here", ErrBehind, topic)
		}
	}
	f.deleted[topic] = gone
	return gone, nil
}

// apply folds entries, skipping what the state covers already: an internal partition
// may be ahead, and so may a seal that was interrupted. It returns the append time of
// the youngest entry.
func (p *folding) apply(entries []pack.Entry) (appendTime int64, err error) {
	appendTime = -1
	for i := range entries {
		e := &entries[i]
		appendTime = max(appendTime, e.AppendTime)
		if e.LastOffset() < p.state.NextOffset() {
			continue
		}
		if err := p.state.Apply(e, 0, 0); err != nil {
			return 0, err
		}
	}
	return appendTime, nil
}

func (f *fold) partition(ctx context.Context, id pack.PartitionID) (*folding, error) {
	if p := f.touched[id]; p != nil {
		return p, nil
	}
	store := f.u.cfg.Store
	slices, from, err := store.Partition(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read partition %v from the metadata store: %w", id, err)
	}
	p := &folding{from: from, sealedEnd: sealedEnd(slices)}
	if p.logStart, err = store.LogStart(ctx, id); err != nil {
		return nil, fmt.Errorf("read log start of %v: %w", id, err)
	}
	block, err := f.u.stateBlock(ctx, id, from)
	if err != nil {
		return nil, err
	}
	if block != nil {
		if err := p.state.UnmarshalBinary(block.Payload); err != nil {
			return nil, fmt.Errorf("%w: state of %v: %w", segment.ErrDamaged, id, err)
		}
	}
	p.state.SetNextOffset(from.NextOffset)
	f.touched[id] = p
	return p, nil
}

// stateBlock reads the block that a state row points at; nil if it has none.
func (u *Upkeep) stateBlock(ctx context.Context, id pack.PartitionID, row metadata.State) (*segment.State, error) {
	if row.BlockLen == 0 {
		return nil, nil
	}
	seg, err := u.cfg.Store.Segment(ctx, row.Block)
	if err != nil {
		return nil, fmt.Errorf("find the state block of %v: segment %d: %w", id, row.Block, err)
	}
	block, err := u.cfg.Index.State(ctx, seg, id, row.BlockPos, row.BlockLen)
	if err != nil {
		return nil, fmt.Errorf("read the state block of %v in %s: %w", id, seg.Key, err)
	}
	if block.NextOffset != row.NextOffset {
		return nil, fmt.Errorf("%w: state of %v in %s is that of offset %d, the store says %d",
			segment.ErrDamaged, id, seg.Key, block.NextOffset, row.NextOffset)
	}
	return &block, nil
}

// states gives the footer the new state of each partition that moved. Producers that
// were idle for longer than their expiry are left out.
func (f *fold) states(b *segment.FooterBuilder) error {
	before := int64(-1)
	if f.u.cfg.Now().Sub(f.u.began) >= expiryUptime {
		before = f.lastTime - int64(f.u.cfg.ProducerExpiry()/time.Millisecond)
	}
	for id, p := range f.touched {
		if p.state.NextOffset() == p.from.NextOffset {
			continue
		}
		p.state.ExpireProducers(before, 0)
		payload, err := p.state.MarshalBinary()
		if err != nil {
			return fmt.Errorf("state of %v: %w", id, err)
		}
		b.SetState(id, segment.State{NextOffset: p.state.NextOffset(), LeaderEpoch: p.leaderEpoch(), Payload: payload})
	}
	return nil
}

func (p *folding) leaderEpoch() int32 {
	if epochs := p.state.Epochs(); len(epochs) > 0 {
		return epochs[len(epochs)-1].Epoch
	}
	return p.from.LeaderEpoch
}

// sealedEnd is the last offset that lies in a slice, or -1.
func sealedEnd(slices []metadata.Slice) int64 {
	if n := len(slices); n > 0 {
		return slices[n-1].LastOffset
	}
	return -1
}
