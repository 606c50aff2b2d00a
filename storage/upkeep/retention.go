package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Retain is one pass of retention: it raises the log starts past slices that
// retention.bytes or retention.ms no longer keep, asks the log to roll a volume that
// holds expired data, and moves states out of segments that hold nothing else.
//
// It reads one row for each partition, whatever number of slices that has, and more of
// those of which something may go.
func (u *Upkeep) Retain(ctx context.Context) error {
	pass := retentionPass{u: u, now: u.cfg.Now(), topics: make(map[metadata.TopicID]*Topic), future: make(map[pack.PartitionID]time.Time)}
	var internal []metadata.TopicID
	for _, t := range u.cfg.Topics.List() {
		pass.topics[t.ID] = &t
		if t.Owner != Clients {
			internal = append(internal, t.ID)
		}
	}
	if err := pass.retire(ctx); err != nil {
		return err
	}
	pass.roll()
	usage, err := u.cfg.Store.Usage(ctx, internal)
	if err != nil {
		return err
	}
	u.metrics.measured(usage.Segments, usage.Bytes, pass.live)
	u.metrics.deadBytes.Set(float64(usage.Data - usage.Live))
	if slices.ContainsFunc(usage.Alone, func(s metadata.Segment) bool { return strings.HasPrefix(s.Key, segmentPrefix) }) {
		// A shared segment is kept by nothing but a few bytes of coordinators, too few for
		// a lift of their own.
		if err := u.Lift(ctx); err != nil {
			return err
		}
	}
	return u.moveStates(ctx, usage.Stranded)
}

// The bounds of a pass.
const (
	oldestPage = 1000 // partitions that are looked at together
	startsMax  = 256  // log starts in one commit: a seal waits for it
	// A partition that timestamps in the future hold is named once per futureAgain, and
	// futureNamed of them in one pass.
	futureAgain = time.Hour
	futureNamed = 10
)

// retentionPass is one look at all partitions.
type retentionPass struct {
	u      *Upkeep
	now    time.Time
	topics map[metadata.TopicID]*Topic
	live   int64 // bytes of all slices
	raised []raise
	// future are the partitions that timestamps in the future hold, and when each was
	// named; named are those of this pass.
	future map[pack.PartitionID]time.Time
	named  int
}

// raise is a log start that goes up, and the bytes of the slices that it passes.
type raise struct {
	metadata.LogStart
	bytes int64
}

// retire applies the limits to all partitions that have a slice.
func (r *retentionPass) retire(ctx context.Context) error {
	for after := (pack.PartitionID{}); ; {
		page, err := r.u.cfg.Store.Oldest(ctx, after, oldestPage)
		if err != nil {
			return err
		}
		for i := range page {
			x := &page[i]
			after = x.First.ID
			r.live += x.Bytes
			t := r.topics[after.Topic]
			if t == nil || !t.Delete {
				continue
			}
			if err := r.partition(ctx, t, x); err != nil {
				return fmt.Errorf("retention of %v: %w", after, err)
			}
		}
		if len(page) < oldestPage {
			break
		}
	}
	if err := r.commit(ctx); err != nil {
		return err
	}
	r.u.future = r.future
	r.u.metrics.future.Set(float64(len(r.future)))
	return nil
}

// partition applies a topic's limits to one of its partitions: first to the oldest slice
// with the sum of the others, and where that goes to all of them, as they are by then.
// What lies in the open journal is asked for after the slices: a seal in between takes it
// from there, and the pass knows of less than there is, never of more.
func (r *retentionPass) partition(ctx context.Context, t *Topic, x *metadata.Oldest) error {
	id, now := x.First.ID, r.now.UnixMilli()
	open := r.u.cfg.Log.OpenBytes(id, x.LastOffset)
	left := []metadata.Slice{x.First}
	if expired(left, t, open+x.Bytes-x.First.Bytes, now) > 0 {
		list, _, err := r.u.cfg.Store.Partition(ctx, id)
		if err != nil {
			return err
		}
		n := expired(list, t, r.u.cfg.Log.OpenBytes(id, sealedEnd(list)), now)
		if n > 0 {
			if err := r.raise(ctx, id, list[:n]); err != nil {
				return err
			}
		}
		left = list[n:]
	}
	if t.RetentionMs >= 0 && len(left) > 0 && left[0].MaxTimestamp > now {
		r.hold(t, &left[0])
	}
	return nil
}

// expired returns how many of the oldest slices the topic's limits no longer keep, by
// Kafka's rules and in its order: by size as long as what is left without a slice is still
// at least the limit, then by time as long as each slice's youngest record is too old. A
// timestamp in the future so holds its slice and all behind it, but for the size. What
// lies wholly below the log start, which Kafka looks at before, left the store with the
// commit that raised it.
//
// Source: Kafka 4.4, UnifiedLog.deleteOldSegments.
func expired(slices []metadata.Slice, t *Topic, open, now int64) (n int) {
	if t.RetentionBytes >= 0 {
		over := open - t.RetentionBytes
		for i := range slices {
			over += slices[i].Bytes
		}
		for n < len(slices) && over >= slices[n].Bytes {
			over -= slices[n].Bytes
			n++
		}
	}
	if t.RetentionMs >= 0 {
		for n < len(slices) && now-youngest(&slices[n]) > t.RetentionMs {
			n++
		}
	}
	return n
}

