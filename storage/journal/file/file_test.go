package file

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
	"github.com/streamhouse/streamhouse/storage/pack"
)

func mustOpen(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(Config{Dir: dir, ClusterID: "c", Broker: 1, VolumeBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func replayed(t testing.TB, j *Journal) (seqs []uint64) {
	t.Helper()
	err := j.Replay(context.Background(), func(r journal.Ref, x *pack.Index) error {
		seqs = append(seqs, r.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

func TestSecondInstanceIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	_, err := Open(Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "process ") || !strings.Contains(err.Error(), " on ") {
		t.Fatalf("second instance: %v", err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir).Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestSmallBuffersAreGathered(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	replayed(t, j)
	rng := rand.New(rand.NewPCG(1, 1))
	for seq, batches := range []int{1, 3, 1500, 20000} {
		c := journaltest.Make(rng, 5, batches, 5000)
		ref, err := j.Append(context.Background(), uint64(seq+1), c.Bufs)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, fileName(uint64(ref.Volume), volumeSuffix)))
		if err != nil {
			t.Fatal(err)
		}
		if journaltest.SumOf([][]byte{b[ref.Pos : ref.Pos+ref.Len]}) != c.Sum {
			t.Fatalf("pack of %d batches was written wrong", batches)
		}
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, dir)
	if got := replayed(t, j); len(got) != 4 {
		t.Fatalf("replayed %v", got)
	}
	j.Close(context.Background())
}

func BenchmarkAppend2MiB(b *testing.B) {
	dir := b.TempDir()
	j, err := Open(Config{Dir: dir, ClusterID: "c", Broker: 1})
	if err != nil {
		b.Fatal(err)
	}
	replayed(b, j)
	c := journaltest.Make(rand.New(rand.NewPCG(1, 1)), 16, 256, 16<<10)
	b.SetBytes(sizeOf(c.Bufs))
	seq := uint64(0)
	for b.Loop() {
		seq++
		if _, err := j.Append(context.Background(), seq, c.Bufs); err != nil {
			b.Fatal(err)
		}
		if j.last().end() > DefaultVolumeBytes {
			if err := j.Roll(context.Background(), seq); err != nil {
				b.Fatal(err)
			}
			if err := j.Release(context.Background(), j.Volumes()[0].ID); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	j.Close(context.Background())
}

// BenchmarkReplay1GiB measures a start after a kill, from the page cache.
func BenchmarkReplay1GiB(b *testing.B) {
	dir := b.TempDir()
	j, err := Open(Config{Dir: dir, ClusterID: "c", Broker: 1})
	if err != nil {
		b.Fatal(err)
	}
	replayed(b, j)
	c := journaltest.Make(rand.New(rand.NewPCG(1, 1)), 16, 256, 16<<10)
	for seq := uint64(1); j.last().end() < 1<<30; seq++ {
		if _, err := j.Append(context.Background(), seq, c.Bufs); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(j.last().end())
	v := j.last()
	var mem scanMemory
	for b.Loop() {
		again := newVolume(v.header)
		if _, err := j.replayOpen(context.Background(), again, &mem, func(journal.Ref, *pack.Index) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	j.Close(context.Background())
}
