package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// packBytesMax bounds the memory that one remote pack takes: a pack is some MiB, or
// one batch, and no request is larger than 2 GiB.
const packBytesMax = 2 << 30

// contents is one closed journal volume, readable as one run of bytes: the journal's
// own file where it is one, a local copy of its packs where they are remote.
type contents struct {
	info  journal.Info
	src   io.ReaderAt
	first int64 // position of the first pack
	close func() error
}

// openContents opens a closed volume that holds at least one pack.
func (u *Upkeep) openContents(ctx context.Context, info journal.Info) (*contents, error) {
	src, err := u.cfg.Journal.OpenSource(journal.Ref{Volume: info.ID, Seq: info.FirstSeq})
	if err != nil {
		return nil, fmt.Errorf("open journal volume %d: %w", info.ID, u.lost(info.ID, err))
	}
	// The source is the whole volume or one pack of it: what it begins with tells.
	head := make([]byte, pack.VolumeHeaderSize)
	if n, err := src.ReadAt(head, 0); n < len(head) {
		return nil, errors.Join(fmt.Errorf("read journal volume %d: %w", info.ID, err), src.Close())
	}
	if _, err := pack.DecodeVolumeHeader(head); err == nil {
		return &contents{info: info, src: src, first: pack.VolumeHeaderSize, close: src.Close}, nil
	}
	if err := src.Close(); err != nil {
		return nil, err
	}
	return u.spool(ctx, info)
}

// spool copies the packs of a remote volume one behind the other into a temporary
// file: sorting by partition reads them in another order than they are stored in, and
// each read of a remote pack would be a request.
func (u *Upkeep) spool(ctx context.Context, info journal.Info) (_ *contents, err error) {
	f, err := os.CreateTemp(u.cfg.SpoolDir, "seal-*.spool")
	if err != nil {
		return nil, fmt.Errorf("make a spool file: %w", err)
	}
	closeFile := func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	defer func() {
		if err != nil {
			err = errors.Join(err, closeFile())
		}
	}()
	for seq := info.FirstSeq; seq <= info.LastSeq; seq++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := u.spoolPack(f, info.ID, seq); err != nil {
			return nil, fmt.Errorf("read pack %d of journal volume %d: %w", seq, info.ID, u.lost(info.ID, err))
		}
	}
	return &contents{info: info, src: f, close: closeFile}, nil
}

// lost makes it damage that a part of a closed volume is missing while the journal still
// lists the volume: nobody but upkeep releases one, so it will not come back.
func (u *Upkeep) lost(volume journal.VolumeID, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, v := range u.cfg.Journal.Volumes() {
		if v.ID == volume {
			return fmt.Errorf("%w: a part of it is missing: %w", journal.ErrDamaged, err)
		}
	}
	return err
}

// keeper is implemented by a journal that has some of its packs at hand.
type keeper interface {
	// Kept returns a pack as it was made durable, or nil.
	Kept(volume journal.VolumeID, seq uint64) []byte
}

// spoolPack copies one pack, checked whole: what is in the spool file counts as what the
// journal verified.
func (u *Upkeep) spoolPack(to io.Writer, volume journal.VolumeID, seq uint64) (err error) {
	if k, ok := u.cfg.Journal.(keeper); ok {
		if b := k.Kept(volume, seq); b != nil {
			_, err := to.Write(b)
			return err
		}
	}
	src, err := u.cfg.Journal.OpenSource(journal.Ref{Volume: volume, Seq: seq})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	var b *buffer.Buf
	for range readTries {
		if b, err = fetchPack(src, seq); !errors.Is(err, pack.ErrCorrupt) {
			break
		}
	}
	if err != nil {
		return err
	}
	defer b.Release()
	_, err = to.Write(b.Bytes())
	return err
}

// fetchPack reads a remote pack and checks header, index and batches. The caller releases
// what it returns.
func fetchPack(src io.ReaderAt, seq uint64) (*buffer.Buf, error) {
	h, err := readHeader(src, 0)
	if err != nil {
		return nil, err
	}
	if h.Seq != seq || h.Size() > packBytesMax {
		return nil, fmt.Errorf("%w: pack %d of %d bytes where pack %d is due", pack.ErrCorrupt, h.Seq, h.Size(), seq)
	}
	b := buffer.Get(int(h.Size()))
	// One read: each is a request to the bucket.
	if n, err := src.ReadAt(b.Bytes(), 0); n < len(b.Bytes()) {
		b.Release()
		return nil, fmt.Errorf("%d of %d bytes: %w", n, h.Size(), err)
	}
	var index pack.Index
	split := pack.HeaderSize + h.IndexLen()
	err = pack.DecodeIndex(h, b.Bytes()[pack.HeaderSize:split], &index)
	if err == nil {
		err = pack.VerifyBody(&index, b.Bytes()[split:])
	}
	if err != nil {
		b.Release()
		return nil, err
	}
	return b, nil
}

func readHeader(src io.ReaderAt, pos int64) (pack.Header, error) {
	b := make([]byte, pack.HeaderSize)
	if n, err := src.ReadAt(b, pos); n < len(b) {
		return pack.Header{}, fmt.Errorf("read pack header at %d: %w", pos, err)
	}
	return pack.DecodeHeader(b)
}

// packs calls fn with each pack's position and index, in order; the index is valid
// during the call. Anything but the volume's packs, whole and in sequence, is
// ErrDamaged: the journal verified them when it wrote or replayed them.
func (c *contents) packs(ctx context.Context, fn func(pos int64, index *pack.Index) error) error {
	var index pack.Index
	var raw []byte
	pos := c.first
	for seq := c.info.FirstSeq; seq <= c.info.LastSeq; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := readHeader(c.src, pos)
		if err != nil {
			return c.damaged(pos, err)
		}
		if h.Entries > 0 {
			if h.Seq != seq {
				return c.damaged(pos, fmt.Errorf("%w: pack %d where %d is due", pack.ErrCorrupt, h.Seq, seq))
			}
			if int64(cap(raw)) < h.IndexLen() {
				raw = make([]byte, h.IndexLen())
			}
			raw = raw[:h.IndexLen()]
			if n, err := c.src.ReadAt(raw, pos+pack.HeaderSize); n < len(raw) {
				return c.damaged(pos, err)
			}
			if err := pack.DecodeIndex(h, raw, &index); err != nil {
				return c.damaged(pos, err)
			}
			if err := fn(pos, &index); err != nil {
				return err
			}
			seq++
		}
		pos += h.Size()
	}
	return nil
}

// damaged names the place of what does not check. A read that failed is not damage:
// it may succeed next time.
func (c *contents) damaged(pos int64, err error) error {
	if errors.Is(err, pack.ErrCorrupt) || errors.Is(err, pack.ErrVersion) || errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", journal.ErrDamaged, err)
	}
	return fmt.Errorf("volume %d at %d: %w", c.info.ID, pos, err)
}
