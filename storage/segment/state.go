package segment

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/streamhouse/streamhouse/metadata"
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

// ReadState reads the state block of partition id: n bytes at pos.
func ReadState(src io.ReaderAt, id pack.PartitionID, pos, n int64) (State, error) {
	block := Block{ID: id, Pos: pos, Len: n}
	if err := block.check(); err != nil {
		return State{}, err
	}
	b := make([]byte, n)
	if err := readFull(src, b, pos); err != nil {
		return State{}, err
	}
	return DecodeState(id, b)
}

// Block says where a partition's state block lies in a segment: Len bytes at Pos.
type Block struct {
	ID       pack.PartitionID
	Pos, Len int64
}

func (b *Block) check() error {
	if b.Pos < 0 || b.Len < stateBytes || b.Len > stateBytes+StateBytesMax {
		return fmt.Errorf("%w: state block of %v with %d bytes at %d", ErrDamaged, b.ID, b.Len, b.Pos)
	}
	return nil
}

// statesRead is how many bytes of state blocks that lie together are read at once.
const statesRead = 1 << 20

// States reads several state blocks of a segment; the results are in the order of
// blocks. What one seal wrote lies together, so that thousands take a few reads.
func (x *Index) States(ctx context.Context, s metadata.Segment, blocks []Block) ([]State, error) {
	order := make([]int, len(blocks))
	for i := range order {
		if err := blocks[i].check(); err != nil {
			return nil, err
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(blocks[a].Pos, blocks[b].Pos) })
	out := make([]State, len(blocks))
	for len(order) > 0 {
		n := together(blocks, order)
		first, last := &blocks[order[0]], &blocks[order[n-1]]
		b := make([]byte, last.Pos+last.Len-first.Pos)
		err := x.reread(s, func() error {
			if err := x.read(ctx, s, b, first.Pos); err != nil {
				return err
			}
			return decodeStates(b, first.Pos, blocks, order[:n], out)
		})
		if err != nil {
			return nil, err
		}
		order = order[n:]
	}
	return out, nil
}

// decodeStates decodes the blocks that order names out of b, which begins at pos.
func decodeStates(b []byte, pos int64, blocks []Block, order []int, out []State) (err error) {
	for _, i := range order {
		at := blocks[i].Pos - pos
		if out[i], err = DecodeState(blocks[i].ID, b[at:at+blocks[i].Len]); err != nil {
			return err
		}
	}
	return nil
}

// together is how many of the blocks that order begins with are read at once: those
// that follow one another without a gap.
func together(blocks []Block, order []int) int {
	first := &blocks[order[0]]
	end := first.Pos + first.Len
	for n := 1; n < len(order); n++ {
		next := &blocks[order[n]]
		if next.Pos != end || end+next.Len-first.Pos > statesRead {
			return n
		}
		end += next.Len
	}
	return len(order)
}
