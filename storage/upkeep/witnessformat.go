package upkeep

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// witness is what an object under witnessPrefix says.
type witness struct {
	cluster     string
	incarnation int64
	version     uint64

	process processID // who wrote it; zero: a release that did not say
	start   int32     // the number of that process's start (metadata.Start.Epoch)
}

// processID names a process: random, made anew at each start, so that two copies of one
// data folder have two.
type processID [16]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The two versions of the format. The first does not name the process; it is read and
// not written any more.
const (
	witnessMagic1   = "SHWITNS1"
	witnessMagic2   = "SHWITNS2"
	witnessBytesMax = 512
)

func (w witness) key() string {
	return fmt.Sprintf("%s%016x-%016x", witnessPrefix, uint64(w.incarnation), w.version)
}

// String names the version.
func (w witness) String() string { return fmt.Sprintf("%d.%d", w.incarnation, w.version) }

// author says who wrote it, for people.
func (w witness) author() string {
	if w.process == (processID{}) {
		return "written by an older release"
	}
	return fmt.Sprintf("written by process %x, start %d", w.process[:4], w.start)
}

// before says whether w is older than x.
func (w witness) before(x witness) bool {
	return w.incarnation < x.incarnation || w.incarnation == x.incarnation && w.version < x.version
}

func (w witness) encode() []byte {
	be := binary.BigEndian
	b := append([]byte(nil), witnessMagic2...)
	b = be.AppendUint64(b, uint64(w.incarnation))
	b = be.AppendUint64(b, w.version)
	b = append(b, w.process[:]...)
	b = be.AppendUint32(b, uint32(w.start))
	b = be.AppendUint16(b, uint16(len(w.cluster)))
	b = append(b, w.cluster...)
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeWitness decodes either version.
func decodeWitness(b []byte) (witness, error) {
	be := binary.BigEndian
	broken := fmt.Errorf("witness of %d bytes does not check", len(b))
	const common = len(witnessMagic1) + 8 + 8
	if len(b) < common+2+4 {
		return witness{}, broken
	}
	w := witness{incarnation: int64(be.Uint64(b[8:])), version: be.Uint64(b[16:])}
	rest := b[common : len(b)-4]
	switch string(b[:len(witnessMagic1)]) {
	case witnessMagic1:
	case witnessMagic2:
		if len(rest) < len(w.process)+4+2 {
			return witness{}, broken
		}
		n := copy(w.process[:], rest)
		w.start = int32(be.Uint32(rest[n:]))
		if rest = rest[n+4:]; w.process == (processID{}) || w.start < 0 {
			return witness{}, broken
		}
	default:
		return witness{}, fmt.Errorf("witness of %d bytes is of no version that this release knows", len(b))
	}
	if len(rest) != 2+int(be.Uint16(rest)) || crc32.Checksum(b[:len(b)-4], castagnoli) != be.Uint32(b[len(b)-4:]) {
		return witness{}, broken
	}
	w.cluster = string(rest[2:])
	return w, nil
}
