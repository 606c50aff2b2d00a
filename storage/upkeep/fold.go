package upkeep

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// fold takes the sealed states of partitions forward over the packs of volumes that
// are being sealed, and plans which extents are worth keeping.
type fold struct {
	u       *Upkeep
	plan    *segment.Plan
	touched map[pack.PartitionID]*folding
	deleted map[pack.TopicID]bool

	parts   []*folding // of the pack at hand, in its order; nil: the topic is gone
	missing []int      // of those, which have to be loaded
}

// folding is one partition on its way. A sealed partition's state is read from the
// store when its first entry comes.
type folding struct {
	state partition.State
	from  metadata.Sealed
	plan  *segment.PlanPart
	// damaged: the sealed state cannot be read. The batches are sealed as they are, and
	// the store's row stays.
	damaged bool
}

func (u *Upkeep) newFold(plan *segment.Plan) *fold {
	return &fold{u: u, plan: plan, touched: make(map[pack.PartitionID]*folding), deleted: make(map[pack.TopicID]bool)}
}

// pack applies the pack at pos of src. Each extent that lies above what the
// partition's slices hold already and above its log start goes into the plan.
func (f *fold) pack(ctx context.Context, src segment.Source, pos int64, index *pack.Index) error {
	if err := f.open(ctx, index); err != nil {
		return err
	}
	first, n := 0, 0
	for _, x := range index.Extents(pos) {
		entries := index.Entries[first : first+int(x.IndexCount)]
		p := f.parts[n]
		first, n = first+len(entries), n+1
		if p == nil {
			continue
		}
		appendTime, err := p.apply(entries)
		if err != nil {
			return fmt.Errorf("%w: pack %d: %w", journal.ErrDamaged, index.Header.Seq, err)
		}
		if x.LastOffset > p.from.LastOffset && x.LastOffset >= p.from.LogStart {
			p.plan.Add(src, x, appendTime)
		}
	}
	return nil
}

// open fills f.parts with the partitions of a pack, loading those that come for the
// first time together.
func (f *fold) open(ctx context.Context, index *pack.Index) error {
	f.parts, f.missing = f.parts[:0], f.missing[:0]
	var ids []pack.PartitionID // of the missing ones
	for i := range index.Entries {
		id := index.Entries[i].ID
		if i > 0 && id == index.Entries[i-1].ID {
			continue
		}
		p := f.touched[id]
		if p == nil {
			gone, err := f.gone(ctx, id.Topic)
			if err != nil {
				return err
			}
			if !gone {
				f.missing, ids = append(f.missing, len(f.parts)), append(ids, id)
			}
		}
		f.parts = append(f.parts, p)
	}
	if len(ids) == 0 {
		return nil
	}
	loaded, err := f.load(ctx, ids)
	if err != nil {
		return err
	}
	for i, p := range loaded {
		f.parts[f.missing[i]], f.touched[ids[i]] = p, p
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
		if p.damaged || e.LastOffset() < p.state.NextOffset() {
			continue
		}
		p.state.Bridge(e.BaseOffset, max(p.from.LogStart, p.from.LastOffset+1))
		if err := p.state.Apply(e, 0, 0); err != nil {
			return 0, err
		}
	}
	return appendTime, nil
}

// load begins the partitions with their sealed states.
func (f *fold) load(ctx context.Context, ids []pack.PartitionID) ([]*folding, error) {
	sealed, err := f.u.cfg.Store.Sealed(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %d partitions from the metadata store: %w", len(ids), err)
	}
	out := make([]*folding, len(ids))
	bySegment := make(map[metadata.SegmentID][]int)
	for i := range out {
		out[i] = &folding{from: sealed[i], plan: f.plan.Part(ids[i])}
		if row := &sealed[i].State; row.BlockLen > 0 {
			bySegment[row.Block] = append(bySegment[row.Block], i)
		}
	}
	for block, at := range bySegment {
		if err := f.loadBlocks(ctx, block, at, out); err != nil {
			return nil, err
		}
	}
	for _, p := range out {
		p.state.SetNextOffset(p.from.State.NextOffset)
	}
	return out, nil
}

// loadBlocks reads the state blocks of the partitions at the places at, all of which
// lie in one segment.
func (f *fold) loadBlocks(ctx context.Context, id metadata.SegmentID, at []int, out []*folding) error {
	rows := make([]metadata.State, len(at))
	for i, n := range at {
		rows[i] = out[n].from.State
	}
	blocks, err := f.u.stateBlocks(ctx, id, rows)
	if err != nil && !unreadable(err) {
		return err
	}
	for i, n := range at {
		if err == nil && out[n].state.UnmarshalBinary(blocks[i].Payload) == nil {
			continue
		}
		// One of them does not check: each by itself.
		b, err := f.u.stateBlock(ctx, rows[i])
		if err == nil {
			err = out[n].state.UnmarshalBinary(b.Payload)
		}
		if unreadable(err) {
			f.u.skip("seal its state", rows[i].ID, err)
			out[n].damaged, err = true, nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// states gives the footer the new state of each partition that moved. Producers that
// were idle for longer than their expiry are left out.
func (f *fold) states() error {
	before := f.u.cfg.Log.ExpiredBefore()
	for id, p := range f.touched {
		if p.damaged || p.state.NextOffset() == p.from.State.NextOffset {
			continue
		}
		p.state.ExpireProducers(before, 0, nil)
		if n := p.state.Trim(f.u.cfg.StateBytesMax); n > 0 {
			f.u.metrics.trimmed.Add(float64(n))
			f.u.logger.Warn("more producers in a partition than a state block holds: those that were idle for longest are forgotten at the next start",
				zap.Stringer("partition", id), zap.Int("forgotten", n), zap.Int("kept", p.state.Producers()))
		}
		payload, err := p.state.MarshalBinary()
		if err != nil {
			return fmt.Errorf("state of %v: %w", id, err)
		}
		f.plan.Footer.SetState(id, segment.State{NextOffset: p.state.NextOffset(), LeaderEpoch: p.leaderEpoch(), Payload: payload})
		if t, has := p.transactions(); has {
			f.plan.Footer.SetTransactions(id, t)
		}
	}
	return nil
}

// transactions is what the footer says about the partition's transactions: which were
// aborted by what was folded, and from where on it is not decided. Without either it
// says nothing.
func (p *folding) transactions() (t segment.Transactions, has bool) {
	t.Aborted = p.state.Settle(0)
	t.LastStable = min(p.state.FirstUnstable(0), p.state.NextOffset())
	return t, len(t.Aborted) > 0 || t.LastStable < p.state.NextOffset()
}

func (p *folding) leaderEpoch() int32 {
	if epochs := p.state.Epochs(); len(epochs) > 0 {
		return epochs[len(epochs)-1].Epoch
	}
	return p.from.State.LeaderEpoch
}

// sealedEnd is the last offset that lies in a slice, or -1.
func sealedEnd(slices []metadata.Slice) int64 {
	if n := len(slices); n > 0 {
		return slices[n-1].LastOffset
	}
	return -1
}
