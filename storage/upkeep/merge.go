package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/merge"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Merging are the settings of merging.
type Merging struct {
	Enabled bool
	// Wait is for how long a few small pieces wait for more, merge.wait.ms.
	Wait time.Duration
	// BytesPerSecond bounds what merges and compactions read and write together.
	BytesPerSecond float64
}

// Why slices are moved, as metrics say it.
const (
	reasonSmall = "small" // to be joined with neighbours
	reasonDead  = "dead"  // out of an object with mostly dead data
)

const (
	// mergedPrefix is where merges write what no compaction has written.
	mergedPrefix = "merged/"
	// From so many bytes on a slice is left alone. A request costs a remote store more than
	// moving what it brings; in a folder the default is to write once.
	enoughRemote = 32 << 20
	enoughLocal  = 4 << 20
	// spoolRemote and spoolLocal are how much is moved at a time, through a spool file: what
	// neighbouring partitions have in one object is then read at once.
	spoolRemote = 2 << 30
	spoolLocal  = merge.ObjectBytes
	// looksMax is how many partitions' slices a pass reads.
	looksMax = 1000
)

// mergeState is what merging remembers between its passes. All of it can be lost.
type mergeState struct {
	// The pass's own: what each partition waits for, zero for one to be looked at; up to
	// where the partitions of the store were listed since the start; and those that are left
	// as they are until the restart.
	parts  map[pack.PartitionID]merge.Wait
	after  pack.PartitionID
	listed bool
	left   map[pack.PartitionID]struct{}
	// When segments with dead data were last looked for.
	sparseAt time.Time
	unsure   unsure

	mu     sync.Mutex
	sealed map[pack.PartitionID]merge.Wait // slices and bytes since the last pass
}

// noteSealed counts new slices that are small. Any goroutine calls it.
func (m *mergeState) noteSealed(list []metadata.Slice, enough int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sealed == nil {
		m.sealed = make(map[pack.PartitionID]merge.Wait)
	}
	for i := range list {
		if s := &list[i]; s.Bytes < enough {
			n := m.sealed[s.ID]
			m.sealed[s.ID] = merge.Wait{Slices: n.Slices + 1, Bytes: n.Bytes + s.Bytes}
		}
	}
}

// take counts what was sealed since the last pass.
func (m *mergeState) take() {
	m.mu.Lock()
	sealed := m.sealed
	m.sealed = nil
	m.mu.Unlock()
	if m.parts == nil {
		m.parts = make(map[pack.PartitionID]merge.Wait)
	}
	for id, n := range sealed {
		w := m.parts[id] // zero for a new one: it is looked at
		w.Slices, w.Bytes = w.Slices-n.Slices, w.Bytes-n.Bytes
		m.parts[id] = w
	}
}

// again has the next pass look at a partition.
func (m *mergeState) again(id pack.PartitionID) {
	if m.parts == nil {
		m.parts = make(map[pack.PartitionID]merge.Wait)
	}
	m.parts[id] = merge.Wait{}
}

// enough is from which size on slices are left alone.
func (u *Upkeep) enough() int64 {
	switch {
	case u.cfg.MergeEnough > 0:
		return u.cfg.MergeEnough
	case bucket.Local(u.cfg.Bucket):
		return enoughLocal
	}
	return enoughRemote
}

// Merge joins small neighbouring slices of partitions into larger ones: one pass.
func (u *Upkeep) Merge(ctx context.Context) error {
	if err := u.tellAgain(ctx, &u.merge.unsure, u.cfg.Log.Merged); err != nil {
		return err
	}
	o := u.cfg.Merging()
	if !o.Enabled {
		return nil
	}
	runs, err := u.mergeable(ctx, &o)
	if err != nil {
		return err
	}
	if err := u.moveAll(ctx, mergedPrefix, runs, &o); err != nil {
		return err
	}
	return u.emptySparse(ctx, &o)
}

