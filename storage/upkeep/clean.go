package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/compact"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Cleaning are the settings of key compaction that the broker has, log.cleaner.*.
type Cleaning struct {
	Enabled bool
	Threads int // how many compactions run at a time
	// DedupeBytes is the memory for keys, of all threads.
	DedupeBytes int64
	// BytesPerSecond bounds what is read and written, but for what
	// max.compaction.lag.ms asks for.
	BytesPerSecond float64
}

const (
	// creditMax bounds what quiet partitions may rewrite at once; creditPer is how many
	// bytes that is per byte that came. Without it a record a minute into 64 MiB would
	// rewrite 64 MiB a minute.
	creditMax = 1 << 30
	creditPer = 4
	// A lag asks for the open volume to be closed every lagRoll at most, quiet partitions
	// every quietRoll.
	lagRoll   = 5 * time.Second
	quietRoll = 30 * time.Second
	// damagedPause is for how long a partition is left alone that the log cannot load.
	damagedPause = time.Minute
	// togetherBytes is how much small partitions share an object.
	togetherBytes = 64 << 20
)

// cleanState is what compaction remembers between its passes. All of it can be lost: the
// store and the segments say where partitions stand.
type cleanState struct {
	parts     map[pack.PartitionID]*cleanPart // the pass's own
	segments  map[metadata.SegmentID]bool     // whether a segment was compacted
	credit    int64
	lastLag   time.Time // when a lag last asked for a roll
	lastQuiet time.Time
	lastPass  time.Time
	pace      pace
	marks     int64 // compact.MarksMax, but for tests
	unsure    unsure
	alone     bool // each partition is a unit by itself: for tests

	segmentsMu sync.Mutex // guards segments

	mu      sync.Mutex
	touched map[pack.PartitionID]struct{} // whose slices have changed since the last pass
}

// cleanPart is a partition of a compacted topic as the last passes saw it.
type cleanPart struct {
	known     bool
	cleanEnd  int64 // all below was compacted, or is gone
	clean     int64 // bytes of it
	dirty     []metadata.Slice
	seen      int64 // highest sealed offset that was counted into the credit
	end       int64 // high watermark at the last look, -1: not in use
	moved     time.Time
	steps     []step
	horizon   int64 // ms; earliest delete horizon, 0: none
	lastRun   time.Time
	took      time.Duration
	until     time.Time // the log cannot load the partition: not looked at before
	uncleanOf error     // why the partition is left as it is until the restart
}

// step says that at a time the partition had come to an end.
type step struct {
	at  time.Time
	end int64
}

// noteSlices says that slices of partitions have changed. Any goroutine calls it.
func (c *cleanState) noteSlices(list []metadata.Slice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.touched == nil {
		c.touched = make(map[pack.PartitionID]struct{})
	}
	for i := range list {
		c.touched[list[i].ID] = struct{}{}
	}
}

func (c *cleanState) noteParts(ids ...pack.PartitionID) {
	for _, id := range ids {
		c.noteSlices([]metadata.Slice{{ID: id}})
	}
}

// cleanJob is a partition that is due.
type cleanJob struct {
	id     pack.PartitionID
	topic  Topic
	part   *cleanPart
	reason compact.Reason
	bytes  int64   // that a run reads
	ratio  float64 // of new bytes in all
	waited time.Duration
}

// Clean compacts the partitions that are due, the most pressing first: one pass.
func (u *Upkeep) Clean(ctx context.Context) error {
	o := u.cfg.Cleaning()
	if !o.Enabled || o.Threads <= 0 {
		return nil
	}
	if err := u.tellAgain(ctx, &u.clean.unsure, u.cfg.Log.Replaced); err != nil {
		return err
	}
	jobs, err := u.cleanable(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(jobs, func(a, b cleanJob) int {
		return cmp.Or(cmp.Compare(a.reason, b.reason), cmp.Compare(b.waited, a.waited), cmp.Compare(b.ratio, a.ratio))
	})
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Threads)
	for _, unit := range u.clean.units(jobs) {
		g.Go(func() error { return u.cleanUnit(ctx, unit, &o) })
	}
	return g.Wait()
}

// units puts small jobs in a row into one unit, which shares an object.
func (c *cleanState) units(jobs []cleanJob) (units [][]cleanJob) {
	var bytes int64
	for _, j := range jobs {
		n := len(units)
		if n == 0 || c.alone || bytes+j.bytes > togetherBytes || units[n-1][0].reason != j.reason {
			units, bytes = append(units, nil), 0
			n++
		}
		units[n-1] = append(units[n-1], j)
		bytes += j.bytes
	}
	return units
}

