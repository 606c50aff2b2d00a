package log

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// rollComplaints is how many failed attempts to close an outcome go by between two
// lines in the log: a disk may stay full for hours.
const rollComplaints = 240

// flight is a pack on its way into the journal.
type flight struct {
	pack  *batchPack
	bufs  [][]byte
	index *pack.Index
	ref   journal.Ref
	err   error
	done  bool
	sent  time.Time
}

// Run is the committer: it closes packs, hands them to the journal, publishes them
// in order and rolls volumes. When ctx ends it makes durable what is appended,
// answers it, and returns. Any error is final: the journal is fenced or lost.
func (l *Log) Run(ctx context.Context) error {
	var writers sync.WaitGroup
	for range l.cfg.Journal.InFlightMax() {
		writers.Go(l.writer)
	}
	defer writers.Wait()
	defer close(l.work)
	err := l.commitLoop(ctx)
	l.refuse(err)
	return err
}

// writer makes packs durable, one at a time.
func (l *Log) writer() {
	for f := range l.work {
		// A pack on its way is not abandoned: its outcome decides what clients hear.
		f.ref, f.err = l.cfg.Journal.Append(context.Background(), f.pack.seq, f.bufs)
		l.finished <- f
	}
}

func (l *Log) commitLoop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	age := time.NewTicker(max(l.cfg.RollAge/4, time.Second))
	defer age.Stop()
	roll := false
	l.measureBacklog()
	l.atRoll = l.extentBytes.Load()
	for {
		if err := ctx.Err(); err != nil {
			l.stopAppends()
			if l.idle() {
				return nil
			}
		}
		if len(l.inFlight) == 0 && roll {
			roll = false
			if err := l.roll(ctx); err != nil {
				return err
			}
		}
		if !roll {
			if wait := l.dispatch(ctx); wait > 0 {
				timer.Reset(wait)
			}
		}
		select {
		case f := <-l.finished:
			f.done = true
			if err := l.settle(ctx); err != nil {
				return err
			}
			roll = roll || l.volumeFull() || l.extentsFull()
		case <-l.kick:
		case <-timer.C:
		case <-age.C:
			l.measureBacklog()
			roll = roll || l.volumeOld()
		case <-l.released:
			l.measureBacklog()
		case <-l.rollWanted:
			roll = roll || l.volumeUsed()
		case <-ctx.Done():
			if l.idle() {
				return nil
			}
			select {
			case f := <-l.finished:
				f.done = true
				if err := l.settle(ctx); err != nil {
					return err
				}
			case <-l.kick:
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func (l *Log) stopAppends() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.admitAll()
}

// admitAll wakes every append that waits for room; each finds out for itself why
// it cannot go on. The caller holds l.mu.
func (l *Log) admitAll() {
	for _, w := range l.waiting {
		l.reserved += w.bytes
		close(w.admitted)
	}
	l.waiting = nil
}

func (l *Log) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open.items) == 0 && len(l.inFlight) == 0
}

// dispatch sends the open pack to the journal while there is one that is due and
// the journal takes more. It returns how long to wait for the linger, if so.
func (l *Log) dispatch(ctx context.Context) time.Duration {
	for {
		l.mu.Lock()
		p := l.open
		if len(p.items) == 0 || len(l.inFlight) == l.cfg.Journal.InFlightMax() {
			l.mu.Unlock()
			return 0
		}
		if wait := l.cfg.Linger - time.Duration(l.monotonic()-p.born); wait > 0 && p.bytes < l.cfg.PackBytes && ctx.Err() == nil {
			l.mu.Unlock()
			return wait
		}
		f := &flight{pack: p, sent: l.now()}
		l.inFlight = append(l.inFlight, f)
		l.open = l.newPack(p.seq + 1)
		l.admitWaiting()
		l.mu.Unlock()

		h := pack.Header{CreatedAt: f.sent.UnixMilli()}
		if p.atomic {
			h.Flags |= pack.FlagAtomic
		}
		p.stamp()
		f.bufs, f.index = p.builder.Encode(h)
		l.work <- f
	}
}

// settle publishes the packs whose outcome is known, in order.
func (l *Log) settle(ctx context.Context) error {
	for len(l.inFlight) > 0 && l.inFlight[0].done {
		f := l.inFlight[0]
		if f.err != nil {
			return l.fail(ctx, f.err)
		}
		l.publish(f)
	}
	return nil
}

// publish makes a durable pack visible, then answers for it.
func (l *Log) publish(f *flight) {
	p := f.pack
	if l.recent.limit > 0 {
		l.recent.put(f.ref, f.bufs)
	}
	var watched []*Partition
	order := p.builder.Order()
	for _, ext := range f.index.Extents(f.ref.Pos) {
		part := p.parts[order[0]]
		order = order[1:]
		if part.publish(f.ref, ext) {
			watched = append(watched, part)
		}
	}
	l.mu.Lock()
	l.durable = p.seq
	l.inFlight = l.inFlight[1:]
	followers := p.followers
	l.mu.Unlock()
	for _, part := range watched {
		part.advanced()
	}
	for i := range p.items {
		it := &p.items[i]
		it.buf.Release()
		it.ticket.finish(it.slot, p.resultOf(i))
	}
	for _, x := range followers {
		x.ticket.finish(x.slot, x.result)
	}
	l.metrics.packDurable(len(p.items), f.ref.Len, l.now().Sub(f.sent))
	p.reset()
	l.spare = append(l.spare, p)
}

