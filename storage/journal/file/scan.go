package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// verifyBuffer is how much of a body is read at a time.
const verifyBuffer = 512 << 10

// scanner reads the packs of one volume in order and checks every byte of them.
type scanner struct {
	v    *volume
	f    File
	path string
	size int64 // of the file
	// The cursor: where the next pack begins and what it must continue.
	pos int64
	seq uint64
	crc uint32

	mem *scanMemory
}

// scanMemory is what the scanners of one replay share.
type scanMemory struct {
	body  []byte
	head  []byte
	index [2]pack.Index // of the pack at hand and the one before it
	last  int           // which of them was filled last
}

func newScanner(v *volume, f File, path string, size int64, mem *scanMemory) *scanner {
	if mem.body == nil {
		mem.body = make([]byte, verifyBuffer)
	}
	return &scanner{
		v: v, f: f, path: path, size: size, mem: mem,
		pos: pack.VolumeHeaderSize, seq: v.header.PrevSeq + 1, crc: v.header.PrevCRC,
	}
}

// fault is why no pack could be read at the cursor.
type fault struct {
	err error
	// final: it cannot be the torn end of an append.
	final bool
	// end is where the pack would end by its header; 0 if the header does not check.
	end int64
}

// next reads the pack at the cursor and moves behind it. The index is valid until the
// call after the next one.
func (s *scanner) next() (journal.Ref, *pack.Index, *fault) {
	h, bad := s.header()
	if bad != nil {
		return journal.Ref{}, nil, bad
	}
	ref := journal.Ref{Volume: s.v.id, Seq: h.Seq, Pos: s.pos, Len: h.Size()}
	end := s.pos + h.Size()
	if end > s.size {
		return ref, nil, &fault{err: fmt.Errorf("%w: pack ends at %d", pack.ErrCorrupt, end), end: end}
	}
	x := &s.mem.index[1-s.mem.last] // the other one may be in use
	if err := s.verify(h, x); err != nil {
		return ref, nil, &fault{err: err, end: end, final: !errors.Is(err, pack.ErrCorrupt)}
	}
	if h.Flags&pack.FlagCleanStop == 0 {
		s.seq++
		s.crc = h.CRC
	}
	s.pos = end
	s.mem.last = 1 - s.mem.last
	return ref, x, nil
}

// header reads the pack header at the cursor and checks that it continues the volume.
func (s *scanner) header() (pack.Header, *fault) {
	var b [pack.HeaderSize]byte
	n, err := s.f.ReadAt(b[:], s.pos)
	if err != nil && err != io.EOF {
		return pack.Header{}, &fault{err: err, final: true}
	}
	h, err := pack.DecodeHeader(b[:n])
	switch {
	case errors.Is(err, pack.ErrVersion):
		return h, &fault{err: err, final: true}
	case err != nil:
		return h, &fault{err: err}
	case h.Volume != uint64(s.v.id) || h.Nonce != s.v.nonce:
		return h, &fault{err: fmt.Errorf("%w: a pack of another volume", pack.ErrCorrupt)}
	case h.Seq != s.seq || h.PrevCRC != s.crc || h.Flags&pack.FlagFence != 0:
		return h, &fault{final: true, err: fmt.Errorf("%w: pack %d after checksum %08x, expected %d after %08x",
			pack.ErrCorrupt, h.Seq, h.PrevCRC, s.seq, s.crc)}
	}
	return h, nil
}

// verify reads index and body of the pack at the cursor, which lies inside the file.
func (s *scanner) verify(h pack.Header, x *pack.Index) error {
	n := int(h.IndexLen())
	if cap(s.mem.head) < n {
		s.mem.head = make([]byte, n)
	}
	b := s.mem.head[:n]
	if got, err := s.f.ReadAt(b, s.pos+pack.HeaderSize); got < n {
		return fmt.Errorf("read index: %w", err)
	}
	if err := pack.DecodeIndex(h, b, x); err != nil {
		return err
	}
	return pack.VerifyReader(x, s.f, s.pos+pack.HeaderSize+h.IndexLen(), s.mem.body)
}

// damaged makes the error for a fault at the cursor. Bytes that could not be read are
// not known to be damaged.
func (s *scanner) damaged(err error, why string) error {
	if !errors.Is(err, pack.ErrCorrupt) && !errors.Is(err, pack.ErrVersion) {
		return fmt.Errorf("journal: %s at position %d of %d: %w", s.path, s.pos, s.size, err)
	}
	return fmt.Errorf("%w: %s at position %d of %d: %w (%s)", journal.ErrDamaged, s.path, s.pos, s.size, err, why)
}

// torn decides what a fault in a volume without an end mark is: nil if it is the end
// of an append that a crash cut short, else an error. Only the last pack can be torn,
// since none is written before the one in front of it is durable. So whatever of this
// file lies behind the pack proves that it had been whole.
func (s *scanner) torn(bad *fault) error {
	switch {
	case bad.final:
		return s.damaged(bad.err, "not a torn append")
	case bad.end > 0 && s.size > bad.end:
		return s.damaged(bad.err, fmt.Sprintf("the pack had been whole: the file goes on behind its end at %d", bad.end))
	case bad.end > 0:
		return nil
	}
	at, err := s.laterHeader()
	if err != nil {
		return s.damaged(err, "read on behind a pack that does not check")
	}
	if at > 0 {
		return s.damaged(bad.err, fmt.Sprintf("the pack had been whole: a later one begins at %d", at))
	}
	return nil
}

// laterHeader looks for a header of this volume behind the cursor and returns its
// position, or 0. Bytes inside records that look like a header do not have the
// volume's nonce.
func (s *scanner) laterHeader() (int64, error) {
	const keep = pack.HeaderSize - 1
	b := s.mem.body
	for pos := s.pos + 1; pos+pack.HeaderSize <= s.size; {
		n, err := s.f.ReadAt(b[:min(int64(len(b)), s.size-pos)], pos)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if at := s.headerIn(b[:n]); at >= 0 {
			return pos + int64(at), nil
		}
		if n <= keep {
			return 0, nil
		}
		pos += int64(n - keep)
	}
	return 0, nil
}

func (s *scanner) headerIn(b []byte) int {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte(pack.Magic))
		if i < 0 {
			return -1
		}
		at += i
		h, err := pack.DecodeHeader(b[at:])
		if err == nil && h.Volume == uint64(s.v.id) && h.Nonce == s.v.nonce {
			return at
		}
	}
}
