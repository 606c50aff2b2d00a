package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// compactedPrefix is where compactions write: everything of a partition that lies there,
// from its first slice on, was compacted.
const compactedPrefix = "compacted/"

// groupBytes is how much of a partition is rewritten before it is registered: a run that
// dies has lost that much work. It is an object's size too.
const groupBytes = 256 << 20

// cleanWriter gathers what compactions keep in a spool file, from which one object is
// made. Its parts are whole slices; what is registered takes the place of exactly those.
type cleanWriter struct {
	u     *Upkeep
	o     *Cleaning
	paced bool // whether log.cleaner.io.max.bytes.per.second counts

	spool   *os.File
	end     int64 // of the spool
	read    int64 // bytes of the slices that are in it
	builder pack.Builder
	arena   []byte // the batches in builder
	parts   []*cleaned
	open    map[pack.PartitionID]*cleaned
}

// cleaned is a row of neighbouring slices of one partition in the writer.
type cleaned struct {
	id      pack.PartitionID
	was     []metadata.Slice
	changed bool // or not compacted before
	extents []pack.Extent
	append  int64 // ms; of the youngest batch
}

func (u *Upkeep) newCleanWriter(o *Cleaning) *cleanWriter {
	return &cleanWriter{u: u, o: o, open: make(map[pack.PartitionID]*cleaned)}
}

// wait keeps to log.cleaner.io.max.bytes.per.second.
func (w *cleanWriter) wait(ctx context.Context, n int) error {
	if !w.paced {
		return ctx.Err()
	}
	return w.u.clean.pace.wait(ctx, n, w.o.BytesPerSecond)
}

// slice takes in slice i of a run; a full writer is finished first.
func (w *cleanWriter) slice(ctx context.Context, c *cleaning, i int, t *Topic) error {
	most := int64(groupBytes)
	if t.SegmentBytes > 0 {
		most = min(most, t.SegmentBytes)
	}
	if w.read > 0 && w.read+c.slices[i].Bytes > most && w.read >= most/2 {
		if err := w.finish(ctx); err != nil {
			return err
		}
	}
	p := w.open[c.id]
	if p == nil {
		p = &cleaned{id: c.id, append: -1}
		w.open[c.id] = p
		w.parts = append(w.parts, p)
	}
	p.was = append(p.was, c.slices[i])
	p.append = max(p.append, c.slices[i].AppendTime)
	w.read += c.slices[i].Bytes
	changed, err := c.rewrite(ctx, i)
	p.changed = p.changed || changed || i >= c.clean
	return err
}

// add puts a batch into the spool.
func (w *cleanWriter) add(ctx context.Context, e pack.Entry, b []byte) error {
	if err := w.wait(ctx, len(b)); err != nil {
		return err
	}
	// The builder keeps what it is given until it is flushed, and b is the reader's.
	if len(w.arena)+len(b) > cap(w.arena) {
		if err := w.flush(); err != nil {
			return err
		}
		w.arena = slices.Grow(w.arena[:0], max(packBytes, len(b)))
	}
	n := len(w.arena)
	w.arena = append(w.arena, b...)
	w.builder.Add(e, w.arena[n:len(w.arena):len(w.arena)])
	return nil
}

// flush writes a pack to the spool.
func (w *cleanWriter) flush() error {
	if w.builder.Len() == 0 {
		return nil
	}
	if w.spool == nil {
		f, err := os.CreateTemp(w.u.cfg.SpoolDir, "compact-*.spool")
		if err != nil {
			return fmt.Errorf("make a spool file: %w", err)
		}
		w.spool = f
	}
	if err := w.room(int64(len(w.arena))); err != nil {
		return err
	}
	bufs, index := w.builder.Encode(pack.Header{})
	at := w.end
	for _, b := range bufs {
		n, err := w.spool.WriteAt(b, w.end)
		w.end += int64(n)
		if err != nil {
			return fmt.Errorf("write to the spool file: %w", err)
		}
	}
	for id, x := range index.Extents(at) {
		p := w.open[id]
		p.extents = append(p.extents, x)
	}
	w.builder.Reset()
	w.arena = w.arena[:0]
	return nil
}

// room says whether so much may be written to the spool.
func (w *cleanWriter) room(bytes int64) error {
	if err := w.u.cfg.Seam("spooling"); err != nil {
		return err
	}
	return w.u.room(bytes)
}

// errNoRoom: what would be written is to stay free. It is tried again.
var errNoRoom = errors.New("no room for a spool file: disk.reserve.bytes is to stay free")

// room says whether so much may be written beside the journal: what that needs stays free.
func (u *Upkeep) room(bytes int64) error {
	if u.cfg.Room == nil {
		return nil
	}
	room, err := u.cfg.Room()
	if err == nil && room < bytes {
		err = fmt.Errorf("%w (%d bytes of %d)", errNoRoom, max(room, 0), bytes)
	}
	return err
}