// cleanable looks at each partition of a compacted topic and returns those that are due.
func (u *Upkeep) cleanable(ctx context.Context) (jobs []cleanJob, err error) {
	c, now := &u.clean, u.cfg.Now()
	c.mu.Lock()
	touched := c.touched
	c.touched = nil
	c.mu.Unlock()
	if c.parts == nil {
		c.parts = make(map[pack.PartitionID]*cleanPart)
		c.credit = creditMax
		c.lastPass = now
	}
	present := make(map[pack.PartitionID]struct{}, len(c.parts))
	var wantLag, wantQuiet bool
	var dirtyBytes, unclean int64
	for _, t := range u.cfg.Topics.List() {
		if !t.Compact || t.Owner != Clients {
			continue
		}
		policy := t.policy()
		for i := range t.Partitions {
			id := pack.PartitionID{Topic: t.ID, Partition: i}
			present[id] = struct{}{}
			p := c.parts[id]
			if p == nil {
				p = &cleanPart{end: -2, lastRun: now, moved: now}
				c.parts[id] = p
			}
			if _, changed := touched[id]; changed || !p.known {
				if err := u.refresh(ctx, id, p, &t); err != nil {
					c.noteSlices(sliceIDs(touched)) // all of them are asked again
					return nil, err
				}
			}
			s := u.standing(id, p, policy, now)
			dirtyBytes += s.Cleanable + s.Held + s.Open
			if now.Before(p.until) {
				continue
			}
			if p.uncleanOf != nil {
				unclean++
				continue
			}
			u.late(policy, s, now.Sub(c.lastPass))
			reason, roll := compact.Due(policy, s)
			if reason == compact.NotDue {
				continue
			}
			wantLag = wantLag || roll && reason == compact.Lag
			wantQuiet = wantQuiet || roll && reason == compact.Quiet
			if s.Cleanable > 0 || reason == compact.Horizon {
				jobs = append(jobs, cleanJob{
					id: id, topic: t, part: p, reason: reason, bytes: s.Clean + s.Cleanable,
					ratio: float64(s.Cleanable) / float64(max(s.Clean+s.Cleanable, 1)), waited: s.Waited,
				})
				if reason == compact.Quiet {
					c.credit -= s.Clean + s.Cleanable
				}
			}
		}
	}
	for id := range c.parts {
		if _, ok := present[id]; !ok {
			delete(c.parts, id)
		}
	}
	c.lastPass = now
	u.metrics.cleanDirty.Set(float64(dirtyBytes))
	u.metrics.unclean.Set(float64(unclean))
	u.rollForCleaning(wantLag, wantQuiet, now)
	return jobs, nil
}

func sliceIDs(ids map[pack.PartitionID]struct{}) (list []metadata.Slice) {
	for id := range ids {
		list = append(list, metadata.Slice{ID: id})
	}
	return list
}

// policy is what the topic's settings say of compaction.
func (t *Topic) policy() compact.Policy {
	ms := func(n int64) time.Duration {
		if n > int64(compact.Never/time.Millisecond) {
			return compact.Never
		}
		return time.Duration(n) * time.Millisecond
	}
	return compact.Policy{
		Ratio: t.MinCleanableRatio, MinLag: ms(t.MinCompactionLagMs), MaxLag: ms(t.MaxCompactionLagMs),
		DeleteRetention: ms(t.DeleteRetentionMs),
	}
}

// refresh reads from the store what of a partition is compacted and what is not.
func (u *Upkeep) refresh(ctx context.Context, id pack.PartitionID, p *cleanPart, t *Topic) error {
	list, state, err := u.cfg.Store.Partition(ctx, id)
	if err != nil {
		return err
	}
	// What retention took is not waited for: nothing below the first slice is left.
	n := 0
	p.clean, p.cleanEnd = 0, state.NextOffset
	if len(list) > 0 {
		p.cleanEnd = list[0].BaseOffset
	}
	for ; n < len(list); n++ {
		compacted, err := u.isCompacted(ctx, list[n].Segment)
		if err != nil {
			return err
		}
		if !compacted {
			break
		}
		p.clean += list[n].Bytes
		p.cleanEnd = list[n].LastOffset + 1
	}
	p.dirty = append(p.dirty[:0], list[n:]...)
	if !p.known {
		// What horizons are left was forgotten with the last process. None lies further
		// ahead than this.
		if p.known = true; p.clean > 0 {
			p.horizon = u.cfg.Now().UnixMilli() + t.DeleteRetentionMs
		}
		p.seen = sealedEnd(list)
	}
	for i := range p.dirty {
		if s := &p.dirty[i]; s.BaseOffset > p.seen {
			p.seen = s.LastOffset
			u.clean.credit = min(u.clean.credit+creditPer*s.Bytes, creditMax)
		}
	}
	return nil
}

// isCompacted says whether a segment was written by a compaction. Its key tells.
func (u *Upkeep) isCompacted(ctx context.Context, id metadata.SegmentID) (bool, error) {
	c := &u.clean
	c.segmentsMu.Lock()
	defer c.segmentsMu.Unlock()
	if is, known := c.segments[id]; known {
		return is, nil
	}
	seg, err := u.cfg.Store.Segment(ctx, id)
	if err != nil {
		return false, fmt.Errorf("segment %d: %w", id, err)
	}
	if c.segments == nil || len(c.segments) > 100_000 {
		c.segments = make(map[metadata.SegmentID]bool)
	}
	c.segments[id] = strings.HasPrefix(seg.Key, compactedPrefix)
	return c.segments[id], nil
}

