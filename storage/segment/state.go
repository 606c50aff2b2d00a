package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// State is a partition's sealed state as a segment keeps it. The payload is opaque
// here (storage/partition encodes it).
type State struct {
	NextOffset  int64
	LeaderEpoch int32
	Payload     []byte
}

// AppendState appends the state block of a partition. A block checks itself and
// names its partition, because it is found by a position that the metadata store
// keeps and not through the footer.
func AppendState(b []byte, id pack.PartitionID, s State) []byte {
	be := binary.BigEndian
	start := len(b)
	b = append(b, stateMagic[:]...)
	b = append(b, id.Topic[:]...)
	b = be.AppendUint32(b, uint32(id.Partition))
	b = be.AppendUint64(b, uint64(s.NextOffset))
	b = be.AppendUint32(b, uint32(s.LeaderEpoch))
	b = be.AppendUint32(b, uint32(len(s.Payload)))
	b = append(b, s.Payload...)
	return be.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// DecodeState decodes the state block b, which must be that of partition id. The
// payload is a part of b. Errors wrap ErrDamaged.
func DecodeState(id pack.PartitionID, b []byte) (State, error) {
	be := binary.BigEndian
	if len(b) < stateBytes || [4]byte(b) != stateMagic {
		return State{}, fmt.Errorf("%w: no state block in %d bytes", ErrDamaged, len(b))
	}
	end := len(b) - 4
	if crc32.Checksum(b[:end], castagnoli) != be.Uint32(b[end:]) {
		return State{}, fmt.Errorf("%w: checksum of the state block of %v", ErrDamaged, id)
	}
	got := pack.PartitionID{Topic: [16]byte(b[4:]), Partition: int32(be.Uint32(b[20:]))}
	if got != id {
		return State{}, fmt.Errorf("%w: state block of %v where that of %v should be", ErrDamaged, got, id)
	}
	s := State{NextOffset: int64(be.Uint64(b[24:])), LeaderEpoch: int32(be.Uint32(b[32:])), Payload: b[40:end:end]}
	if s.NextOffset < 0 || uint64(be.Uint32(b[36:])) != uint64(len(s.Payload)) {
		return State{}, fmt.Errorf("%w: lengths in the state block of %v", ErrDamaged, id)
	}
	return s, nil
}
