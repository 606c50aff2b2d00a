package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Errors of the decoders.
var (
	// ErrCorrupt: the bytes are not what an encoder of this package wrote.
	ErrCorrupt = errors.New("pack: corrupt")
	// ErrVersion: the checksum is right, but a newer release wrote it. It must be
	// refused, never treated as a torn tail.
	ErrVersion = errors.New("pack: format of a newer release")
)

// Sizes in bytes.
const (
	HeaderSize = 128
	EntrySize  = 112
	// MinBatchSize is the size of a record batch without records.
	MinBatchSize = 61
)

// Version is the version of the pack format that this package writes.
const Version = 1

// Magic begins every pack. The first byte is not ASCII and the last is a newline,
// so that a transfer in text mode shows at once.
const Magic = "\x89SHPACK\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// HeaderFlags say what kind of pack it is.
type HeaderFlags uint32

// The header flags.
const (
	// FlagCleanStop: an empty pack behind the last one, written when the broker
	// stopped in order. It has the sequence number that the next pack will get.
	FlagCleanStop HeaderFlags = 1 << iota
	// FlagFence: an empty pack that ends an epoch of an object journal. Its nonce
	// is the fencer's, not the epoch's.
	FlagFence
	// FlagAtomic: the pack holds an append over several partitions that is valid as
	// a whole or not at all (a pack always is; the flag tells mergers to keep it).
	FlagAtomic
	// FlagEncrypted: reserved; bodies are sealed per extent under KeyID.
	FlagEncrypted

	knownHeaderFlags = FlagCleanStop | FlagFence | FlagAtomic
)

// Nonce is the random number of a volume. Every pack of the volume repeats it, so
// that bytes inside a record that look like a pack are never taken for one.
type Nonce [16]byte

// Place says where in a journal a pack belongs.
type Place struct {
	Volume uint64
	Nonce  Nonce
	Seq    uint64 // of the pack within the journal, from 1
	// PrevCRC is the header checksum of the pack before it, across volumes; 0 for
	// the first.
	PrevCRC uint32
}

// Header is the fixed part of a pack, decoded.
type Header struct {
	Place
	Flags      HeaderFlags
	Entries    int // batches
	Partitions int
	BodyLen    int64 // bytes
	CreatedAt  int64 // ms
	KeyID      uint32
	IndexCRC   uint32
	CRC        uint32 // of the header, IndexCRC included: it identifies the whole pack
}

// IndexLen is the length of the index in bytes.
func (h *Header) IndexLen() int64 { return int64(h.Entries) * EntrySize }

// Size is the length of the whole pack in bytes.
func (h *Header) Size() int64 { return HeaderSize + h.IndexLen() + h.BodyLen }

// Field positions within a header; docs/formats/pack.md has the table.
const (
	hVersion    = 8
	hSize       = 10
	hFlags      = 12
	hVolume     = 16
	hNonce      = 24
	hSeq        = 40
	hPrevCRC    = 48
	hEntries    = 52
	hPartitions = 56
	hIndexCRC   = 60
	hBodyLen    = 64
	hCreatedAt  = 72
	hEntrySize  = 80
	hReserved1  = 82
	hKeyID      = 84
	hReserved2  = 88
	hCRC        = 124
)

// AppendHeader appends the wire form of h to dst; h.CRC is computed, not read.
func AppendHeader(dst []byte, h *Header) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	putHeader(dst[start:], h)
	return dst
}

func putHeader(b []byte, h *Header) {
	clear(b[:HeaderSize])
	copy(b, Magic)
	be := binary.BigEndian
	be.PutUint16(b[hVersion:], Version)
	be.PutUint16(b[hSize:], HeaderSize)
	be.PutUint32(b[hFlags:], uint32(h.Flags))
	be.PutUint32(b[hEntries:], uint32(h.Entries))
	be.PutUint32(b[hPartitions:], uint32(h.Partitions))
	be.PutUint32(b[hIndexCRC:], h.IndexCRC)
	be.PutUint64(b[hBodyLen:], uint64(h.BodyLen))
	be.PutUint64(b[hCreatedAt:], uint64(h.CreatedAt))
	be.PutUint16(b[hEntrySize:], EntrySize)
	be.PutUint32(b[hKeyID:], h.KeyID)
	Stamp(b, h.Place)
}