// standing says where a partition stands now.
func (u *Upkeep) standing(id pack.PartitionID, p *cleanPart, policy compact.Policy, now time.Time) compact.Standing {
	end, used := u.cfg.Log.DurableEnd(id)
	open, stable := u.cfg.Log.Liftable(id)
	if !used {
		end = -1
	}
	if end != p.end {
		p.moved = now
		if used || len(p.dirty) > 0 {
			p.stepTo(max(end, sealedEnd(p.dirty)+1), now, policy.MaxLag)
		}
		p.end = end
	}
	for len(p.steps) > 0 && p.steps[0].end <= p.cleanEnd {
		p.steps = p.steps[1:]
	}
	s := compact.Standing{
		Clean: p.clean, Open: open, QuietFor: now.Sub(p.moved), LastRun: p.took, ToHorizon: compact.Never,
		SinceRun: now.Sub(p.lastRun), Credit: u.clean.credit,
	}
	if len(p.steps) > 0 {
		s.Waited = now.Sub(p.steps[0].at)
	}
	if p.horizon > 0 {
		s.ToHorizon = time.UnixMilli(p.horizon).Sub(now)
	}
	n := cleanableSlices(p.dirty, stable, policy.MinLag, now)
	for i := range p.dirty {
		if i < n {
			s.Cleanable += p.dirty[i].Bytes
		} else {
			s.Held += p.dirty[i].Bytes
		}
	}
	return s
}

// stepsMax is how finely a lag is measured: into so many parts.
const stepsMax = 64

// stepTo remembers when the partition had come to an end.
func (p *cleanPart) stepTo(end int64, now time.Time, lag time.Duration) {
	if n := len(p.steps); n > 0 && now.Sub(p.steps[n-1].at) < lag/stepsMax {
		p.steps[n-1].end = end
		return
	}
	p.steps = append(p.steps, step{now, end})
}

// cleanableSlices is how many of the slices above the clean end may be compacted: those
// below the last stable offset, as long as all records are older than the least lag.
func cleanableSlices(list []metadata.Slice, stable int64, lag time.Duration, now time.Time) (n int) {
	for ; n < len(list); n++ {
		s := &list[n]
		if s.LastOffset >= stable || lag > 0 && now.UnixMilli()-youngest(s) <= lag.Milliseconds() {
			break
		}
	}
	return n
}

// late counts the time for which a record could be read for longer than promised.
func (u *Upkeep) late(p compact.Policy, s compact.Standing, since time.Duration) {
	limit := compact.LateAfter(p.MaxLag)
	if limit != compact.Never && s.Waited > limit && s.Cleanable+s.Open > 0 {
		u.metrics.cleanLate.Add(min(since, s.Waited-limit).Seconds())
	}
}

// rollForCleaning asks for the open volume to be closed.
func (u *Upkeep) rollForCleaning(lag, quiet bool, now time.Time) {
	c := &u.clean
	switch {
	case lag && now.Sub(c.lastLag) >= lagRoll:
		c.lastLag = now
	case quiet && now.Sub(c.lastQuiet) >= quietRoll:
		c.lastQuiet = now
	default:
		return
	}
	u.cfg.Log.RequestRoll()
}

// cleanUnit compacts the partitions of a unit. A partition that does not check is named
// and left as it is; the others go on.
func (u *Upkeep) cleanUnit(ctx context.Context, unit []cleanJob, o *Cleaning) error {
	w := u.newCleanWriter(o)
	defer w.discard()
	var failed error
	for i := range unit {
		j := &unit[i]
		w.paced = j.reason != compact.Lag
		err := u.cleanOne(ctx, j, w, o)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, metadata.ErrConflict):
			u.logger.Debug("slices changed while they were compacted, they are done again", zap.Stringer("partition", j.id), zap.Error(err))
		case errors.Is(err, protocol.UnknownTopicOrPartition): // deleted meanwhile
		case errors.Is(err, protocol.KafkaStorageError):
			u.metrics.skipped.Inc() // the log has named it
			j.part.until = u.cfg.Now().Add(damagedPause)
		case uncleanable(err):
			j.part.uncleanOf = err
			u.logger.Error("the partition cannot be compacted and is left as it is until the restart",
				zap.Stringer("partition", j.id), zap.Error(err))
		default:
			failed = errors.Join(failed, fmt.Errorf("compact %v: %w", j.id, err))
		}
		w.drop(j.id)
		u.clean.noteParts(j.id)
	}
	if err := w.finish(ctx); err != nil && !errors.Is(err, metadata.ErrConflict) {
		failed = errors.Join(failed, err)
	}
	return failed
}