// fail handles a pack that did not become durable: everything assigned since falls
// back, its requests are answered, and nothing is appended until the journal has
// closed the outcome for good (DURABILITY: end marks).
func (l *Log) fail(ctx context.Context, cause error) error {
	l.failed(cause)
	l.mu.Lock()
	flights := l.inFlight
	l.mu.Unlock()
	for _, f := range flights {
		for !f.done {
			(<-l.finished).done = true
		}
	}
	failed := l.rollBack()
	l.logger.Error("journal write failed", zap.Error(cause), zap.Int("batches", failed))
	if errors.Is(cause, journal.ErrFenced) {
		return cause
	}
	for attempt := 0; ; attempt++ {
		// The outcome is closed even while stopping: a start would have to do it else.
		err := l.cfg.Journal.Roll(context.WithoutCancel(ctx), l.durable)
		if err == nil {
			break
		}
		if errors.Is(err, journal.ErrFenced) {
			return err
		}
		l.failed(err)
		if attempt%rollComplaints == 0 {
			l.logger.Warn("journal not usable yet", zap.Error(err))
		}
		l.metrics.rollFailures.Inc()
		select {
		case <-time.After(l.cfg.RollRetry):
		case <-ctx.Done():
			return err
		}
	}
	l.mu.Lock()
	l.failing, l.failure = false, nil
	l.mu.Unlock()
	l.logger.Info("journal usable again", zap.Uint64("last_sequence", l.durable))
	return nil
}

// rollBack drops every pack that is not durable and answers for it. It returns how
// many batches that were.
func (l *Log) rollBack() (batches int) {
	l.mu.Lock()
	lost := make([]*batchPack, 0, len(l.inFlight)+1)
	for _, f := range l.inFlight {
		lost = append(lost, f.pack)
	}
	lost = append(lost, l.open)
	touched := make(map[*Partition]struct{})
	for _, p := range lost {
		for _, part := range p.parts {
			touched[part] = struct{}{}
		}
	}
	for part := range touched {
		part.state.RollBack(l.durable, part.high.Load())
	}
	l.marks++
	l.rolledBack = l.marks
	l.inFlight = nil
	l.open = l.newPack(l.durable + 1)
	l.mu.Unlock()
	failure := Result{Err: protocol.KafkaStorageError, BaseOffset: -1, LogAppendTime: -1, LogStart: -1}
	for _, p := range lost {
		for i := range p.items {
			p.items[i].buf.Release()
			p.items[i].ticket.finish(p.items[i].slot, failure)
		}
		for _, x := range p.followers {
			x.ticket.finish(x.slot, failure)
		}
		batches += len(p.items)
	}
	return batches
}

// refuse ends the log: what is still open is answered with an error.
func (l *Log) refuse(err error) {
	l.stopAppends()
	if err != nil {
		l.rollBack()
	}
}

// roll closes the volume between two packs.
func (l *Log) roll(ctx context.Context) error {
	// A roll that has begun is finished: half of one blocks every append.
	if err := l.cfg.Journal.Roll(context.WithoutCancel(ctx), l.durable); err != nil {
		return l.fail(ctx, err)
	}
	l.metrics.rolls.Inc()
	l.atRoll = l.extentBytes.Load()
	l.measureBacklog()
	return nil
}

// measureBacklog decides whether the journal holds so much that is not sealed that
// appends have to wait for upkeep.
func (l *Log) measureBacklog() {
	var bytes int64
	for _, v := range l.cfg.Journal.Volumes() {
		bytes += v.Bytes
	}
	l.metrics.unsealed.Set(float64(bytes))
	index := l.extentBytes.Load()
	behind := l.cfg.UnsealedMax > 0 && bytes > l.cfg.UnsealedMax || index > l.cfg.ExtentBytesMax
	l.metrics.extents.Set(float64(index))
	l.mu.Lock()
	changed := behind != l.behind
	l.behind = behind
	l.mu.Unlock()
	if changed {
		l.logger.Warn("appends depend on sealing", zap.Bool("refused", behind), zap.Int64("unsealed_bytes", bytes), zap.Int64("index_bytes", index))
	}
}

func (l *Log) openVolume() journal.Info {
	volumes := l.cfg.Journal.Volumes()
	return volumes[len(volumes)-1]
}

func (l *Log) volumeUsed() bool {
	v := l.openVolume()
	return v.LastSeq >= v.FirstSeq
}

// extentsFull says whether the open volume holds so many small batches that it is closed
// for the memory that they take until they are sealed.
func (l *Log) extentsFull() bool {
	used := l.extentBytes.Load()
	l.atRoll = min(l.atRoll, used) // what is sealed is gone
	return used-l.atRoll >= l.cfg.ExtentBytesMax/4 && l.volumeUsed()
}

func (l *Log) volumeFull() bool { return l.openVolume().Bytes >= l.cfg.VolumeBytes }

// openedVolume is since when a volume is known to be open, monotonic ns.
type openedVolume struct {
	id    journal.VolumeID
	since int64
}

// volumeOld says whether the open volume is due for its age, by the clock or by the
// time that it has been open: a clock that was set back would keep it open for as long.
func (l *Log) volumeOld() bool {
	v, now := l.openVolume(), l.monotonic()
	if l.volume.id != v.ID {
		l.volume = openedVolume{v.ID, now}
	}
	age := max(l.now().Sub(v.Created), time.Duration(now-l.volume.since))
	return l.cfg.RollAge > 0 && v.LastSeq >= v.FirstSeq && age >= l.cfg.RollAge
}

// VolumesReleased says that the journal let go of volumes: if appends were refused for
// what it held, they are taken again. It does not wait.
func (l *Log) VolumesReleased() {
	select {
	case l.released <- struct{}{}:
	default:
	}
}

// RequestRoll asks for the open volume to be closed soon, so that it can be sealed.
// It does not wait.
func (l *Log) RequestRoll() {
	select {
	case l.rollWanted <- struct{}{}:
	default:
	}
}