// Stamp writes the pack's place into an encoded header, which is at the start of
// head, makes the header's checksum anew and returns it. The journal calls it just
// before a pack is written, since only the journal knows the place.
func Stamp(head []byte, p Place) uint32 {
	be := binary.BigEndian
	be.PutUint64(head[hVolume:], p.Volume)
	copy(head[hNonce:hNonce+16], p.Nonce[:])
	be.PutUint64(head[hSeq:], p.Seq)
	be.PutUint32(head[hPrevCRC:], p.PrevCRC)
	crc := crc32.Checksum(head[:hCRC], castagnoli)
	be.PutUint32(head[hCRC:], crc)
	return crc
}

// DecodeHeader decodes the header at the start of b. ErrCorrupt if it is not one;
// ErrVersion if it is one of a newer release.
func DecodeHeader(b []byte) (Header, error) {
	if err := checkFrame(b, Magic, HeaderSize, hCRC); err != nil {
		return Header{}, err
	}
	be := binary.BigEndian
	if v := be.Uint16(b[hVersion:]); v != Version {
		return Header{}, fmt.Errorf("%w: pack version %d", ErrVersion, v)
	}
	h := Header{
		Place: Place{
			Volume:  be.Uint64(b[hVolume:]),
			Nonce:   Nonce(b[hNonce : hNonce+16]),
			Seq:     be.Uint64(b[hSeq:]),
			PrevCRC: be.Uint32(b[hPrevCRC:]),
		},
		Flags:      HeaderFlags(be.Uint32(b[hFlags:])),
		Entries:    int(be.Uint32(b[hEntries:])),
		Partitions: int(be.Uint32(b[hPartitions:])),
		BodyLen:    int64(be.Uint64(b[hBodyLen:])),
		CreatedAt:  int64(be.Uint64(b[hCreatedAt:])),
		KeyID:      be.Uint32(b[hKeyID:]),
		IndexCRC:   be.Uint32(b[hIndexCRC:]),
		CRC:        be.Uint32(b[hCRC:]),
	}
	return h, h.check(b)
}

// check holds the header to what every encoder keeps. b is its wire form.
func (h *Header) check(b []byte) error {
	be := binary.BigEndian
	switch {
	case h.Flags&^knownHeaderFlags != 0:
		return fmt.Errorf("%w: pack flags %#x", ErrVersion, h.Flags)
	case be.Uint16(b[hSize:]) != HeaderSize, be.Uint16(b[hEntrySize:]) != EntrySize:
		return fmt.Errorf("%w: pack header of %d bytes, entries of %d", ErrCorrupt, be.Uint16(b[hSize:]), be.Uint16(b[hEntrySize:]))
	case !allZero(b[hReserved1:hKeyID]), !allZero(b[hReserved2:hCRC]), h.KeyID != 0:
		return fmt.Errorf("%w: pack header uses reserved bytes", ErrCorrupt)
	case h.Partitions > h.Entries, h.Entries > 0 && h.Partitions == 0:
		return fmt.Errorf("%w: %d batches of %d partitions", ErrCorrupt, h.Entries, h.Partitions)
	case h.BodyLen < int64(h.Entries)*MinBatchSize, h.BodyLen > maxBodyLen, h.Entries == 0 && h.BodyLen != 0:
		return fmt.Errorf("%w: body of %d bytes for %d batches", ErrCorrupt, h.BodyLen, h.Entries)
	case h.Flags&(FlagCleanStop|FlagFence) != 0 && h.Entries != 0:
		return fmt.Errorf("%w: mark with %d batches", ErrCorrupt, h.Entries)
	}
	return nil
}

// maxBodyLen keeps the sum of positions far from overflow.
const maxBodyLen = 1 << 50

// checkFrame checks length, magic and checksum of a fixed-size header. These three
// are the same in every version.
func checkFrame(b []byte, magic string, size, crcPos int) error {
	if len(b) < size {
		return fmt.Errorf("%w: %d bytes, a header has %d", ErrCorrupt, len(b), size)
	}
	if string(b[:len(magic)]) != magic {
		return fmt.Errorf("%w: magic %x", ErrCorrupt, b[:len(magic)])
	}
	want := binary.BigEndian.Uint32(b[crcPos:])
	if got := crc32.Checksum(b[:crcPos], castagnoli); got != want {
		return fmt.Errorf("%w: header checksum %08x, computed %08x", ErrCorrupt, want, got)
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
