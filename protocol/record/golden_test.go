package record

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The golden files are batches as franz-go encodes and compresses them. They must stay
// readable whatever becomes of this package and the codecs behind it.
func TestGolden(t *testing.T) {
	for _, codec := range append(allCodecs, -2) {
		name := codec.String()
		s := spec{records: variety(), codec: codec}
		if codec == -2 {
			name, s.codec, s.payload = "snappy-xerial", CodecSnappy, xerial(encodeRecords(variety()))
		}
		path := filepath.Join("testdata", fmt.Sprintf("batch-%s.bin", name))
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, encodeBatch(t, s), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(b)
		if _, err := Validate(b, testRules(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(b, before) {
			t.Errorf("%s: changed", name)
		}
		wantRecords(t, readAll(t, b), expect(variety(), 0))
	}
}

// The bytes of a built batch are pinned: they are what coordinators write to disk.
func TestGoldenBuilder(t *testing.T) {
	b := NewBuilder()
	b.Producer = Producer{ID: 1, Epoch: 2, Sequence: 3}
	b.Append(testNow, []byte("key"), []byte("value"), Field{Key: "h", Value: []byte("x")})
	b.Append(testNow+1, []byte("gone"), nil)
	path := filepath.Join("testdata", "built.bin")
	if *update {
		if err := os.WriteFile(path, b.Batch(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Batch(), want) {
		t.Errorf("got  %x\nwant %x", b.Batch(), want)
	}
}