// youngest is the largest timestamp in a slice, or the time of its last append where
// no record has one.
func youngest(s *metadata.Slice) int64 {
	if s.MaxTimestamp >= 0 {
		return s.MaxTimestamp
	}
	return s.AppendTime
}

// raise notes that the log start moves behind these slices, the oldest of a partition.
func (r *retentionPass) raise(ctx context.Context, id pack.PartitionID, slices []metadata.Slice) error {
	x := raise{LogStart: metadata.LogStart{ID: id, Offset: sealedEnd(slices) + 1}}
	for i := range slices {
		x.bytes += slices[i].Bytes
	}
	if r.raised = append(r.raised, x); len(r.raised) < startsMax {
		return nil
	}
	return r.commit(ctx)
}

// commit moves the log starts that were noted.
func (r *retentionPass) commit(ctx context.Context) error {
	if len(r.raised) == 0 {
		return nil
	}
	u := r.u
	if err := u.cfg.Seam("log start"); err != nil {
		return err
	}
	starts := make([]metadata.LogStart, len(r.raised))
	for i := range r.raised {
		starts[i] = r.raised[i].LogStart
	}
	if err := u.cfg.Store.SetLogStarts(ctx, starts...); err != nil {
		return err
	}
	if err := u.cfg.Seam("log starts told"); err != nil {
		return err
	}
	for i := range r.raised {
		x := &r.raised[i]
		u.cfg.Log.LogStartRaised(x.ID, x.Offset)
		u.clean.noteParts(x.ID)
		u.metrics.retired.Add(float64(x.bytes))
		r.live -= x.bytes
		u.logger.Debug("retention", zap.Stringer("partition", x.ID), zap.Int64("log_start", x.Offset), zap.Int64("bytes", x.bytes))
	}
	r.raised = r.raised[:0]
	return nil
}

// hold notes a partition of which nothing goes by time until a record's timestamp is over.
func (r *retentionPass) hold(t *Topic, s *metadata.Slice) {
	said := r.u.future[s.ID]
	if (said.IsZero() || r.now.Sub(said) >= futureAgain) && r.named < futureNamed {
		r.named++
		said = r.now
		r.u.logger.Warn("records have timestamps in the future: retention.ms takes neither them nor what lies behind them before that time",
			zap.String("topic", t.Name), zap.Int32("partition", s.ID.Partition), zap.Int64("offset", s.BaseOffset),
			zap.Time("timestamp", time.UnixMilli(s.MaxTimestamp)), zap.Int64("retention_ms", t.RetentionMs))
	}
	r.future[s.ID] = said
}

// roll asks the log to close the open volume once it is older than the smallest
// limit of a topic that has data in it: only sealed slices expire. Kafka rolls an
// active segment whose records have all expired for the same reason.
func (r *retentionPass) roll() {
	u, smallest := r.u, r.smallest()
	if smallest < 0 || (!u.rollAsked.IsZero() && r.now.Sub(u.rollAsked) < u.cfg.RollInterval) {
		return
	}
	volumes := u.cfg.Journal.Volumes()
	if len(volumes) == 0 {
		return
	}
	open := volumes[len(volumes)-1]
	if u.opened.id != open.ID {
		u.opened = openedVolume{open.ID, r.now}
	}
	age := max(r.now.Sub(open.Created), r.now.Sub(u.opened.since))
	if !open.Closed && used(open) && age > smallest {
		u.rollAsked = r.now
		u.cfg.Log.RequestRoll()
	}
}

// smallest is the smallest limit among topics that have data in the journal alone, -1:
// there is none.
func (r *retentionPass) smallest() time.Duration {
	smallest := time.Duration(-1)
	for _, t := range r.topics {
		limit := time.Duration(t.RetentionMs) * time.Millisecond
		if !t.Delete || t.RetentionMs < 0 || limit/time.Millisecond != time.Duration(t.RetentionMs) || smallest >= 0 && smallest <= limit {
			continue
		}
		for i := range t.Partitions {
			if r.u.cfg.Log.OpenBytes(pack.PartitionID{Topic: t.ID, Partition: i}, -1) > 0 {
				smallest = limit
				break
			}
		}
	}
	return smallest
}

// openedVolume is since when retention knows a volume to be open: its own time of birth
// lies in the future once the clock was set back.
type openedVolume struct {
	id    journal.VolumeID
	since time.Time
}

func used(v journal.Info) bool { return v.LastSeq >= v.FirstSeq }
