package segment

import (
	"bufio"
	"fmt"
	"io"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// copyBuffer is how much of a source's data is read at once.
const copyBuffer = 256 << 10

// indexRead is how many index entries are read at once.
const indexRead = 2048

// bytesStream reads a slice that others read too.
type bytesStream struct{ left []byte }

func (s *bytesStream) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// indexStream reads the index of the planned pack: the entries of all runs, their
// positions moved to where the batches will lie.
type indexStream struct {
	runs  []run
	i     int   // run at hand
	entry int64 // next entry of it
	base  int64 // position of the run's first batch in the planned body
	first int64 // position of that batch in its own pack
	next  int64 // where the next batch begins in its own pack, as a check
	buf   []byte
	left  []byte
	raw   []byte
}

func (s *indexStream) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		if s.i == len(s.runs) {
			return 0, io.EOF
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// fill reads some entries of the run at hand and moves on at its end.
func (s *indexStream) fill() error {
	r := &s.runs[s.i]
	count := min(int64(r.from.IndexCount)-s.entry, indexRead)
	entries, raw, err := readEntries(r, s.entry, count, s.raw)
	if err != nil {
		return err
	}
	s.raw, s.buf = raw, s.buf[:0]
	for i := range entries {
		e := &entries[i]
		if s.entry == 0 && i == 0 {
			s.first, s.next = e.Position, e.Position
		}
		if e.ID != r.id || e.Position != s.next {
			return fmt.Errorf("%w: index entry of %v at %d where %v at %d is due", pack.ErrCorrupt, e.ID, e.Position, r.id, s.next)
		}
		s.next += int64(e.Length)
		e.Position += s.base - s.first
		s.buf = pack.AppendEntry(s.buf, e)
	}
	s.left = s.buf
	if s.entry += count; s.entry == int64(r.from.IndexCount) {
		if s.next-s.first != r.from.DataLen {
			return fmt.Errorf("%w: batches of %v take %d bytes, their extent %d", pack.ErrCorrupt, r.id, s.next-s.first, r.from.DataLen)
		}
		s.base += r.from.DataLen
		s.i, s.entry = s.i+1, 0
	}
	return nil
}

// readEntries reads count index entries of a run from number `from` on, through raw.
func readEntries(r *run, from, count int64, raw []byte) ([]pack.Entry, []byte, error) {
	n := int(count * pack.EntrySize)
	if cap(raw) < n {
		raw = make([]byte, n)
	}
	raw = raw[:n]
	if err := readFull(r.src, raw, r.from.IndexPos+from*pack.EntrySize); err != nil {
		return nil, raw, err
	}
	entries, err := pack.DecodeEntries(nil, raw)
	return entries, raw, err
}

// dataStream reads the batches of all runs and checks each.
type dataStream struct {
	runs    []run
	i       int
	entry   int64        // next entry of run i to be read
	entries []pack.Entry // read and not yet copied
	data    *bufio.Reader
	batch   []byte
	left    []byte
	raw     []byte
}

func (s *dataStream) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		if s.i == len(s.runs) {
			return 0, io.EOF
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// fill reads and checks the next batch.
func (s *dataStream) fill() error {
	r := &s.runs[s.i]
	if len(s.entries) == 0 {
		if s.entry == int64(r.from.IndexCount) {
			s.i, s.entry = s.i+1, 0
			return nil
		}
		if err := s.readEntries(r); err != nil {
			return err
		}
	}
	e := &s.entries[0]
	if int64(e.Length) > r.from.DataLen {
		return fmt.Errorf("%w: batch of %d bytes in an extent of %d", pack.ErrCorrupt, e.Length, r.from.DataLen)
	}
	if cap(s.batch) < int(e.Length) {
		s.batch = make([]byte, e.Length)
	}
	s.batch = s.batch[:e.Length]
	if _, err := io.ReadFull(s.data, s.batch); err != nil {
		return fmt.Errorf("segment: read batch of %v at offset %d: %w", r.id, e.BaseOffset, err)
	}
	if err := pack.VerifyBatch(e, s.batch); err != nil {
		return err
	}
	s.entries = s.entries[1:]
	s.left = s.batch
	return nil
}

func (s *dataStream) readEntries(r *run) (err error) {
	if s.entry == 0 {
		section := io.NewSectionReader(r.src, r.from.DataPos, r.from.DataLen)
		if s.data == nil {
			s.data = bufio.NewReaderSize(section, copyBuffer)
		} else {
			s.data.Reset(section)
		}
	}
	count := min(int64(r.from.IndexCount)-s.entry, indexRead)
	s.entries, s.raw, err = readEntries(r, s.entry, count, s.raw)
	s.entry += count
	return err
}
