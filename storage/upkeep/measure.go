package upkeep

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// liftState is what the lift remembers between its looks at the internal topics. It
// is guarded by Upkeep.registering.
type liftState struct {
	stale  bool      // slices of internal partitions changed: all are read again
	listed time.Time // when parts were asked for
	parts  map[pack.PartitionID]*liftPart
	lifted map[metadata.SegmentID]bool // segments seen, and whether they are lifted ones
	blocks map[pack.PartitionID]block
	left   map[pack.PartitionID]time.Time // could not be lifted then
}

// liftPart is how much of an internal partition lies where, in bytes.
type liftPart struct {
	id     pack.PartitionID
	debt   *Debt
	known  bool  // shared and live have been read
	sealed int64 // in shared segments
	live   int64 // in lifted ones
	open   int64 // in the journal alone
	shared []metadata.Slice
}

func (p *liftPart) pending() int64 { return p.sealed + p.open }

// look measures what a lift could take: nothing above the last stable offset, so that
// a transaction that stays open for long causes no lift after the other.
func (p *liftPart) look(log Log) {
	var stable int64
	p.open, stable = log.Liftable(p.id)
	p.sealed = 0
	for i := range p.shared {
		if p.shared[i].LastOffset < stable {
			p.sealed += p.shared[i].Bytes
		}
	}
}

// block is a state block as last read or written, with the row that points at it.
type block struct {
	row   metadata.State
	state segment.State
}

// measure finds out how many bytes of internal partitions lie outside lifted
// segments: in the open journal, which is asked each time, and in sealed slices, which
// are read again only when they changed. It tells the debts, and returns the partitions
// that are worth a lift; none if no lift is due.
func (u *Upkeep) measure(ctx context.Context) ([]pack.PartitionID, error) {
	u.listInternal()
	var all int64
	var due []pack.PartitionID
	for _, d := range u.cfg.Debts.all() {
		mark := d.mark()
		var parts []*liftPart
		var pending, live int64
		for _, p := range u.lift.parts {
			if p.debt != d {
				continue
			}
			if !p.known {
				if err := u.measureSealed(ctx, p); err != nil {
					return nil, err
				}
			}
			p.look(u.cfg.Log)
			pending += p.pending()
			live += p.live
			if p.pending() > 0 {
				parts = append(parts, p)
			}
		}
		all += pending
		if d.measured(mark, pending, live) {
			due = append(due, worthLifting(parts, pending, d.allowance.due/4)...)
		}
	}
	u.metrics.liftPending.Set(float64(all))
	return due, nil
}

// listInternal brings the list of internal partitions up to date: at most once per
// LiftInterval, since it means going through all topics.
func (u *Upkeep) listInternal() {
	now := u.cfg.Now()
	if age := now.Sub(u.lift.listed); u.lift.parts != nil && !u.lift.stale && age >= 0 && age < u.cfg.LiftInterval {
		return
	}
	parts := make(map[pack.PartitionID]*liftPart)
	for _, p := range u.internal() {
		if u.isLeft(p.id) {
			continue
		}
		if old := u.lift.parts[p.id]; old != nil && !u.lift.stale {
			p = old
		}
		parts[p.id] = p
	}
	u.lift.parts, u.lift.listed, u.lift.stale = parts, now, false
}

func (u *Upkeep) measureSealed(ctx context.Context, p *liftPart) error {
	slices, _, err := u.cfg.Store.Partition(ctx, p.id)
	if err != nil {
		return fmt.Errorf("read partition %v from the metadata store: %w", p.id, err)
	}
	p.shared, p.live = nil, 0
	for i := range slices {
		lifted, err := u.isLifted(ctx, slices[i].Segment)
		if err != nil {
			return err
		}
		if lifted {
			p.live += slices[i].Bytes
		} else {
			p.shared = append(p.shared, slices[i])
		}
	}
	p.known = true
	return nil
}

// worthLifting picks of partitions with pending bytes until little is left outside:
// first those where most bytes go for each byte that is written, so that one with few
// changes and much that is live is not rewritten each time that another is busy.
func worthLifting(parts []*liftPart, pending, little int64) []pack.PartitionID {
	const overhead = 4 << 10 // of a partition in a segment, more or less
	gain := func(p *liftPart) float64 {
		return float64(p.pending()) / float64(p.pending()+p.live+overhead)
	}
	slices.SortFunc(parts, func(a, b *liftPart) int { return cmp.Compare(gain(b), gain(a)) })
	var ids []pack.PartitionID
	rest := pending
	for _, p := range parts {
		if rest <= little && len(ids) > 0 {
			break
		}
		ids = append(ids, p.id)
		rest -= p.pending()
	}
	return ids
}

func (u *Upkeep) isLifted(ctx context.Context, id metadata.SegmentID) (bool, error) {
	if lifted, known := u.lift.lifted[id]; known {
		return lifted, nil
	}
	seg, err := u.cfg.Store.Segment(ctx, id)
	if err != nil {
		return false, fmt.Errorf("segment %d: %w", id, err)
	}
	lifted := strings.HasPrefix(seg.Key, liftedPrefix)
	u.noteSegment(id, lifted)
	return lifted, nil
}

func (u *Upkeep) noteSegment(id metadata.SegmentID, lifted bool) {
	if u.lift.lifted == nil || len(u.lift.lifted) > 10_000 {
		u.lift.lifted = make(map[metadata.SegmentID]bool)
	}
	u.lift.lifted[id] = lifted
}

// internal lists the partitions of the coordinators' topics.
func (u *Upkeep) internal() []*liftPart {
	var parts []*liftPart
	for _, t := range u.cfg.Topics.List() {
		if t.Owner == Clients {
			continue
		}
		for i := range t.Partitions {
			parts = append(parts, &liftPart{id: pack.PartitionID{Topic: t.ID, Partition: i}, debt: u.cfg.Debts.of(t.Owner)})
		}
	}
	return parts
}
