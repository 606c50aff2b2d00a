package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// VolumeHeaderSize is the size in bytes of what every volume begins with.
const VolumeHeaderSize = 128

// Versions of the volume header. The second has the start number and nothing else; a
// header without one is written as the first.
const (
	volumeVersion1 = 1
	volumeVersion2 = 2
)

const volumeMagic = "\x89SHVOLM\n"

// VolumeKind says what the volume is.
type VolumeKind uint32

// The kinds of volumes.
const (
	VolumeFile    VolumeKind = 1 // a file of a file journal, also after it was adopted as a segment
	VolumeObject  VolumeKind = 2 // slot 0 of an epoch of an object journal
	VolumeSegment VolumeKind = 3 // a segment that was written as such
)

// VolumeFlags are facts about the predecessor that its end mark carries.
type VolumeFlags uint32

// The volume flags.
const (
	// VolumePrevFailed: a write or sync of the predecessor failed. It is not to be
	// written any more, not even to append a footer.
	VolumePrevFailed VolumeFlags = 1 << iota
	// VolumePrevClean: the predecessor's writer stopped in order.
	VolumePrevClean

	knownVolumeFlags = VolumePrevFailed | VolumePrevClean
)

// VolumeHeader begins a journal file, is slot 0 of an object journal's epoch, and
// begins a segment. It names who writes, and it is the end mark of its predecessor:
// nothing of that volume past the pack PrevSeq is ever read.
type VolumeHeader struct {
	Kind      VolumeKind
	Flags     VolumeFlags
	Cluster   string // at most 24 bytes of ASCII
	Broker    int32
	Volume    uint64
	Nonce     Nonce
	Prev      uint64 // volume before this one, 0 for the first
	PrevNonce Nonce
	PrevSeq   uint64 // last valid pack before this volume; its own first is PrevSeq+1
	PrevCRC   uint32 // header checksum of that pack, 0 if there is none
	// Start is the number of the broker's start that began the volume, from 1; 0: the
	// volume does not say, as those of version 1. A metadata store that has not counted
	// it is older than the volume.
	Start     int32
	CreatedAt int64 // ms
}

// Field positions; docs/formats/journal.md has the table.
const (
	vVersion   = 8
	vSize      = 10
	vFlags     = 12
	vKind      = 16
	vBroker    = 20
	vCluster   = 24
	vVolume    = 48
	vNonce     = 56
	vPrev      = 72
	vPrevNonce = 80
	vPrevSeq   = 96
	vPrevCRC   = 104
	vStart     = 108 // version 1: zero
	vCreatedAt = 112
	vReserved2 = 120
	vCRC       = 124
)

// AppendVolumeHeader appends the wire form of h to dst. It panics if the cluster id
// does not fit or the start number is negative.
func AppendVolumeHeader(dst []byte, h *VolumeHeader) []byte {
	if len(h.Cluster) > vVolume-vCluster {
		panic(fmt.Sprintf("pack: cluster id %q is too long", h.Cluster))
	}
	if h.Start < 0 {
		panic(fmt.Sprintf("pack: volume of start %d", h.Start))
	}
	version := uint16(volumeVersion1)
	if h.Start > 0 {
		version = volumeVersion2
	}
	start := len(dst)
	dst = append(dst, make([]byte, VolumeHeaderSize)...)
	b := dst[start:]
	copy(b, volumeMagic)
	be := binary.BigEndian
	be.PutUint16(b[vVersion:], version)
	be.PutUint16(b[vSize:], VolumeHeaderSize)
	be.PutUint32(b[vFlags:], uint32(h.Flags))
	be.PutUint32(b[vKind:], uint32(h.Kind))
	be.PutUint32(b[vBroker:], uint32(h.Broker))
	copy(b[vCluster:vVolume], h.Cluster)
	be.PutUint64(b[vVolume:], h.Volume)
	copy(b[vNonce:], h.Nonce[:])
	be.PutUint64(b[vPrev:], h.Prev)
	copy(b[vPrevNonce:], h.PrevNonce[:])
	be.PutUint64(b[vPrevSeq:], h.PrevSeq)
	be.PutUint32(b[vPrevCRC:], h.PrevCRC)
	be.PutUint32(b[vStart:], uint32(h.Start))
	be.PutUint64(b[vCreatedAt:], uint64(h.CreatedAt))
	be.PutUint32(b[vCRC:], crc32.Checksum(b[:vCRC], castagnoli))
	return dst
}

// DecodeVolumeHeader decodes the volume header at the start of b. ErrCorrupt or
// ErrVersion.
func DecodeVolumeHeader(b []byte) (VolumeHeader, error) {
	if err := checkFrame(b, volumeMagic, VolumeHeaderSize, vCRC); err != nil {
		return VolumeHeader{}, err
	}
	be := binary.BigEndian
	version := be.Uint16(b[vVersion:])
	if version != volumeVersion1 && version != volumeVersion2 {
		return VolumeHeader{}, fmt.Errorf("%w: volume version %d", ErrVersion, version)
	}
	cluster := b[vCluster:vVolume]
	for len(cluster) > 0 && cluster[len(cluster)-1] == 0 {
		cluster = cluster[:len(cluster)-1]
	}
	h := VolumeHeader{
		Kind:      VolumeKind(be.Uint32(b[vKind:])),
		Flags:     VolumeFlags(be.Uint32(b[vFlags:])),
		Cluster:   string(cluster),
		Broker:    int32(be.Uint32(b[vBroker:])),
		Volume:    be.Uint64(b[vVolume:]),
		Nonce:     Nonce(b[vNonce:vPrev]),
		Prev:      be.Uint64(b[vPrev:]),
		PrevNonce: Nonce(b[vPrevNonce:vPrevSeq]),
		PrevSeq:   be.Uint64(b[vPrevSeq:]),
		PrevCRC:   be.Uint32(b[vPrevCRC:]),
		Start:     int32(be.Uint32(b[vStart:])),
		CreatedAt: int64(be.Uint64(b[vCreatedAt:])),
	}
	switch {
	case h.Flags&^knownVolumeFlags != 0, h.Kind < VolumeFile || h.Kind > VolumeSegment:
		return VolumeHeader{}, fmt.Errorf("%w: volume kind %d, flags %#x", ErrVersion, h.Kind, h.Flags)
	case be.Uint16(b[vSize:]) != VolumeHeaderSize, !allZero(b[vReserved2:vCRC]), version == volumeVersion1 && h.Start != 0:
		return VolumeHeader{}, fmt.Errorf("%w: volume header uses reserved bytes", ErrCorrupt)
	case version == volumeVersion2 && h.Start <= 0:
		return VolumeHeader{}, fmt.Errorf("%w: volume of start %d", ErrCorrupt, h.Start)
	case h.Kind != VolumeSegment && (h.Volume == 0 || h.Prev >= h.Volume):
		return VolumeHeader{}, fmt.Errorf("%w: volume %d after %d", ErrCorrupt, h.Volume, h.Prev)
	}
	return h, nil
}
