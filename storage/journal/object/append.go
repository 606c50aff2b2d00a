package object

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// line orders the packs of the open epoch that are on their way: they get their
// places in order of sequence, and are durable in that order. The journal's mutex
// guards it.
type line struct {
	stamped uint64 // last pack that has its place
	crc     uint32 // header checksum of that pack
	// flights are the packs that are stamped and not yet durable.
	flights map[uint64]*flight
	// err is why packs from failedAt on are not durable; nil while all is well.
	err      error
	failedAt uint64
	changed  chan struct{} // closed and replaced when any of this changes
}

type flight struct {
	crc     uint32
	size    int64
	stored  bool
	abandon context.CancelCauseFunc
}

func newLine(e *epoch) line {
	return line{stamped: e.lastSeq, crc: e.lastCRC, flights: make(map[uint64]*flight), changed: make(chan struct{})}
}

func (l *line) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// errEarlier is why a pack is given up when one in front of it failed.
var errEarlier = errors.New("journal: a pack before this one failed")

// Append creates the pack's object and waits until the ones before it are there too.
func (j *Journal) Append(ctx context.Context, seq uint64, bufs [][]byte) (journal.Ref, error) {
	if err := j.enterWrite(); err != nil {
		return journal.Ref{}, err
	}
	defer j.leaveWrite()
	e, err := j.turn(ctx, seq)
	if err != nil {
		return journal.Ref{}, err
	}
	ctx, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	data := j.stamp(e, seq, bufs, abandon)
	err = j.upload(ctx, e, seq, data)
	if err == nil {
		j.keep.put(e.id(), seq, data)
		err = j.stored(ctx, e, seq)
	} else {
		err = j.fail(seq, err)
	}
	if err != nil {
		return journal.Ref{}, err
	}
	return journal.Ref{Volume: journal.VolumeID(e.id()), Seq: seq, Pos: 0, Len: int64(len(data))}, nil
}

// turn waits until all packs before seq have their places.
func (j *Journal) turn(ctx context.Context, seq uint64) (*epoch, error) {
	for {
		j.mu.Lock()
		l := &j.line
		switch {
		case l.err != nil:
			err := l.err
			j.mu.Unlock()
			return nil, fmt.Errorf("%w: %w", errEarlier, err)
		case seq <= l.stamped:
			last := l.stamped
			j.mu.Unlock()
			return nil, fmt.Errorf("journal: append of pack %d, the next is %d", seq, last+1)
		case seq == l.stamped+1:
			e := j.epochs[len(j.epochs)-1]
			j.mu.Unlock()
			return e, nil
		}
		changed := l.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stamp gives the pack its place and returns its bytes: a copy, since a request that
// was cancelled may go on reading them after Append has returned.
func (j *Journal) stamp(e *epoch, seq uint64, bufs [][]byte, abandon context.CancelCauseFunc) []byte {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	j.mu.Lock()
	l := &j.line
	place := pack.Place{Volume: e.id(), Nonce: e.header.Nonce, Seq: seq, PrevCRC: l.crc}
	l.stamped, l.crc = seq, pack.Stamp(bufs[0], place)
	l.flights[seq] = &flight{crc: l.crc, size: int64(size), abandon: abandon}
	l.notify()
	j.mu.Unlock()
	data := make([]byte, 0, size)
	for _, b := range bufs {
		data = append(data, b...)
	}
	return data
}

// upload creates the object. What else the slot may hold decides the error.
func (j *Journal) upload(ctx context.Context, e *epoch, seq uint64, data []byte) error {
	err := j.createPack(ctx, j.key(e.id(), seq), seq, data)
	var other *conflict
	if !errors.As(err, &other) {
		return err
	}
	if h, ok := isFence(other.content, e.id(), seq); ok {
		return fmt.Errorf("%w: fence %x in %s", journal.ErrFenced, h.Nonce[:4], other.key)
	}
	return fmt.Errorf("%w: %s holds %d bytes that are neither pack %d nor a fence", journal.ErrDamaged, other.key, len(other.content), seq)
}

// fail records that the pack seq is not durable and ends the uploads behind it. It
// returns what to tell the caller.
func (j *Journal) fail(seq uint64, err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := &j.line
	if l.err == nil || seq < l.failedAt {
		if l.err != nil && errors.Is(l.err, journal.ErrFenced) && !errors.Is(err, journal.ErrFenced) {
			err = fmt.Errorf("%w; then %w", err, l.err) // being fenced is final, whatever else failed
		}
		l.err, l.failedAt = err, seq
		for n, f := range l.flights {
			if n > seq {
				f.abandon(errEarlier)
			}
		}
		l.notify()
	} else if errors.Is(err, journal.ErrFenced) && !errors.Is(l.err, journal.ErrFenced) {
		l.err = fmt.Errorf("%w; then %w", l.err, err)
	}
	return fmt.Errorf("journal: pack %d: %w", seq, err)
}

// stored records that the pack's object exists and waits for those before it.
func (j *Journal) stored(ctx context.Context, e *epoch, seq uint64) error {
	j.mu.Lock()
	j.line.flights[seq].stored = true
	j.advance(e)
	for e.lastSeq < seq {
		if err := j.line.err; err != nil && j.line.failedAt < seq {
			j.mu.Unlock()
			return fmt.Errorf("journal: pack %d: %w: %w", seq, errEarlier, err)
		}
		changed := j.line.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return j.fail(seq, context.Cause(ctx))
		}
		j.mu.Lock()
	}
	j.mu.Unlock()
	return nil
}

// advance moves the durable end over the packs that are stored without a gap. A pack
// behind one that failed stays out: it will be void. The caller holds j.mu.
func (j *Journal) advance(e *epoch) {
	l := &j.line
	moved := false
	for {
		f := l.flights[e.lastSeq+1]
		if f == nil || !f.stored || (l.err != nil && e.lastSeq+1 >= l.failedAt) {
			break
		}
		e.extend(e.lastSeq+1, f.crc, f.size)
		delete(l.flights, e.lastSeq)
		moved = true
	}
	if moved {
		l.notify()
	}
}