// mergeable looks at the partitions that may have something to join.
func (u *Upkeep) mergeable(ctx context.Context, o *Merging) (runs []merge.Part[*move], err error) {
	m := &u.merge
	m.take()
	if err := u.listMergeable(ctx); err != nil {
		return nil, err
	}
	now := u.cfg.Now().UnixMilli()
	topics := make(map[metadata.TopicID]Topic)
	for _, t := range u.cfg.Topics.List() {
		topics[t.ID] = t
	}
	var due []pack.PartitionID
	for id, w := range m.parts {
		t, exists := topics[id.Topic]
		if _, left := m.left[id]; left || !exists || !t.merges() {
			delete(m.parts, id)
		} else if w.Slices <= 0 || w.Bytes <= 0 || w.At > 0 && w.At <= now {
			due = append(due, id)
		}
	}
	// Neighbours are looked at together, since they lie together.
	slices.SortFunc(due, pack.PartitionID.Compare)
	for _, id := range due[:min(len(due), looksMax)] {
		list, _, err := u.cfg.Store.Partition(ctx, id)
		if err != nil {
			return nil, err
		}
		t := topics[id.Topic]
		rules := t.mergeRules(u.enough(), o.Wait)
		if t.Compact {
			if rules.From, list, err = u.uncompacted(ctx, id, list); err != nil {
				return nil, err
			}
		}
		found, wait := merge.Due(list, rules, now)
		m.parts[id] = wait
		for _, r := range found {
			runs = append(runs, merge.Part[*move]{ID: id, Bytes: r.Bytes, Of: &move{id: id, was: r.Slices, level: r.Level, reason: reasonSmall}})
		}
	}
	return runs, nil
}

// listMergeable finds what earlier processes have left, a page with each pass: seals tell of
// what is new.
func (u *Upkeep) listMergeable(ctx context.Context) error {
	m := &u.merge
	if m.listed {
		return nil
	}
	page, err := u.cfg.Store.Oldest(ctx, m.after, oldestPage)
	if err != nil {
		return err
	}
	for i := range page {
		m.after = page[i].First.ID
		if page[i].Slices > 1 {
			m.parts[m.after] = merge.Wait{}
		}
	}
	m.listed = len(page) < oldestPage
	return nil
}

// merges says whether slices of the topic are joined. What coordinators write is lifted.
func (t *Topic) merges() bool { return t.Owner == Clients }

// uncompacted returns where the compacted part of a partition ends, which compactions rewrite
// anyway, and those of its slices in which all is decided: joined with others they would
// keep these from being compacted.
func (u *Upkeep) uncompacted(ctx context.Context, id pack.PartitionID, list []metadata.Slice) (from int64, decided []metadata.Slice, err error) {
	for i := range list {
		compacted, err := u.isCompacted(ctx, list[i].Segment)
		if err != nil {
			return 0, nil, err
		}
		if !compacted {
			break
		}
		from = list[i].LastOffset + 1
	}
	_, stable := u.cfg.Log.Liftable(id)
	n := len(list)
	for n > 0 && list[n-1].LastOffset >= stable {
		n--
	}
	return from, list[:n], nil
}

// mergeRules are the bounds on slices of a topic's partitions. Retention takes slices whole,
// so one spans an eighth of what the topic keeps at most: nothing goes later than Kafka
// would let it go with its segments.
func (t *Topic) mergeRules(enough int64, wait time.Duration) merge.Rules {
	r := merge.Rules{Enough: enough, WaitMs: wait.Milliseconds(), BytesMax: math.MaxInt64, SpanMax: math.MaxInt64, RetentionMs: -1}
	if t.SegmentBytes > 0 {
		r.BytesMax = t.SegmentBytes
	}
	if t.SegmentMs > 0 {
		r.SpanMax = t.SegmentMs
	}
	if t.Delete && t.RetentionBytes >= 0 {
		r.BytesMax = min(r.BytesMax, t.RetentionBytes/8)
	}
	if t.Delete && t.RetentionMs >= 0 {
		r.SpanMax, r.RetentionMs = min(r.SpanMax, t.RetentionMs/8), t.RetentionMs
	}
	if t.Compact && t.MinCompactionLagMs > 0 {
		r.SpanMax = min(r.SpanMax, t.MinCompactionLagMs/8) // the youngest record holds back all
	}
	return r
}

