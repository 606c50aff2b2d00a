package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/storage/pack"
)

var update = flag.Bool("update", false, "write the golden files anew")

func id(topic byte, partition int32) pack.PartitionID {
	return pack.PartitionID{Topic: pack.TopicID{0: topic, 15: 7}, Partition: partition}
}

// batch makes a batch of n records worth of offsets with a body of size random bytes.
func batch(rnd *rand.Rand, p pack.PartitionID, base int64, n int32, size int) (pack.Entry, []byte) {
	be := binary.BigEndian
	b := make([]byte, pack.MinBatchSize+size)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	be.PutUint64(b, uint64(base))
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], 3)
	b[16] = 2
	crc := crc32.Checksum(b[21:], castagnoli)
	be.PutUint32(b[17:], crc)
	return pack.Entry{
		ID: p, LeaderEpoch: 3, BaseOffset: base, LastOffsetDelta: n - 1, Records: n,
		BaseTimestamp: 1000 + base, MaxTimestamp: 1000 + base, AppendTime: 2000 + base,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, CRC: crc,
	}, b
}

// volume is a journal volume in memory with its packs' extents.
type volume struct {
	bytes  []byte
	expect map[pack.PartitionID][]byte // the batches of each partition, in order
	runs   []run
}

// newVolume makes a volume of several packs over some partitions.
func newVolume(seed uint64, packs int) *volume {
	rnd := rand.New(rand.NewPCG(seed, 1))
	v := &volume{expect: map[pack.PartitionID][]byte{}}
	header := pack.VolumeHeader{Kind: pack.VolumeFile, Cluster: "AAAAAAAAAAAAAAAAAAAAAA", Volume: 5, CreatedAt: 17}
	v.bytes = pack.AppendVolumeHeader(nil, &header)
	next := map[pack.PartitionID]int64{}
	var builder pack.Builder
	for seq := range packs {
		builder.Reset()
		for range 1 + rnd.IntN(12) {
			p := id(byte(rnd.IntN(3)), int32(rnd.IntN(2)))
			n := int32(1 + rnd.IntN(9))
			e, b := batch(rnd, p, next[p], n, rnd.IntN(300))
			builder.Add(e, b)
			next[p] += int64(n)
			v.expect[p] = append(v.expect[p], b...)
		}
		pos := int64(len(v.bytes))
		bufs, index := builder.Encode(pack.Header{Place: pack.Place{Volume: 5, Seq: uint64(seq) + 1}})
		v.bytes = append(v.bytes, bytes.Join(bufs, nil)...)
		for p, x := range index.Extents(pos) {
			v.runs = append(v.runs, run{id: p, from: x})
		}
	}
	return v
}

func (v *volume) plan() *Plan {
	p := &Plan{Volume: pack.VolumeHeader{Cluster: "AAAAAAAAAAAAAAAAAAAAAA", Volume: 5, CreatedAt: 18}}
	p.Footer.Head = Head{FirstVolume: 5, LastVolume: 5, FirstSeq: 1, LastSeq: 20}
	for _, r := range v.runs {
		p.Add(bytes.NewReader(v.bytes), r.id, r.from, 2000+r.from.LastOffset)
	}
	for part, b := range v.expect {
		p.Footer.SetState(part, State{NextOffset: 1 << 20, LeaderEpoch: 3, Payload: b[:20]})
	}
	p.Footer.SetState(id(9, 9), State{NextOffset: 77, LeaderEpoch: 1, Payload: []byte("idle")})
	return p
}

