package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// batch makes a record batch with a valid CRC, and its entry.
func batch(id PartitionID, base int64, records int32, payload []byte) (Entry, []byte) {
	b := make([]byte, MinBatchSize+len(payload))
	copy(b[MinBatchSize:], payload)
	be := binary.BigEndian
	be.PutUint64(b, uint64(base))
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], 3)
	b[16] = batchMagic
	be.PutUint32(b[23:], uint32(records-1))
	crc := crc32.Checksum(b[crcStart:], castagnoli)
	be.PutUint32(b[17:], crc)
	return Entry{
		ID: id, LeaderEpoch: 3, BaseOffset: base, LastOffsetDelta: records - 1, Records: records,
		BaseTimestamp: 1000 + base, MaxTimestamp: 2000 + base, AppendTime: 3000 + base,
		ProducerID: 77, ProducerEpoch: 5, BaseSequence: 12, Attributes: 0x15, CoordinatorEpoch: 9,
		Flags: FlagTransactional | FlagControl | FlagMarkerCommit, CRC: crc,
	}, b
}

func partition(topic byte, p int32) PartitionID {
	return PartitionID{Topic: TopicID{topic, 0xff}, Partition: p}
}

func samplePlace() Place {
	return Place{Volume: 0x1122334455667788, Nonce: Nonce{1, 2, 3, 15: 16}, Seq: 42, PrevCRC: 0xdeadbeef}
}

// sample is a pack of seven batches in three partitions, added out of order.
func sample() []byte {
	var b Builder
	add := func(id PartitionID, base int64, records int32, payload string) {
		e, data := batch(id, base, records, []byte(payload))
		b.Add(e, data)
	}
	add(partition(2, 1), 100, 2, "second topic")
	add(partition(1, 7), 0, 1, "")
	add(partition(2, 1), 102, 1, "more")
	add(partition(1, 0), 5, 5, "first partition")
	add(partition(1, 7), 1, 3, "x")
	add(partition(2, 1), 110, 1, "a gap in the offsets")
	add(partition(1, 0), 10, 1, "last")
	bufs, _ := b.Encode(Header{Place: samplePlace(), Flags: FlagAtomic, CreatedAt: 1700000000123})
	return bytes.Join(bufs, nil)
}

func sampleVolume() VolumeHeader {
	return VolumeHeader{
		Kind: VolumeFile, Flags: VolumePrevFailed, Cluster: "AbCdEfGhIjKlMnOpQrStUv", Broker: 3,
		Volume: 9, Nonce: Nonce{9, 9, 15: 1}, Prev: 8, PrevNonce: Nonce{8, 8}, PrevSeq: 41, PrevCRC: 0xcafe, CreatedAt: 1700000000456,
	}
}

// sampleVolume2 is one that says which start began it.
func sampleVolume2() VolumeHeader {
	v := sampleVolume()
	v.Start = 0x01020304
	return v
}

func decode(b []byte) (Index, error) {
	var x Index
	h, err := DecodeHeader(b)
	if err != nil {
		return x, err
	}
	if int64(len(b)) != h.Size() {
		return x, fmt.Errorf("%w: size", ErrCorrupt)
	}
	split := HeaderSize + h.IndexLen()
	if err := DecodeIndex(h, b[HeaderSize:split], &x); err != nil {
		return x, err
	}
	return x, VerifyBody(&x, b[split:])
}

