package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
)

// FuzzDecodePack decodes header, index and body. What is accepted is encoded again to
// the same bytes, and both ways to verify a body agree.
func FuzzDecodePack(f *testing.F) {
	f.Add(sample())
	f.Add(sample()[:200])
	f.Add(Mark(FlagFence, samplePlace(), 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		if b = bytes.Clone(b); len(b) >= HeaderSize && len(b)%2 == 0 { // else the checksum stays wrong
			resum(b)
		}
		h, err := DecodeHeader(b)
		if err != nil {
			return
		}
		if again := AppendHeader(nil, &h); !bytes.Equal(again, b[:HeaderSize]) {
			t.Fatalf("header %x is encoded as %x", b[:HeaderSize], again)
		}
		if h.Size() > int64(len(b)) {
			return
		}
		var x Index
		split := HeaderSize + h.IndexLen()
		if err := DecodeIndex(h, b[HeaderSize:split], &x); err != nil {
			return
		}
		err = VerifyBody(&x, b[split:h.Size()])
		err2 := VerifyReader(&x, bytes.NewReader(b), split, make([]byte, 64))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v, %v", err, err2)
		}
		for _, ext := range x.Extents(0) {
			if ext.DataLen <= 0 || ext.DataPos+ext.DataLen > h.Size() || ext.IndexPos < HeaderSize {
				t.Fatalf("%+v", ext)
			}
		}
	})
}

// FuzzDecodeIndex decodes indexes whose checksums are right.
func FuzzDecodeIndex(f *testing.F) {
	s := sample()
	h, err := DecodeHeader(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s[HeaderSize:HeaderSize+h.IndexLen()], h.BodyLen, h.Partitions)
	f.Fuzz(func(t *testing.T, b []byte, bodyLen int64, partitions int) {
		h := Header{Entries: len(b) / EntrySize, Partitions: partitions, BodyLen: bodyLen, IndexCRC: sumOf(b)}
		var x Index
		if err := DecodeIndex(h, b, &x); err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		var again []byte
		for i := range x.Entries {
			again = AppendEntry(again, &x.Entries[i])
		}
		if !bytes.Equal(again, b) {
			t.Fatal("the index is encoded otherwise")
		}
		n := 0
		for _, ext := range x.Extents(100) {
			n += int(ext.IndexCount)
		}
		if n != len(x.Entries) {
			t.Fatalf("%d of %d entries in extents", n, len(x.Entries))
		}
	})
}

// FuzzDecodeVolumeHeader: what is accepted is encoded again to the same bytes.
func FuzzDecodeVolumeHeader(f *testing.F) {
	for _, v := range []VolumeHeader{sampleVolume(), sampleVolume2()} {
		f.Add(AppendVolumeHeader(nil, &v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if b = bytes.Clone(b); len(b) >= VolumeHeaderSize {
			resumVolume(b)
		}
		h, err := DecodeVolumeHeader(b)
		if err != nil {
			return
		}
		if again := AppendVolumeHeader(nil, &h); !bytes.Equal(again, b[:VolumeHeaderSize]) {
			t.Fatalf("%x is encoded as %x", b[:VolumeHeaderSize], again)
		}
	})
}

func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// resumVolume makes the header's checksum right, so that fuzzing gets behind it.
func resumVolume(b []byte) {
	binary.BigEndian.PutUint32(b[vCRC:], sumOf(b[:vCRC]))
}