// check reads everything back from a segment.
func (v *volume) check(t *testing.T, object []byte) *Reader {
	t.Helper()
	r, err := Open(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Len() != len(v.expect)+1 {
		t.Errorf("%d partitions, want %d", r.Len(), len(v.expect)+1)
	}
	for part, want := range v.expect {
		xs, err := r.Extents(part)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for i := range xs {
			got = append(got, v.extent(t, object, part, &xs[i])...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("partition %v: %d bytes, want %d", part, len(got), len(want))
		}
		p, _ := r.Find(part)
		if p.Bytes != int64(len(want)) || p.BaseOffset != 0 || p.MaxTimestamp < 1000 || p.AppendTime != 2000+p.LastOffset {
			t.Errorf("directory of %v: %+v", part, p)
		}
		s, ok, err := r.State(part)
		if err != nil || !ok || !bytes.Equal(s.Payload, want[:20]) || s.NextOffset != 1<<20 || s.LeaderEpoch != 3 {
			t.Errorf("state of %v: %+v, %v, %v", part, s, ok, err)
		}
		again, err := ReadState(bytes.NewReader(object), part, p.StatePos, p.StateLen)
		if err != nil || !bytes.Equal(again.Payload, s.Payload) {
			t.Errorf("state of %v by its position: %v", part, err)
		}
	}
	if p, ok := r.Find(id(9, 9)); !ok || p.Extents != 0 || p.BaseOffset != 77 || p.LastOffset != 76 || p.AppendTime != -1 {
		t.Errorf("partition with a state only: %+v, %v", p, ok)
	}
	if _, ok := r.Find(id(8, 0)); ok {
		t.Error("found a partition that is not there")
	}
	return r
}

// extent reads the batches of an extent through its index entries.
func (v *volume) extent(t *testing.T, object []byte, part pack.PartitionID, x *pack.Extent) (data []byte) {
	t.Helper()
	entries, err := pack.DecodeEntries(nil, object[x.IndexPos:x.IndexPos+int64(x.IndexCount)*pack.EntrySize])
	if err != nil {
		t.Fatal(err)
	}
	if entries[0].BaseOffset != x.BaseOffset || entries[len(entries)-1].LastOffset() != x.LastOffset {
		t.Errorf("extent %+v has entries from %d to %d", x, entries[0].BaseOffset, entries[len(entries)-1].LastOffset())
	}
	for i := range entries {
		e := &entries[i]
		pos := x.DataPos + e.Position - entries[0].Position
		b := object[pos : pos+int64(e.Length)]
		if err := pack.VerifyBatch(e, b); err != nil || e.ID != part {
			t.Fatalf("batch of %v: %v", e.ID, err)
		}
		data = append(data, b...)
	}
	if int64(len(data)) != x.DataLen {
		t.Errorf("extent of %d bytes holds %d", x.DataLen, len(data))
	}
	return data
}

func TestFooterInPlaceAdoptsAVolume(t *testing.T) {
	v := newVolume(1, 20)
	footer, err := v.plan().FooterInPlace(int64(len(v.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	r := v.check(t, append(bytes.Clone(v.bytes), footer...))
	if r.DataEnd() != int64(len(v.bytes)) {
		t.Errorf("data ends at %d, want %d", r.DataEnd(), len(v.bytes))
	}
	if h := r.Head(); h != (Head{0, 5, 5, 1, 20}) {
		t.Errorf("head %+v", h)
	}
}

func readObject(t *testing.T, o *Object) []byte {
	t.Helper()
	r, err := o.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != o.Size() {
		t.Fatalf("%d bytes of %d", len(b), o.Size())
	}
	return b
}

func TestPlanSortsByPartition(t *testing.T) {
	v := newVolume(2, 20)
	o, err := v.plan().Build()
	if err != nil {
		t.Fatal(err)
	}
	object := readObject(t, o)
	r := v.check(t, object)
	if !bytes.Equal(object, readObject(t, o)) {
		t.Error("a second reading gives other bytes")
	}
	if !bytes.HasSuffix(object, o.Footer()) {
		t.Error("the object does not end with its footer")
	}
	for part := range v.expect {
		if xs, _ := r.Extents(part); len(xs) != 1 {
			t.Errorf("partition %v lies in %d extents, want 1", part, len(xs))
		}
	}
	// The whole is a pack like any other.
	h, err := pack.DecodeHeader(object[pack.VolumeHeaderSize:])
	if err != nil {
		t.Fatal(err)
	}
	body := pack.VolumeHeaderSize + pack.HeaderSize + h.IndexLen()
	var index pack.Index
	if err := pack.DecodeIndex(h, object[pack.VolumeHeaderSize+pack.HeaderSize:body], &index); err != nil {
		t.Fatal(err)
	}
	if err := pack.VerifyBody(&index, object[body:r.DataEnd()]); err != nil {
		t.Fatal(err)
	}
	if vh, err := pack.DecodeVolumeHeader(object); err != nil || vh.Kind != pack.VolumeSegment {
		t.Errorf("volume header: %+v, %v", vh, err)
	}
}

func TestPlanOfStatesOnly(t *testing.T) {
	p := &Plan{Volume: pack.VolumeHeader{Volume: 1}}
	p.Footer.Head.Flags = FlagStates
	p.Footer.SetState(id(1, 0), State{NextOffset: 5, Payload: nil})
	o, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	object := readObject(t, o)
	r, err := Open(bytes.NewReader(object), o.Size())
	if err != nil {
		t.Fatal(err)
	}
	if s, ok, err := r.State(id(1, 0)); err != nil || !ok || s.NextOffset != 5 {
		t.Errorf("state %+v, %v, %v", s, ok, err)
	}
}

// TestPlanBoundsExtents: a large partition is cut into extents of about mergeBytes.
func TestPlanBoundsExtents(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	p := &Plan{Volume: pack.VolumeHeader{Volume: 1}}
	var builder pack.Builder
	for i := range 40 {
		builder.Reset()
		e, b := batch(rnd, id(1, 0), int64(i), 1, 100<<10)
		builder.Add(e, b)
		bufs, index := builder.Encode(pack.Header{})
		for part, x := range index.Extents(0) {
			p.Add(bytes.NewReader(bytes.Join(bufs, nil)), part, x, 1)
		}
	}
	o, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(readObject(t, o)), o.Size())
	if err != nil {
		t.Fatal(err)
	}
	xs, err := r.Extents(id(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if len(xs) != 4 {
		t.Errorf("%d extents, want 4", len(xs))
	}
	for i := range 40 {
		at := Search(xs, int64(i))
		if at == len(xs) || xs[at].BaseOffset > int64(i) || xs[at].LastOffset < int64(i) {
			t.Errorf("offset %d found in extent %d", i, at)
		}
	}
	if Search(xs, 40) != len(xs) {
		t.Error("an offset behind the end was found")
	}
}

// TestDamagedSourceIsNoticed flips bits of a source's batches and index entries:
// either the plan or its reading fails, or the object comes out as it should.
func TestDamagedSourceIsNoticed(t *testing.T) {
	v := newVolume(4, 3)
	sound, err := v.plan().Build()
	if err != nil {
		t.Fatal(err)
	}
	want := readObject(t, sound)
	rnd := rand.New(rand.NewPCG(4, 4))
	noticed := 0
	for range 300 {
		r := v.runs[rnd.IntN(len(v.runs))].from
		at := r.DataPos + rnd.Int64N(r.DataLen)
		if rnd.IntN(2) == 0 { // partition, offset, checksum, length, position of an entry
			fields := []int64{19, 31, 91, 95, 103}
			at = r.IndexPos + rnd.Int64N(int64(r.IndexCount))*pack.EntrySize + fields[rnd.IntN(len(fields))]
		}
		bit := byte(1) << rnd.IntN(8)
		v.bytes[at] ^= bit
		var got []byte
		o, err := v.plan().Build()
		if err == nil {
			body, _ := o.Open()
			got, err = io.ReadAll(body)
		}
		switch {
		case err != nil:
			noticed++
		case !bytes.Equal(got, want):
			t.Errorf("bit %#x of byte %d is damaged and nobody noticed", bit, at)
		}
		v.bytes[at] ^= bit
	}
	if noticed < 250 {
		t.Errorf("%d of 300 damages were noticed", noticed)
	}
}

func TestOverlappingExtentsAreRefused(t *testing.T) {
	for _, xs := range [][2]pack.Extent{
		{{BaseOffset: 0, LastOffset: 5, DataLen: 10, IndexCount: 1}, {BaseOffset: 5, LastOffset: 6, DataLen: 10, IndexCount: 1}},
		{{BaseOffset: 7, LastOffset: 8, DataLen: 10, IndexCount: 1}, {BaseOffset: 0, LastOffset: 6, DataLen: 10, IndexCount: 1}},
		{{BaseOffset: 0, LastOffset: 1, DataLen: 10, IndexCount: 1}, {BaseOffset: 2, LastOffset: 3, DataPos: 995, DataLen: 10, IndexCount: 1}},
		{{BaseOffset: 0, LastOffset: 1, DataLen: 10, IndexCount: 1}, {BaseOffset: 2, LastOffset: 3, DataLen: 10}},
	} {
		var b FooterBuilder
		b.AddExtent(id(1, 0), xs[0], 1)
		b.AddExtent(id(1, 0), xs[1], 1)
		if _, err := b.Encode(1000); err == nil {
			t.Errorf("extents %+v were accepted", xs)
		}
	}
}

// TestEveryDamagedByteOfAFooterIsNoticed flips every bit of footer and trailer.
func TestEveryDamagedByteOfAFooterIsNoticed(t *testing.T) {
	t.Run("without transactions", func(t *testing.T) { damageFooter(t, func(*Plan) {}) })
	t.Run("with transactions", func(t *testing.T) { damageFooter(t, addTransactions) })
}

func damageFooter(t *testing.T, add func(*Plan)) {
	v := newVolume(5, 2)
	p := v.plan()
	add(p)
	footer, err := p.FooterInPlace(int64(len(v.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	object := append(bytes.Clone(v.bytes), footer...)
	for i := len(v.bytes); i < len(object); i++ {
		for bit := range 8 {
			object[i] ^= 1 << bit
			if err := readAll(object); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d, bit %d of the footer is damaged: %v", i-len(v.bytes), bit, err)
			}
			object[i] ^= 1 << bit
		}
	}
	for n := range object {
		if err := readAll(object[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a segment", n, len(object))
		}
	}
}

// readAll decodes everything a footer has.
func readAll(object []byte) error {
	r, err := Open(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		return err
	}
	for i := range r.Len() {
		p := r.Part(i)
		if _, err := r.Extents(p.ID); err != nil {
			return err
		}
		if _, _, err := r.State(p.ID); err != nil {
			return err
		}
	}
	for i := range r.txnLen() {
		if _, _, err := r.Transactions(r.txnID(i)); err != nil {
			return err
		}
	}
	return nil
}

func TestGolden(t *testing.T) {
	adopted := newVolume(6, 2)
	footer, err := adopted.plan().FooterInPlace(int64(len(adopted.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := adopted.plan().Build()
	if err != nil {
		t.Fatal(err)
	}
	plan := adopted.plan()
	addTransactions(plan)
	withTxns, err := plan.FooterInPlace(int64(len(adopted.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{
		"adopted.segment": append(bytes.Clone(adopted.bytes), footer...),
		"sorted.segment":  readObject(t, o),
		// With a section of transactions, which the others, of the first release, have not.
		"transactions.segment": append(bytes.Clone(adopted.bytes), withTxns...),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the encoder writes other bytes than it did", name)
		}
		adopted.check(t, want)
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"adopted.segment", "sorted.segment", "transactions.segment"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fix(b)
		r, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if r.MemoryBytes() > int64(2*len(b))+1024 {
			t.Fatalf("%d bytes of memory for %d", r.MemoryBytes(), len(b))
		}
		for i := range r.Len() {
			p := r.Part(i)
			if xs, err := r.Extents(p.ID); err == nil {
				if err := checkExtents(xs, r.DataEnd()); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := r.State(p.ID); err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
		for i := range r.txnLen() {
			if _, _, err := r.Transactions(r.txnID(i)); err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
	})
}

// fix makes the checksums of directory and trailer right, so that the fuzzer gets
// past them.
func fix(b []byte) {
	be := binary.BigEndian
	if len(b) < TrailerBytes+headBytes {
		return
	}
	t := b[len(b)-TrailerBytes:]
	pos := be.Uint64(t[8:])
	if pos <= uint64(len(b)-TrailerBytes-headBytes) {
		n := uint64(be.Uint32(b[pos+8:]))
		if end := pos + headBytes + n*partBytes; end <= uint64(len(b)-TrailerBytes) {
			be.PutUint32(t[32:], crc32.Checksum(b[pos:end], castagnoli))
		}
	}
	if pos := be.Uint64(t[24:]); pos <= uint64(len(b)-TrailerBytes-txnHeadBytes-4) {
		end := pos + txnHeadBytes + uint64(be.Uint32(b[pos+4:]))*txnPartBytes
		if end+4 <= uint64(len(b)-TrailerBytes) {
			be.PutUint32(b[end:], crc32.Checksum(b[pos:end], castagnoli))
		}
	}
	be.PutUint32(t[36:], crc32.Checksum(t[:36], castagnoli))
}

func FuzzDecodeState(f *testing.F) {
	f.Add(AppendState(nil, id(1, 2), State{NextOffset: 9, LeaderEpoch: 2, Payload: []byte("payload")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 {
			binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		}
		s, err := DecodeState(id(1, 2), b)
		if err != nil {
			return
		}
		if again := AppendState(nil, id(1, 2), s); !bytes.Equal(again, b) {
			t.Fatalf("decoded and encoded: %x, was %x", again, b)
		}
	})
}

func TestStateOfAnotherPartitionIsRefused(t *testing.T) {
	b := AppendState(nil, id(1, 2), State{NextOffset: 9})
	if _, err := DecodeState(id(1, 3), b); !errors.Is(err, ErrDamaged) {
		t.Errorf("state of another partition: %v", err)
	}
	if _, err := ReadState(bytes.NewReader(b), id(1, 2), 0, 1<<40); !errors.Is(err, ErrDamaged) {
		t.Errorf("state of a terabyte: %v", err)
	}
}

// TestOpenReadsLittle: opening a large segment and finding one partition reads the
// tail, the directory and that partition's list.
func TestOpenReadsLittle(t *testing.T) {
	var b FooterBuilder
	const partitions = 5000
	for i := range partitions {
		for j := range 20 {
			b.AddExtent(id(1, int32(i)), pack.Extent{
				BaseOffset: int64(j), LastOffset: int64(j), DataLen: 1, IndexCount: 1,
			}, 1)
		}
	}
	footer, err := b.Encode(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	src := &counting{ReaderAt: bytes.NewReader(append(make([]byte, 1<<20), footer...))}
	r, err := Open(src, 1<<20+int64(len(footer)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Extents(id(1, 2500)); err != nil {
		t.Fatal(err)
	}
	if limit := int64(partitions*partBytes + 40<<10); src.bytes > limit || src.reads > 4 {
		t.Errorf("%d bytes in %d reads of a footer of %d", src.bytes, src.reads, len(footer))
	}
}

type counting struct {
	io.ReaderAt
	reads int
	bytes int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	c.bytes += int64(len(p))
	return c.ReaderAt.ReadAt(p, off)
}

func ExampleSearch() {
	xs := []pack.Extent{{BaseOffset: 0, LastOffset: 9}, {BaseOffset: 20, LastOffset: 29}}
	fmt.Println(Search(xs, 9), Search(xs, 10), Search(xs, 30))
	// Output: 0 1 2
}
