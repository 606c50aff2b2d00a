package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Retain looks at every partition once: it raises the log start past slices that
// retention.ms or retention.bytes no longer keep, asks the log to roll a volume that
// holds expired data, and moves states out of segments that hold nothing else.
func (u *Upkeep) Retain(ctx context.Context) error {
	pass := retentionPass{
		u: u, now: u.cfg.Now(), smallest: -1,
		live:     make(map[metadata.SegmentID]int64),
		ordinary: make(map[metadata.SegmentID]struct{}),
	}
	for _, t := range u.cfg.Topics.List() {
		for i := range t.Partitions {
			id := pack.PartitionID{Topic: t.ID, Partition: i}
			if err := pass.partition(ctx, id, &t); err != nil {
				return fmt.Errorf("retention of %v: %w", id, err)
			}
		}
	}
	pass.roll()
	if err := pass.measure(ctx); err != nil {
		return err
	}
	if err := pass.liftStragglers(ctx); err != nil {
		return err
	}
	return u.moveStates(ctx, pass.stranded(), pass.live)
}

// retentionPass is one look at all partitions.
type retentionPass struct {
	u        *Upkeep
	now      time.Time
	smallest time.Duration                // retention.ms among topics with open data, -1: none
	live     map[metadata.SegmentID]int64 // live bytes of each segment that has a slice
	states   []metadata.State             // those that have a block
	// ordinary are the segments that hold something of a topic that is not internal.
	ordinary map[metadata.SegmentID]struct{}
}

// partition applies a topic's limits to one of its partitions.
func (r *retentionPass) partition(ctx context.Context, id pack.PartitionID, t *Topic) error {
	slices, state, err := r.u.cfg.Store.Partition(ctx, id)
	if err != nil {
		return err
	}
	open := r.u.cfg.Log.OpenBytes(id, sealedEnd(slices))
	if t.Delete {
		n := expired(slices, t, open, r.now.UnixMilli())
		if n > 0 {
			if err := r.raise(ctx, id, slices, n); err != nil {
				return err
			}
			slices = slices[n:]
		}
		if limit := time.Duration(t.RetentionMs) * time.Millisecond; open > 0 && t.RetentionMs >= 0 && limit/time.Millisecond == time.Duration(t.RetentionMs) {
			if r.smallest < 0 || limit < r.smallest {
				r.smallest = limit
			}
		}
	}
	for i := range slices {
		r.live[slices[i].Segment] += slices[i].Bytes
		if t.Owner == Clients {
			r.ordinary[slices[i].Segment] = struct{}{}
		}
	}
	if state.BlockLen > 0 {
		r.states = append(r.states, state)
	}
	return nil
}

// expired returns how many of the oldest slices the topic's limits no longer keep, by
// Kafka's rules: by time as long as each slice's youngest record is too old, then by
// size as long as what is left without a slice is still at least the limit.
//
// Source: Kafka 4.4, UnifiedLog.deleteRetentionMsBreachedSegments and
// deleteRetentionSizeBreachedSegments.
func expired(slices []metadata.Slice, t *Topic, open, now int64) (n int) {
	if t.RetentionMs >= 0 {
		for n < len(slices) && now-youngest(&slices[n]) > t.RetentionMs {
			n++
		}
	}
	if t.RetentionBytes >= 0 {
		over := open - t.RetentionBytes
		for _, s := range slices[n:] {
			over += s.Bytes
		}
		for n < len(slices) && over >= slices[n].Bytes {
			over -= slices[n].Bytes
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

// raise moves the log start behind the first n slices.
func (r *retentionPass) raise(ctx context.Context, id pack.PartitionID, slices []metadata.Slice, n int) error {
	start := slices[n-1].LastOffset + 1
	if err := r.u.cfg.Seam("log start"); err != nil {
		return err
	}
	if err := r.u.cfg.Store.SetLogStart(ctx, id, start); err != nil {
		return err
	}
	r.u.cfg.Log.LogStartRaised(id, start)
	var bytes int64
	for _, s := range slices[:n] {
		bytes += s.Bytes
	}
	r.u.metrics.retired.Add(float64(bytes))
	r.u.logger.Debug("retention", zap.Stringer("partition", id), zap.Int64("log_start", start), zap.Int64("bytes", bytes))
	return nil
}

// roll asks the log to close the open volume once it is older than the smallest
// limit of a topic that has data in it: only sealed slices expire. Kafka rolls an
// active segment whose records have all expired for the same reason.
func (r *retentionPass) roll() {
	u := r.u
	if r.smallest < 0 || (!u.rollAsked.IsZero() && r.now.Sub(u.rollAsked) < u.cfg.RollInterval) {
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
	if !open.Closed && used(open) && age > r.smallest {
		u.rollAsked = r.now
		u.cfg.Log.RequestRoll()
	}
}

// openedVolume is since when retention knows a volume to be open: its own time of birth
// lies in the future once the clock was set back.
type openedVolume struct {
	id    journal.VolumeID
	since time.Time
}

func used(v journal.Info) bool { return v.LastSeq >= v.FirstSeq }

// measure sets the metrics of what the segments take and what of it is live.
func (r *retentionPass) measure(ctx context.Context) error {
	var total, live int64
	for id, bytes := range r.live {
		seg, err := r.u.cfg.Store.Segment(ctx, id)
		if errors.Is(err, metadata.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("segment %d: %w", id, err)
		}
		total += seg.Bytes
		live += bytes
	}
	r.u.metrics.measured(len(r.live), total, live)
	return nil
}

// liftStragglers lifts the internal topics when a shared segment is kept by nothing
// but a few of their bytes, too few for a lift of their own.
func (r *retentionPass) liftStragglers(ctx context.Context) error {
	for id := range r.live {
		if _, ok := r.ordinary[id]; ok {
			continue
		}
		seg, err := r.u.cfg.Store.Segment(ctx, id)
		if errors.Is(err, metadata.ErrNotFound) {
			continue // lifted and swept since
		}
		if err != nil {
			return fmt.Errorf("segment %d: %w", id, err)
		}
		if strings.HasPrefix(seg.Key, segmentPrefix) {
			return r.u.Lift(ctx)
		}
	}
	return nil
}

// stranded returns the states whose block lies in a segment that no slice keeps.
func (r *retentionPass) stranded() []metadata.State {
	var out []metadata.State
	for _, s := range r.states {
		if _, live := r.live[s.Block]; !live {
			out = append(out, s)
		}
	}
	return out
}
