package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/streamhouse/streamhouse/storage/journal"
)

// Footer ends a closed volume with footer. Where the durable packs end is known from
// the end mark, so whatever lies behind (a torn or void pack, half a footer) is
// replaced. A file with a second link is not touched: it belongs to the bucket too.
func (j *Journal) Footer(ctx context.Context, id journal.VolumeID, footer []byte) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	j.mu.Lock()
	v := j.find(id)
	closed, suspect := v != nil && v.closed, v != nil && v.suspect
	j.mu.Unlock()
	if v == nil {
		return "", fmt.Errorf("journal: footer of volume %d: %w", id, fs.ErrNotExist)
	}
	if !closed {
		return "", fmt.Errorf("journal: footer of volume %d, which is open", id)
	}
	path := j.disk.Path(v.name())
	done, err := j.hasFooter(v, footer)
	switch {
	case err != nil || done:
	case suspect:
		err = j.copyWithFooter(ctx, v, footer)
	default:
		err = j.appendFooter(v, footer)
	}
	if err != nil {
		return "", fmt.Errorf("journal: footer of %s: %w", path, err)
	}
	return path, nil
}

// hasFooter says whether the file ends with footer already, and makes sure of it on
// disk. An error if it ends otherwise and may not be changed.
func (j *Journal) hasFooter(v *volume, footer []byte) (bool, error) {
	f, err := j.disk.Open(v.name())
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, links, err := f.Stat()
	if err != nil {
		return false, err
	}
	same, err := sameAt(f, v.end(), size, footer)
	switch {
	case err != nil:
		return false, err
	case links > 1 && !same:
		return false, fmt.Errorf("%w: the file has a second link and another end", errors.ErrUnsupported)
	case !same:
		return false, nil
	}
	if links == 1 {
		// An earlier attempt wrote it; whether that was synced is not known, so it is
		// written again.
		return false, nil
	}
	return true, nil
}

func sameAt(f File, pos, size int64, want []byte) (bool, error) {
	if size != pos+int64(len(want)) {
		return false, nil
	}
	got := make([]byte, len(want))
	if n, err := f.ReadAt(got, pos); n < len(got) && err != io.EOF {
		return false, err
	}
	return bytes.Equal(got, want), nil
}

// appendFooter writes the footer behind the last durable pack. Readers of the volume
// never see what it cuts away.
func (j *Journal) appendFooter(v *volume, footer []byte) error {
	f, err := j.disk.OpenWrite(v.name())
	if err != nil {
		return err
	}
	end := v.end()
	err = f.Truncate(end)
	if err == nil {
		err = f.WriteVec([][]byte{footer}, end)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		j.mu.Lock()
		v.suspect = true // the next attempt makes a new file
		j.mu.Unlock()
	}
	return errors.Join(err, f.Close())
}

// copyWithFooter puts a new file in the place of one that a write or sync failed on.
func (j *Journal) copyWithFooter(ctx context.Context, v *volume, footer []byte) error {
	tmp := fileName(uint64(v.id), tmpSuffix)
	if err := j.disk.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dst, err := j.disk.Create(tmp)
	if err != nil {
		return err
	}
	err = errors.Join(j.copyDurable(ctx, v, dst, footer), dst.Close())
	if err == nil {
		err = j.disk.Rename(tmp, v.name())
	}
	if err != nil {
		// Best effort: a start removes what is left.
		_ = j.disk.Remove(tmp)
		return err
	}
	if err := j.disk.Sync(); err != nil {
		return err
	}
	j.mu.Lock()
	v.suspect = false
	j.mu.Unlock()
	return nil
}

// copyDurable fills dst with the durable part of the volume, checked once more, and
// the footer, and syncs it.
func (j *Journal) copyDurable(ctx context.Context, v *volume, dst File, footer []byte) error {
	src, err := j.disk.Open(v.name())
	if err != nil {
		return err
	}
	defer src.Close()
	buf := make([]byte, 1<<20)
	end := v.end()
	for pos := int64(0); pos < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), end-pos)], pos)
		if n == 0 && err != nil {
			return err
		}
		if err := dst.WriteVec([][]byte{buf[:n]}, pos); err != nil {
			return err
		}
		pos += int64(n)
	}
	if err := dst.WriteVec([][]byte{footer}, end); err != nil {
		return err
	}
	copied := newVolume(v.header)
	s := newScanner(copied, dst, j.disk.Path(v.name()), end, &scanMemory{})
	for s.pos < end {
		if _, _, bad := s.next(); bad != nil {
			return s.damaged(bad.err, "copied volume")
		}
	}
	return dst.Sync()
}