// drop gives up what is not registered of a partition.
func (w *cleanWriter) drop(id pack.PartitionID) {
	if p := w.open[id]; p != nil {
		p.was, p.changed = nil, false
	}
}

// discard removes the spool file.
func (w *cleanWriter) discard() {
	if w.spool != nil {
		if err := errors.Join(w.spool.Close(), os.Remove(w.spool.Name())); err != nil {
			w.u.logger.Warn("spool file of a compaction", zap.Error(err))
		}
	}
	*w = cleanWriter{u: w.u, o: w.o, paced: w.paced, open: make(map[pack.PartitionID]*cleaned)}
}

// finish makes an object of what is there, registers it and switches readers to it; the
// writer is empty then. metadata.ErrConflict: slices are not what they were. Parts that
// nothing changed in stay where they are.
func (w *cleanWriter) finish(ctx context.Context) (err error) {
	defer w.discard()
	if err := w.u.cfg.Seam("spool"); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	number := uint64(max(w.u.cfg.Now().UnixMilli(), 1))
	plan := &segment.Plan{Volume: w.u.volumeHeader(number)}
	plan.Footer.Head.Flags = segment.FlagSorted
	var parts []*cleaned
	for _, p := range w.parts {
		if len(p.was) == 0 || !p.changed || !w.u.compacts(p.id) {
			continue
		}
		parts = append(parts, p)
		for _, x := range p.extents {
			plan.Add(io.NewSectionReader(w.spool, 0, w.end), p.id, x, p.append)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	key := newKey(compactedPrefix, number)
	defer w.u.uploads.begin(key)()
	if err := w.u.cfg.Seam("intend"); err != nil {
		return err
	}
	if err := w.u.cfg.Store.Intend(ctx, key); err != nil {
		return fmt.Errorf("intend %s: %w", key, err)
	}
	size, err := w.u.upload(ctx, key, plan)
	if err != nil {
		return err
	}
	return w.u.registerCleaned(ctx, parts, metadata.Registration{Segment: metadata.Segment{Key: key, Bytes: size}})
}

// compacts says whether a partition's topic is there and still compacted: its policy may
// have changed during the run.
func (u *Upkeep) compacts(id pack.PartitionID) bool {
	for _, t := range u.cfg.Topics.List() {
		if t.ID == id.Topic {
			return t.Compact
		}
	}
	return false
}

// registerCleaned registers a compacted object in place of what it was made of. The right
// to register is held for this alone: seals do not wait for a run.
func (u *Upkeep) registerCleaned(ctx context.Context, parts []*cleaned, reg metadata.Registration) error {
	footer, err := u.openFooter(ctx, reg.Segment.Key, reg.Segment.Bytes)
	if err != nil {
		return err
	}
	for _, p := range parts {
		first, last := &p.was[0], &p.was[len(p.was)-1]
		reg.Replaces = append(reg.Replaces, metadata.Replace{
			ID: p.id, From: first.BaseOffset, To: last.LastOffset, Was: segmentsOf(p.was),
		})
		if in, ok := footer.Find(p.id); ok {
			reg.Slices = append(reg.Slices, metadata.Slice{
				ID: p.id, BaseOffset: in.BaseOffset, LastOffset: in.LastOffset, Bytes: in.Bytes,
				MaxTimestamp: in.MaxTimestamp, AppendTime: in.AppendTime,
			})
		}
	}
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	reg.Segment.Data = dataOf(footer)
	id, err := u.register(ctx, reg)
	if err == nil {
		err = u.cfg.Seam("switch")
	}
	if err != nil {
		if !errors.Is(err, metadata.ErrConflict) {
			u.clean.unsure.add(reg.Replaces...)
		}
		return err
	}
	for i := range reg.Slices {
		reg.Slices[i].Segment = id
	}
	for i, r := range reg.Replaces {
		var now []metadata.Slice
		for _, s := range reg.Slices {
			if s.ID == r.ID {
				now = append(now, s)
			}
		}
		u.cfg.Log.Replaced(r.ID, r.From, r.To, now)
		u.clean.noteParts(parts[i].id)
	}
	u.metrics.cleanObjects.Inc()
	return nil
}

// pace spreads work over time.
type pace struct {
	mu   sync.Mutex
	next time.Time
}

// wait waits until n more bytes may be moved at a rate. A second's worth may run ahead.
func (p *pace) wait(ctx context.Context, n int, perSecond float64) error {
	if perSecond <= 0 || perSecond > 1<<60 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	seconds := min(float64(n)/perSecond, time.Hour.Seconds()) // a wait has a bound
	p.next = p.next.Add(time.Duration(seconds * float64(time.Second)))
	pause := p.next.Sub(now) - time.Second
	p.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
