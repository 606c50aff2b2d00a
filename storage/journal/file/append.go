package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Append writes the pack behind the last one and syncs the file. After a write or
// sync that failed the file is left alone for ever: until Roll every Append fails.
func (j *Journal) Append(ctx context.Context, seq uint64, bufs [][]byte) (journal.Ref, error) {
	if err := ctx.Err(); err != nil {
		return journal.Ref{}, err
	}
	j.writer.Lock()
	defer j.writer.Unlock()
	if j.out == nil {
		return journal.Ref{}, errors.New("journal: append to a journal that is not open")
	}
	if j.failed != nil {
		return journal.Ref{}, fmt.Errorf("journal: an earlier pack failed and was not closed by Roll: %w", j.failed)
	}
	v := j.last()
	if seq != v.lastSeq+1 {
		return journal.Ref{}, fmt.Errorf("journal: append of pack %d, the next is %d", seq, v.lastSeq+1)
	}
	size := sizeOf(bufs)
	if err := j.makeRoom(v, size); err != nil {
		return journal.Ref{}, err
	}
	ref, err := j.write(v, seq, bufs, size)
	if err != nil {
		j.failed, j.suspect = err, true
		return journal.Ref{}, fmt.Errorf("journal: pack %d: %w", seq, err)
	}
	return ref, nil
}

func sizeOf(bufs [][]byte) (n int64) {
	for _, b := range bufs {
		n += int64(len(b))
	}
	return n
}

// write stamps, writes and syncs a pack; then it is durable.
func (j *Journal) write(v *volume, seq uint64, bufs [][]byte, size int64) (journal.Ref, error) {
	pos := v.end()
	crc := pack.Stamp(bufs[0], pack.Place{Volume: uint64(v.id), Nonce: v.nonce, Seq: seq, PrevCRC: v.lastCRC})
	began := time.Now()
	if err := j.out.WriteVec(bufs, pos); err != nil {
		return journal.Ref{}, err
	}
	written := time.Now()
	if err := j.out.Sync(); err != nil {
		return journal.Ref{}, err
	}
	if j.cfg.Observe != nil {
		j.cfg.Observe(size, written.Sub(began), time.Since(written))
	}
	j.mu.Lock()
	v.extend(seq, crc, pos+size)
	j.mu.Unlock()
	return journal.Ref{Volume: v.id, Seq: seq, Pos: pos, Len: size}, nil
}

// makeRoom makes sure, before anything is written, that size more bytes fit and
// leave the reserve alone. journal.ErrNoRoom.
func (j *Journal) makeRoom(v *volume, size int64) error {
	end := v.end() + size
	grow := int64(0)
	if end > j.reserved {
		grow = end - j.reserved
	}
	free, err := j.checkFree(grow)
	if err != nil || grow == 0 {
		return err
	}
	target := end + min(reserveStep, max(free-j.cfg.ReserveBytes-grow, 0))
	return j.reserve(j.out, target, end)
}

// checkFree returns the free bytes, or ErrNoRoom if taking some of them touches the
// reserve.
func (j *Journal) checkFree(take int64) (int64, error) {
	free, err := j.disk.Free()
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	if free-take < j.cfg.ReserveBytes {
		return free, fmt.Errorf("%w: %s has %d bytes free, %d are to stay free and %d are needed",
			journal.ErrNoRoom, j.cfg.Dir, free, j.cfg.ReserveBytes, take)
	}
	return free, nil
}

// reserve allocates target bytes for f, or at least need.
func (j *Journal) reserve(f File, target, need int64) error {
	err := f.Reserve(target)
	if noRoom(err) && need < target {
		target = need
		err = f.Reserve(target)
	}
	switch {
	case noRoom(err):
		return fmt.Errorf("%w: %w", journal.ErrNoRoom, err)
	case errors.Is(err, errors.ErrUnsupported):
		// Without reservations the free space was all there is to check.
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	}
	j.reserved = target
	return nil
}

func noRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