// spoolMax is how many bytes are moved at a time.
func (u *Upkeep) spoolMax() int64 {
	if bucket.Local(u.cfg.Bucket) {
		return spoolLocal
	}
	return spoolRemote
}

// moveAll moves slices to objects under prefix, as much at a time as the spool may hold. What
// one object's worth comes to does not keep the others from being done.
func (u *Upkeep) moveAll(ctx context.Context, prefix string, parts []merge.Part[*move], o *Merging) error {
	most := u.spoolMax()
	var failed error
	for objects := merge.Objects(parts); len(objects) > 0; {
		n, bytes := 0, int64(0)
		for ; n < len(objects); n++ {
			for _, p := range objects[n] {
				bytes += p.Bytes
			}
			if n > 0 && bytes > most {
				break
			}
		}
		err := u.moveSome(ctx, prefix, objects[:n], o)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case damaged(err):
			return err
		}
		failed = errors.Join(failed, err)
		objects = objects[n:]
	}
	return failed
}

// moveSome moves what is to lie in a few objects.
func (u *Upkeep) moveSome(ctx context.Context, prefix string, objects [][]merge.Part[*move], o *Merging) error {
	var all []*move
	for _, parts := range objects {
		for _, p := range parts {
			all = append(all, p.Of)
			// Whatever comes of it, the partition is looked at anew.
			u.merge.again(p.ID)
		}
	}
	if err := u.room(u.spoolNeeds(all)); err != nil {
		return err
	}
	spool := mergeSpool{u: u, rate: o.BytesPerSecond}
	defer spool.discard()
	if err := spool.fetch(ctx, all); err != nil {
		return err
	}
	if err := u.cfg.Seam("spool"); err != nil {
		return err
	}
	u.leaveDamaged(all)
	var failed error
	for _, parts := range objects {
		var moves []*move
		for _, p := range parts {
			if p.Of.err == nil {
				moves = append(moves, p.Of)
			}
		}
		if len(moves) == 0 {
			continue
		}
		if err := u.storeMoved(ctx, prefix, &spool, moves); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// spoolNeeds is what a move takes of the disk: its spool file, and where the bucket is a
// folder on the same disk, its objects too. What it gives back comes later.
func (u *Upkeep) spoolNeeds(moves []*move) (bytes int64) {
	for _, m := range moves {
		for i := range m.was {
			bytes += m.was[i].Bytes
		}
	}
	if bucket.Local(u.cfg.Bucket) {
		bytes *= 2
	}
	return bytes
}

// leaveDamaged names the partitions whose slices do not check, and leaves them as they are.
func (u *Upkeep) leaveDamaged(moves []*move) {
	m := &u.merge
	for _, x := range moves {
		if x.err == nil || errors.Is(x.err, metadata.ErrConflict) {
			continue
		}
		if m.left == nil {
			m.left = make(map[pack.PartitionID]struct{})
		}
		if _, said := m.left[x.id]; !said {
			u.logger.Error("the partition cannot be merged and is left as it is until the restart",
				zap.Stringer("partition", x.id), zap.Error(x.err))
		}
		m.left[x.id] = struct{}{}
		delete(m.parts, x.id)
	}
	u.metrics.unmerged.Set(float64(len(m.left)))
}

// notMovable says that trying again would not help.
func notMovable(err error) bool { return unreadable(err) || errors.Is(err, bucket.ErrNotFound) }

// conflict is what a move ends with whose slices are not there any more.
func conflict(id pack.PartitionID) error {
	return fmt.Errorf("slices of %v are others by now: %w", id, metadata.ErrConflict)
}
