package segment

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Sizes of the section of transactions, bytes.
const (
	txnHeadBytes = 8  // magic, number of partitions
	txnPartBytes = 44 // of its directory, per partition
	abortedBytes = 32 // per aborted transaction
)

var txnMagic = [4]byte{'S', 'H', 'S', 'X'}

// Transactions is what a segment says about the transactions of one partition.
type Transactions struct {
	// LastStable is the last stable offset behind the segment's last batch: what lies
	// below it was decided in this segment or before.
	LastStable int64
	// Aborted are the aborted transactions whose markers lie in the segment, in the
	// order of those.
	Aborted []pack.Aborted
}

// SetTransactions says what transactions of a partition were aborted in this segment
// and how far they are decided. A partition without any needs none.
func (b *FooterBuilder) SetTransactions(id pack.PartitionID, t Transactions) {
	if b.txns == nil {
		b.txns = make(map[pack.PartitionID]Transactions)
	}
	b.txns[id] = t
}

// appendTransactions appends the section, which will lie at pos in the object: magic,
// number of partitions, directory, checksum, then the lists.
func appendTransactions(b []byte, txns map[pack.PartitionID]Transactions, pos int64) []byte {
	be := binary.BigEndian
	start := len(b)
	ids := sortedIDs(txns)
	b = append(b, txnMagic[:]...)
	b = be.AppendUint32(b, uint32(len(ids)))
	at := pos + txnHeadBytes + int64(len(ids))*txnPartBytes + 4
	var lists []byte
	for _, id := range ids {
		t := txns[id]
		first := len(lists)
		for i := range t.Aborted {
			lists = appendAborted(lists, &t.Aborted[i])
		}
		b = append(b, id.Topic[:]...)
		b = be.AppendUint32(b, uint32(id.Partition))
		b = be.AppendUint32(b, uint32(len(t.Aborted)))
		b = be.AppendUint64(b, uint64(t.LastStable))
		b = be.AppendUint64(b, uint64(at+int64(first)))
		b = be.AppendUint32(b, crc32.Checksum(lists[first:], castagnoli))
	}
	b = be.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	return append(b, lists...)
}

func appendAborted(b []byte, a *pack.Aborted) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(a.ProducerID))
	b = be.AppendUint64(b, uint64(a.FirstOffset))
	b = be.AppendUint64(b, uint64(a.LastOffset))
	return be.AppendUint64(b, uint64(a.LastStable))
}

// readTransactions reads and checks the section's directory, which lies at pos in a
// footer that ends at footerEnd.
func (r *Reader) readTransactions(pos, footerEnd int64) error {
	bodyPos := r.footerPos + headBytes + int64(len(r.dir))
	if pos < bodyPos || !inside(pos, txnHeadBytes+4, footerEnd) {
		return fmt.Errorf("%w: transactions at %d", ErrDamaged, pos)
	}
	be := binary.BigEndian
	head := make([]byte, txnHeadBytes)
	if err := r.read(head, pos); err != nil {
		return err
	}
	n := int64(be.Uint32(head[4:]))
	if [4]byte(head) != txnMagic || n > PartitionsMax || !inside(pos, txnHeadBytes+n*txnPartBytes+4, footerEnd) {
		return fmt.Errorf("%w: transactions of %d partitions at %d", ErrDamaged, n, pos)
	}
	b := make([]byte, n*txnPartBytes+4)
	if err := r.read(b, pos+txnHeadBytes); err != nil {
		return err
	}
	dir := b[: n*txnPartBytes : n*txnPartBytes]
	if crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, dir) != be.Uint32(b[len(dir):]) {
		return fmt.Errorf("%w: checksum of the transactions", ErrDamaged)
	}
	r.txns = dir
	for i := range r.txnLen() {
		p := r.txnAt(i)
		if i > 0 && r.txnID(i-1).Compare(r.txnID(i)) >= 0 || p.stable < 0 || p.pos < bodyPos ||
			!inside(p.pos, int64(p.n)*abortedBytes, footerEnd) {
			return fmt.Errorf("%w: transactions of partition %v", ErrDamaged, r.txnID(i))
		}
	}
	return nil
}

// txnPart is a directory entry of the section of transactions.
type txnPart struct {
	n      uint32 // aborted transactions
	stable int64
	pos    int64
	crc    uint32
}

func (r *Reader) txnLen() int { return len(r.txns) / txnPartBytes }

func (r *Reader) txnID(i int) pack.PartitionID {
	b := r.txns[i*txnPartBytes:]
	return pack.PartitionID{Topic: [16]byte(b), Partition: int32(binary.BigEndian.Uint32(b[16:]))}
}

func (r *Reader) txnAt(i int) txnPart {
	be := binary.BigEndian
	b := r.txns[i*txnPartBytes:]
	return txnPart{
		n: be.Uint32(b[20:]), stable: int64(be.Uint64(b[24:])), pos: int64(be.Uint64(b[32:])), crc: be.Uint32(b[40:]),
	}
}

// findTransactions returns the directory entry of a partition; false if it has none.
func (r *Reader) findTransactions(id pack.PartitionID) (txnPart, bool) {
	lo, hi := 0, r.txnLen()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := r.txnID(mid).Compare(id); {
		case c == 0:
			return r.txnAt(mid), true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return txnPart{}, false
}

// Transactions returns what the segment says about a partition's transactions; false
// if it has none: all its batches are stable.
func (r *Reader) Transactions(id pack.PartitionID) (Transactions, bool, error) {
	p, ok := r.findTransactions(id)
	if !ok {
		return Transactions{}, false, nil
	}
	be := binary.BigEndian
	b := make([]byte, int64(p.n)*abortedBytes)
	if err := r.read(b, p.pos); err != nil {
		return Transactions{}, false, err
	}
	if crc32.Checksum(b, castagnoli) != p.crc {
		return Transactions{}, false, fmt.Errorf("%w: checksum of the aborted transactions of partition %v", ErrDamaged, id)
	}
	t := Transactions{LastStable: p.stable, Aborted: make([]pack.Aborted, p.n)}
	last := int64(-1)
	for i := range t.Aborted {
		x := b[i*abortedBytes:]
		a := pack.Aborted{
			ProducerID:  int64(be.Uint64(x)),
			FirstOffset: int64(be.Uint64(x[8:])),
			LastOffset:  int64(be.Uint64(x[16:])),
			LastStable:  int64(be.Uint64(x[24:])),
		}
		if a.FirstOffset < 0 || a.LastOffset <= last || a.LastOffset < a.FirstOffset || a.LastStable < 0 {
			return Transactions{}, false, fmt.Errorf("%w: aborted transactions of partition %v", ErrDamaged, id)
		}
		last = a.LastOffset
		t.Aborted[i] = a
	}
	return t, true, nil
}

// Transactions returns what a segment says about the transactions of a partition; false
// if it says nothing: all its batches are stable. The list is not to be changed.
func (x *Index) Transactions(ctx context.Context, s metadata.Segment, id pack.PartitionID) (Transactions, bool, error) {
	r, err := x.directory(ctx, s)
	if err != nil {
		return Transactions{}, false, err
	}
	if _, ok := r.findTransactions(id); !ok {
		return Transactions{}, false, nil
	}
	v, err := x.get(ctx, s, itemKey{segment: s.ID, id: id, txns: true}, func() (any, int64, error) {
		t, _, err := r.Detach(source{ctx, x.read, s}).Transactions(id)
		return t, int64(len(t.Aborted))*abortedBytes + itemOverhead, err
	})
	if err != nil {
		return Transactions{}, false, err
	}
	return v.(Transactions), true, nil
}
