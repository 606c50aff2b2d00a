package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// crcStart is where the part of a batch begins that its CRC covers. The bytes in
// front of it are repeated in the index entry.
const crcStart = 21

// batchMagic is the only record batch format that is stored.
const batchMagic = 2

// VerifyBody checks a pack's batches, which are all of body, against its index:
// every byte is compared with the index or covered by its batch's CRC-32C.
// ErrCorrupt names the first batch that does not check.
func VerifyBody(x *Index, body []byte) error {
	if int64(len(body)) != x.Header.BodyLen {
		return fmt.Errorf("%w: body of %d bytes, header says %d", ErrCorrupt, len(body), x.Header.BodyLen)
	}
	for i := range x.Entries {
		e := &x.Entries[i]
		if err := VerifyBatch(e, body[e.Position:e.Position+int64(e.Length)]); err != nil {
			return err
		}
	}
	return nil
}

// VerifyBatch checks one batch, which is all of b, against its index entry.
func VerifyBatch(e *Entry, b []byte) error {
	if len(b) != int(e.Length) {
		return fmt.Errorf("%w: batch of %d bytes, index says %d", ErrCorrupt, len(b), e.Length)
	}
	if err := verifyPrefix(e, b); err != nil {
		return err
	}
	return verifySum(e, crc32.Checksum(b[crcStart:], castagnoli))
}

// verifyPrefix compares the part of a batch that its CRC does not cover.
func verifyPrefix(e *Entry, b []byte) error {
	be := binary.BigEndian
	if int64(be.Uint64(b)) != e.BaseOffset || int32(be.Uint32(b[8:])) != e.Length-12 ||
		int32(be.Uint32(b[12:])) != e.LeaderEpoch || b[16] != batchMagic || be.Uint32(b[17:]) != e.CRC {
		return fmt.Errorf("%w: batch of %v at offset %d, position %d of the body: header does not match the index",
			ErrCorrupt, e.ID, e.BaseOffset, e.Position)
	}
	return nil
}

func verifySum(e *Entry, sum uint32) error {
	if sum != e.CRC {
		return fmt.Errorf("%w: batch of %v at offset %d, position %d of the body: checksum %08x, computed %08x",
			ErrCorrupt, e.ID, e.BaseOffset, e.Position, e.CRC, sum)
	}
	return nil
}

// VerifyReader is VerifyBody for a body that begins at pos of r. It reads through
// buf, of any length from 21 bytes up, and allocates nothing. An error of r is
// returned as it is; an end of r inside the body is ErrCorrupt.
func VerifyReader(x *Index, r io.ReaderAt, pos int64, buf []byte) error {
	v := verifier{x: x}
	for done := int64(0); done < x.Header.BodyLen; {
		n := int(min(int64(len(buf)), x.Header.BodyLen-done))
		if got, err := r.ReadAt(buf[:n], pos+done); got < n {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return fmt.Errorf("%w: body ends after %d of %d bytes", ErrCorrupt, done+int64(got), x.Header.BodyLen)
			}
			return fmt.Errorf("pack: read body at %d: %w", pos+done, err)
		}
		used, err := v.feed(buf[:n])
		if err != nil {
			return err
		}
		if used == 0 {
			return fmt.Errorf("pack: verify through a buffer of %d bytes", len(buf))
		}
		done += int64(used)
	}
	return nil
}

// verifier checks a body that comes in pieces.
type verifier struct {
	x   *Index
	i   int    // entry at hand
	at  int    // bytes of its batch that were seen
	sum uint32 // of those behind crcStart
}

// feed checks as much of b as it can and returns how much that is. What is left,
// less than the uncovered start of a batch, has to come again with more behind it.
func (v *verifier) feed(b []byte) (int, error) {
	used := 0
	for used < len(b) {
		e, rest := &v.x.Entries[v.i], b[used:]
		if v.at == 0 {
			if len(rest) < crcStart {
				return used, nil
			}
			if err := verifyPrefix(e, rest); err != nil {
				return used, err
			}
			v.at, v.sum = crcStart, 0
			used += crcStart
			continue
		}
		n := min(len(rest), int(e.Length)-v.at)
		v.sum = crc32.Update(v.sum, castagnoli, rest[:n])
		v.at += n
		used += n
		if v.at == int(e.Length) {
			if err := verifySum(e, v.sum); err != nil {
				return used, err
			}
			v.i, v.at = v.i+1, 0
		}
	}
	return used, nil
}
