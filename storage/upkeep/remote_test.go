package upkeep

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// remoteJournal shows a file journal as an object journal looks to its readers: a
// source is one pack, and nothing can be adopted.
type remoteJournal struct {
	journal.Journal
	opened int
}

func (j *remoteJournal) OpenSource(ref journal.Ref) (journal.Source, error) {
	j.opened++
	src, err := j.Journal.OpenSource(journal.Ref{Volume: ref.Volume})
	if err != nil {
		return nil, err
	}
	for pos := int64(pack.VolumeHeaderSize); ; {
		h, err := readHeader(src, pos)
		if err != nil {
			src.Close()
			return nil, err
		}
		if h.Seq == ref.Seq {
			return onePack{src, io.NewSectionReader(src, pos, h.Size())}, nil
		}
		pos += h.Size()
	}
}

type onePack struct {
	journal.Source
	section *io.SectionReader
}

func (p onePack) ReadAt(b []byte, off int64) (int, error) { return p.section.ReadAt(b, off) }
func (p onePack) File() *os.File                          { return nil }

// remote makes the rig's upkeep see a remote journal.
func (r *rig) remote() *remoteJournal {
	j := &remoteJournal{Journal: r.journal}
	r.upkeep.cfg.Journal = j
	return j
}

// What this process has appended is not read from the bucket again to be sealed, and what
// of it does not check where it was kept is.
func TestOwnPacksAreNotReadAgain(t *testing.T) {
	for name, damage := range map[string]bool{"kept": false, "damaged": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, kind{object: true})
			counted := &countedBucket{Bucket: r.bucket, n: map[string]int{}}
			r.stop()
			r.bucket = counted
			r.begin()
			for range 10 {
				r.some()
			}
			r.must(r.upkeep.Seal(context.Background())) // what the first rig began
			r.log.RequestRoll()
			r.waitFor("the roll", func() bool { v := r.journal.Volumes(); return v[0].Closed })
			packs := int(r.journal.Volumes()[0].LastSeq - r.journal.Volumes()[0].FirstSeq)
			kept, err := filepath.Glob(filepath.Join(r.dir, "kept", "*"))
			if err != nil || len(kept) == 0 {
				t.Fatal(kept, err)
			}
			if damage {
				r.must(os.Truncate(kept[0], 100))
			}
			counted.reset()
			r.must(r.upkeep.Seal(context.Background()))
			if gets := counted.n["get"]; damage != (gets >= packs) || packs < 20 {
				t.Errorf("%d packs, %d reads", packs, gets)
			}
			r.waitFor("the file to go", func() bool { _, err := os.Stat(kept[0]); return os.IsNotExist(err) })
			r.checkAcked()
		})
	}
}

func TestClosedVolumesMergeIntoOneSegment(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	for range 4 {
		r.some()
		r.roll()
	}
	j := r.remote()
	volumes := r.journal.Volumes()
	r.upkeep.cfg.SealBytesMax = 1 << 30
	r.must(r.upkeep.Seal(ctx))
	r.checkAcked()
	r.checkStates()
	keys := r.objects(segmentPrefix)
	if len(keys) != 1 {
		t.Fatalf("%d segments, want 1", len(keys))
	}
	if j.opened > 30 {
		t.Errorf("%d packs opened for 20: one that is remote is read once", j.opened)
	}
	if len(volumes) != 5 { // the last one is open
		t.Fatalf("%d volumes", len(volumes))
	}
	for _, v := range volumes[:4] {
		if done, _ := r.store.Registered(ctx, rowOf(v)); !done {
			t.Errorf("volume %d is not registered", v.ID)
		}
	}
	if left, _ := os.ReadDir(r.dir); len(left) != 1 {
		t.Errorf("spool files left: %v", left)
	}
	info, err := r.bucket.Stat(ctx, keys[0])
	r.must(err)
	footer, err := r.upkeep.openFooter(ctx, keys[0], info.Size)
	r.must(err)
	for i := range footer.Len() {
		if p := footer.Part(i); p.Extents != 1 {
			t.Errorf("partition %v lies in %d extents of a sorted segment, want 1", p.ID, p.Extents)
		}
	}
	r.restart()
	r.checkAcked()
}

func TestMergeIsBounded(t *testing.T) {
	r := newRig(t, uploaded)
	for range 4 {
		r.some()
		r.roll()
	}
	r.remote()
	r.upkeep.cfg.SealBytesMax = 2*r.journal.Volumes()[0].Bytes + 1000
	r.must(r.upkeep.Seal(context.Background()))
	r.checkAcked()
	if n := len(r.objects(segmentPrefix)); n != 2 {
		t.Errorf("%d segments, want 2", n)
	}
}

func TestMergeStoppedAtEachStep(t *testing.T) {
	for n := 1; ; n++ {
		stopped := ""
		t.Run(fmt.Sprintf("step %d", n), func(t *testing.T) {
			r := newRig(t, uploaded)
			ctx := context.Background()
			for range 3 {
				r.some()
				r.roll()
			}
			r.remote()
			seam, _, at := stopAt(n)
			r.seam = seam
			err := r.upkeep.Seal(ctx)
			r.seam, stopped = nil, *at
			if stopped == "" {
				r.must(err)
			}
			r.checkAcked()
			r.restart()
			r.checkAcked()
			r.remote()
			r.must(r.upkeep.Seal(ctx))
			r.checkAcked()
			r.checkStates()
			sweepAll(r)
			if n := len(r.objects(segmentPrefix)); n != 1 {
				t.Errorf("%d segments, want 1", n)
			}
			r.checkAcked()
		})
		if stopped == "" {
			if n < 9 {
				t.Fatalf("only %d steps", n-1)
			}
			return
		}
	}
}