// The bytes of a format never change: what was written is read for years.
func TestGolden(t *testing.T) {
	for name, got := range map[string][]byte{
		"pack.bin":    sample(),
		"volume.bin":  AppendVolumeHeader(nil, ptr(sampleVolume())),
		"volume2.bin": AppendVolumeHeader(nil, ptr(sampleVolume2())),
		"fence.bin":   Mark(FlagFence|FlagCleanStop, samplePlace(), 1700000000789),
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
			t.Errorf("%s is not what is encoded now", name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	x, err := decode(sample())
	if err != nil {
		t.Fatal(err)
	}
	h := x.Header
	if h.Place != samplePlace() || h.Flags != FlagAtomic || h.CreatedAt != 1700000000123 || h.Entries != 7 || h.Partitions != 3 {
		t.Fatalf("header %+v", h)
	}
	want := []struct {
		id     PartitionID
		offset int64
	}{
		{partition(1, 0), 5}, {partition(1, 0), 10},
		{partition(1, 7), 0}, {partition(1, 7), 1},
		{partition(2, 1), 100}, {partition(2, 1), 102}, {partition(2, 1), 110},
	}
	for i, w := range want {
		e := x.Entries[i]
		if e.ID != w.id || e.BaseOffset != w.offset {
			t.Errorf("entry %d: %v at %d, want %v at %d", i, e.ID, e.BaseOffset, w.id, w.offset)
		}
		again, _ := batch(w.id, w.offset, e.Records, nil)
		again.Position, again.Length, again.CRC = e.Position, e.Length, e.CRC
		if e != again {
			t.Errorf("entry %d changed: %+v", i, e)
		}
	}
	for _, want := range []VolumeHeader{sampleVolume(), sampleVolume2()} {
		v, err := DecodeVolumeHeader(AppendVolumeHeader(nil, &want))
		if err != nil || v != want {
			t.Fatalf("volume header %+v, %v", v, err)
		}
	}
}

// TestVolumeVersions: the start number belongs to version 2, and each version has it
// or not.
func TestVolumeVersions(t *testing.T) {
	change := func(v VolumeHeader, at int, bytes ...byte) []byte {
		b := AppendVolumeHeader(nil, &v)
		copy(b[at:], bytes)
		resumVolume(b)
		return b
	}
	for name, c := range map[string]struct {
		header []byte
		want   error
	}{
		"version 1 with a start":    {change(sampleVolume(), vStart, 0, 0, 0, 1), ErrCorrupt},
		"version 2 without a start": {change(sampleVolume2(), vStart, 0, 0, 0, 0), ErrCorrupt},
		"a negative start":          {change(sampleVolume2(), vStart, 0x80, 0, 0, 0), ErrCorrupt},
		"version 3":                 {change(sampleVolume2(), vVersion, 0, 3), ErrVersion},
		"version 0":                 {change(sampleVolume(), vVersion, 0, 0), ErrVersion},
	} {
		if _, err := DecodeVolumeHeader(c.header); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestExtents(t *testing.T) {
	b := sample()
	x, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	const at = 1 << 33
	var ids []PartitionID
	count := 0
	for id, ext := range x.Extents(at) {
		ids = append(ids, id)
		entries, err := DecodeEntries(nil, b[ext.IndexPos-at:ext.IndexPos-at+int64(ext.IndexCount)*EntrySize])
		if err != nil {
			t.Fatal(err)
		}
		first, last := entries[0], entries[len(entries)-1]
		data := b[ext.DataPos-at : ext.DataPos-at+ext.DataLen]
		if ext.BaseOffset != first.BaseOffset || ext.LastOffset != last.LastOffset() || ext.MaxTimestamp != last.MaxTimestamp {
			t.Errorf("%v: %+v", id, ext)
		}
		for i := range entries {
			n := entries[i].Length
			if err := VerifyBatch(&entries[i], data[:n]); err != nil || entries[i].ID != id {
				t.Errorf("%v: %v", id, err)
			}
			data = data[n:]
		}
		if len(data) != 0 {
			t.Errorf("%v: %d bytes too many", id, len(data))
		}
		count += len(entries)
	}
	if !slices.Equal(ids, []PartitionID{partition(1, 0), partition(1, 7), partition(2, 1)}) || count != 7 {
		t.Fatalf("%v, %d", ids, count)
	}
	for range x.Extents(0) {
		break // an early end is allowed
	}
}

// Any wrong bit anywhere is found.
func TestEveryBitIsCovered(t *testing.T) {
	good := sample()
	for at := range good {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(good)
			bad[at] ^= bit
			if _, err := decode(bad); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("bit %#x of byte %d: %v", bit, at, err)
			}
		}
	}
	for n := range good {
		if _, err := decode(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for _, v := range []VolumeHeader{sampleVolume(), sampleVolume2()} {
		volume := AppendVolumeHeader(nil, &v)
		for at := range volume {
			bad := bytes.Clone(volume)
			bad[at] ^= 4
			if _, err := DecodeVolumeHeader(bad); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("start %d, byte %d: %v", v.Start, at, err)
			}
		}
	}
}

func TestStamp(t *testing.T) {
	b := sample()
	p := Place{Volume: 5, Nonce: Nonce{7}, Seq: 6, PrevCRC: 8}
	crc := Stamp(b, p)
	x, err := decode(b)
	if err != nil || x.Header.Place != p || x.Header.CRC != crc {
		t.Fatalf("%+v, %v", x.Header, err)
	}
}

// resum makes the checksum of a header right again after a change.
func resum(b []byte) {
	binary.BigEndian.PutUint32(b[hCRC:], crc32.Checksum(b[:hCRC], castagnoli))
}

func TestHeaderRules(t *testing.T) {
	be := binary.BigEndian
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"version":           {func(b []byte) { b[hVersion+1]++ }, ErrVersion},
		"flag":              {func(b []byte) { b[hFlags] = 0x80 }, ErrVersion},
		"encrypted":         {func(b []byte) { b[hFlags+3] |= byte(FlagEncrypted) }, ErrVersion},
		"size":              {func(b []byte) { b[hSize+1]++ }, ErrCorrupt},
		"entry size":        {func(b []byte) { b[hEntrySize+1]++ }, ErrCorrupt},
		"reserved":          {func(b []byte) { b[hReserved2+9] = 1 }, ErrCorrupt},
		"key":               {func(b []byte) { b[hKeyID] = 1 }, ErrCorrupt},
		"entries":           {func(b []byte) { be.PutUint32(b[hEntries:], 1<<31) }, ErrCorrupt},
		"partitions":        {func(b []byte) { be.PutUint32(b[hPartitions:], 8) }, ErrCorrupt},
		"no partition":      {func(b []byte) { be.PutUint32(b[hPartitions:], 0) }, ErrCorrupt},
		"negative body":     {func(b []byte) { be.PutUint64(b[hBodyLen:], 1<<63) }, ErrCorrupt},
		"huge body":         {func(b []byte) { be.PutUint64(b[hBodyLen:], 1<<60) }, ErrCorrupt},
		"small body":        {func(b []byte) { be.PutUint64(b[hBodyLen:], 7*60) }, ErrCorrupt},
		"mark with content": {func(b []byte) { b[hFlags+3] |= byte(FlagFence) }, ErrCorrupt},
	} {
		b := sample()
		c.change(b)
		resum(b)
		if _, err := DecodeHeader(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIndexRules(t *testing.T) {
	for name, change := range map[string]func(*Index){
		"position":          func(x *Index) { x.Entries[1].Position++ },
		"length":            func(x *Index) { x.Entries[1].Length++ },
		"short batch":       func(x *Index) { x.Entries[1].Length = 60 },
		"order":             func(x *Index) { x.Entries[0].ID = partition(3, 0) },
		"offset order":      func(x *Index) { x.Entries[1].BaseOffset = 9 },
		"negative offset":   func(x *Index) { x.Entries[0].BaseOffset = -1 },
		"offset overflow":   func(x *Index) { x.Entries[1].BaseOffset = 1<<63 - 1; x.Entries[1].LastOffsetDelta = 1 },
		"negative delta":    func(x *Index) { x.Entries[1].LastOffsetDelta = -1 },
		"records":           func(x *Index) { x.Entries[1].Records = -1 },
		"partition":         func(x *Index) { x.Entries[0].ID.Partition = -1 },
		"flags":             func(x *Index) { x.Entries[0].Flags = 0x8000 },
		"partitions":        func(x *Index) { x.Header.Partitions = 2 },
		"negative position": func(x *Index) { x.Entries[0].Position = -1 },
	} {
		x, err := decode(sample())
		if err != nil {
			t.Fatal(err)
		}
		change(&x)
		var b []byte
		for i := range x.Entries {
			b = AppendEntry(b, &x.Entries[i])
		}
		x.Header.IndexCRC = crc32.Checksum(b, castagnoli)
		if err := DecodeIndex(x.Header, b, &Index{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyReader(t *testing.T) {
	b := sample()
	x, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	split := HeaderSize + x.Header.IndexLen()
	for n := crcStart; n < len(b); n += 13 {
		buf := make([]byte, n)
		if err := VerifyReader(&x, bytes.NewReader(b), split, buf); err != nil {
			t.Fatalf("buffer of %d: %v", n, err)
		}
		for at := split; at < int64(len(b)); at += 11 {
			bad := bytes.Clone(b)
			bad[at] ^= 1
			if err := VerifyReader(&x, bytes.NewReader(bad), split, buf); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("buffer of %d, byte %d: %v", n, at, err)
			}
		}
		if err := VerifyReader(&x, bytes.NewReader(b[:len(b)-1]), split, buf); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("buffer of %d, cut: %v", n, err)
		}
	}
	if err := VerifyReader(&x, bytes.NewReader(b), split, make([]byte, crcStart-1)); err == nil || errors.Is(err, ErrCorrupt) {
		t.Fatalf("buffer too small: %v", err)
	}
}

// The builder's grouping against a plain stable sort.
func TestBuilderSortsStably(t *testing.T) {
	var b Builder
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		next := map[PartitionID]int64{}
		var want []Entry
		var data [][]byte
		for range rng.IntN(60) {
			id := partition(byte(rng.IntN(3)), int32(rng.IntN(4)))
			e, d := batch(id, next[id], 1+int32(rng.IntN(2)), make([]byte, rng.IntN(9)))
			next[id] = e.LastOffset() + 1
			b.Add(e, d)
			e.Length = int32(len(d))
			want, data = append(want, e), append(data, d)
		}
		size := b.Size()
		bufs, x := b.Encode(Header{})
		joined := bytes.Join(bufs, nil)
		if int64(len(joined)) != size || x.Header.Size() != size || b.Len() != len(want) {
			t.Fatalf("seed %d: %d bytes, said %d", seed, len(joined), size)
		}
		order := make([]int, len(want))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return want[i].ID.Compare(want[j].ID) })
		pos := int64(0)
		for i, o := range order {
			w := want[o]
			w.Position = pos
			pos += int64(w.Length)
			if x.Entries[i] != w || len(data[o]) > 0 && &bufs[i+1][0] != &data[o][0] {
				t.Fatalf("seed %d: entry %d is %+v, want %+v", seed, i, x.Entries[i], w)
			}
		}
		got, err := decode(joined)
		if err != nil || !reflect.DeepEqual(append([]Entry{}, got.Entries...), append([]Entry{}, x.Entries...)) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		b.Reset()
	}
}

func TestBuilderRefusesWhatReadersWould(t *testing.T) {
	mustPanic := func(name string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	id := partition(1, 1)
	mustPanic("offsets going back", func() {
		var b Builder
		b.Add(batch(id, 5, 1, nil))
		b.Add(batch(id, 5, 1, nil))
		b.Encode(Header{})
	})
	mustPanic("negative offset", func() {
		var b Builder
		b.Add(batch(id, -1, 1, nil))
	})
	mustPanic("short batch", func() {
		var b Builder
		e, d := batch(id, 0, 1, nil)
		b.Add(e, d[:60])
	})
	mustPanic("mark without a kind", func() { Mark(FlagAtomic, Place{}, 0) })
	mustPanic("negative start", func() { AppendVolumeHeader(nil, &VolumeHeader{Start: -1}) })
	mustPanic("long cluster id", func() { AppendVolumeHeader(nil, &VolumeHeader{Cluster: "0123456789012345678901234"}) })
}

func TestBuilderReusesItsMemory(t *testing.T) {
	var b Builder
	var entries []Entry
	var data [][]byte
	for i := range 1000 {
		e, d := batch(partition(byte(i%7), int32(i%50)), int64(i), 1, nil)
		entries, data = append(entries, e), append(data, d)
	}
	fill := func() {
		b.Reset()
		for i := range entries {
			b.Add(entries[i], data[i])
		}
		b.Encode(Header{})
	}
	fill()
	if n := testing.AllocsPerRun(10, fill); n > 2 {
		t.Fatalf("%v allocations for 1000 batches", n)
	}
}

func BenchmarkEncode100k(b *testing.B) {
	var builder Builder
	var entries []Entry
	var data [][]byte
	for i := range 100_000 {
		e, d := batch(partition(byte(i%7), int32(i%1000)), int64(i), 1, nil)
		entries, data = append(entries, e), append(data, d)
	}
	for b.Loop() {
		builder.Reset()
		for i := range entries {
			builder.Add(entries[i], data[i])
		}
		builder.Encode(Header{})
	}
}
