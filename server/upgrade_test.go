package server

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/log"
)

// unpack makes a data folder of a golden one.
func unpack(t *testing.T, archive string) (dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil || !filepath.IsLocal(h.Name) {
			t.Fatalf("%s: %v", h.Name, err)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o750); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(path, data, 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// golden is what is known of a golden folder: topic "golden" has as many records as the
// archive's name says, the first three of which were deleted; topic "deleted" is gone.
type golden struct {
	*life
	records int64
}

const goldenLogStart = 3

// check reads every record that is left.
func (g golden) check(end int64) {
	g.t.Helper()
	p := g.partition("golden")
	if b := p.Bounds(); b.LogStart != goldenLogStart || b.HighWatermark != end {
		g.t.Fatalf("%+v, want offsets %d to %d", b, goldenLogStart, end)
	}
	if g.catalog.ByName("deleted") != nil {
		g.t.Error("the deleted topic is back")
	}
	res, err := g.log.Read(g.t.Context(), p, log.ReadRequest{Offset: goldenLogStart, MaxBytes: 1 << 20})
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Release()
	var text []byte
	for _, c := range res.Chunks {
		b := c.Mem
		if c.File != nil {
			b = make([]byte, c.Len)
			if _, err := c.File.ReadAt(b, c.Pos); err != nil {
				g.t.Fatal(err)
			}
		}
		text = append(text, b...)
	}
	for i := int64(goldenLogStart); i < g.records; i++ {
		if !bytes.Contains(text, fmt.Appendf(nil, "golden %d ", i)) {
			g.t.Errorf("record %d of %d is not there", i, g.records)
		}
	}
}

// newest is the volume that the store remembers.
func (g golden) newest() metadata.Volume {
	g.t.Helper()
	v, _, err := g.stores.meta.NewestVolumes(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

// TestUpgrade: a data folder that the version before the numbers wrote, stopped, killed
// or in the middle of a seal, starts without them once, with a line, and has them from
// then on. testdata/upgrade/README.md says how the folders were made.
func TestUpgrade(t *testing.T) {
	archives, err := filepath.Glob("testdata/upgrade/*.tar.gz")
	if err != nil || len(archives) != 6 {
		t.Fatalf("%d golden folders, %v", len(archives), err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		part := strings.Split(name, "-")
		records, err := strconv.ParseInt(part[2], 10, 64)
		if err != nil || records < 20 {
			t.Fatalf("%s: %v", name, err)
		}
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, archive)
			set := map[string]string{"journal.kind": part[0], "disk.reserve.bytes": "0"}
			var before metadata.Volume
			for life := range int64(3) {
				g := golden{begin(t, Seams{}, dir, set).serving(), records}
				lines := g.logs.FilterMessageSnippet("remembered from now on").Len()
				if want := max(1-int(life), 0); lines != want {
					t.Errorf("start %d says %d times that it knows nothing, want %d", life+1, lines, want)
				}
				g.check(records + life)
				if at := g.stored("golden"); at != records+life {
					t.Errorf("the next record got offset %d", at)
				}
				now := g.newest()
				if now.Number <= before.Number {
					t.Errorf("start %d remembers volume %d, the one before %d", life+1, now.Number, before.Number)
				}
				before = now
				if err := g.end(); err != nil {
					t.Fatal(err)
				}
			}
			lost := filepath.Join(dir, "journal")
			if part[0] == "object" {
				lost = filepath.Join(dir, "bucket", "journal")
			}
			if err := os.RemoveAll(lost); err != nil {
				t.Fatal(err)
			}
			err := begin(t, Seams{}, dir, set).failed()
			if !errors.Is(err, journal.ErrLost) && !errors.Is(err, journal.ErrDamaged) {
				t.Errorf("without its journal: %v", err)
			}
		})
	}
}
