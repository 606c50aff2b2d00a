package file

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
	"github.com/streamhouse/streamhouse/storage/pack"
)

func simJournal(d *simDisk) *Journal {
	d.revive()
	return newJournal(Config{ClusterID: "c", Broker: 1, VolumeBytes: 64 << 10, ReserveBytes: 1000, Ledger: d.ledger}, d)
}

func (d *simDisk) failOnce(prefix string, err error) {
	d.hook = func(call string) error {
		if !strings.HasPrefix(call, prefix) {
			return nil
		}
		d.hook = nil
		return err
	}
}

func appendPack(j *Journal, seq uint64) error {
	_, err := j.Append(bg, seq, journaltest.Make(newRand(seq), 2, 2, 900).Bufs)
	return err
}

// A sync fails once and then reports success. The cache shows the pack whole, the
// disk does not have it: nobody may believe it, whatever happens next.
func TestSyncThatFailsOnce(t *testing.T) {
	for _, next := range []string{"roll", "kill", "kill twice"} {
		t.Run(next, func(t *testing.T) {
			d := newSimDisk(1)
			j := simJournal(d)
			replayed(t, j)
			if err := appendPack(j, 1); err != nil {
				t.Fatal(err)
			}
			d.failOnce("sync", errInjected)
			if err := appendPack(j, 2); !errors.Is(err, errInjected) {
				t.Fatalf("append: %v", err)
			}
			calls := len(d.calls)
			if err := appendPack(j, 2); err == nil {
				t.Fatal("appended to a file whose sync failed")
			}
			if slices.ContainsFunc(d.calls[calls:], func(c string) bool { return strings.HasPrefix(c, "write") || strings.HasPrefix(c, "sync") }) {
				t.Fatalf("the failed file was touched: %v", d.calls[calls:])
			}
			want := uint64(1)
			if next == "roll" {
				if err := j.Roll(bg, 1); err != nil {
					t.Fatal(err)
				}
				if err := appendPack(j, 2); err != nil {
					t.Fatal(err)
				}
				want = 2
			} else {
				// The whole pack is in the cache; a start writes it anew.
				for range strings.Count(next, "k") {
					j = simJournal(d)
					if got := replayed(t, j); len(got) != 2 {
						t.Fatalf("replayed %v", got)
					}
				}
				want = 2
			}
			d.powerCut()
			if got := replayed(t, simJournal(d)); uint64(len(got)) != want {
				t.Fatalf("after a power cut: replayed %v", got)
			}
		})
	}
}

// The process ends between any two steps of a start, an append, a roll, a footer and
// a release, with and without a power cut.
func TestEndBetweenAnyTwoSteps(t *testing.T) {
	for _, cut := range []bool{false, true} {
		steps := 0
		for end := 1; ; end++ {
			d := newSimDisk(uint64(end))
			setup := simJournal(d)
			replayed(t, setup)
			if err := errors.Join(appendPack(setup, 1), appendPack(setup, 2)); err != nil {
				t.Fatal(err)
			}
			d.endAfter = end
			acked, released := life(setup, d)
			if !d.ended {
				steps = end
				break
			}
			if cut {
				d.powerCut()
			}
			j := simJournal(d)
			got := replayed(t, j)
			first := uint64(1)
			if len(got) > 0 {
				first = got[0]
			}
			if first > released+1 || (len(got) == 0 && acked > released) || (len(got) > 0 && got[len(got)-1] < acked) {
				t.Fatalf("ended after %d steps (power cut: %v): acknowledged %d, released %d, replayed %v", end, cut, acked, released, got)
			}
		}
		if steps < 60 {
			t.Fatalf("only %d steps were tried", steps)
		}
	}
}

// life does everything once and returns what it was told.
func life(j *Journal, d *simDisk) (acked, released uint64) {
	acked = 2
	do := func(err error) bool { return err == nil }
	if !do(j.Roll(bg, 2)) || !do(appendPack(j, 3)) {
		return acked, 0
	}
	acked = 3
	first := j.Volumes()[0].ID
	if _, err := j.Footer(bg, first, []byte("a footer")); err != nil {
		return acked, 0
	}
	d.link(fileName(uint64(first), volumeSuffix), "segment")
	if !do(j.Release(bg, first)) {
		return acked, 2
	}
	if !do(appendPack(j, 4)) {
		return acked, 2
	}
	acked = 4
	if !do(j.Roll(bg, 4)) || !do(j.Release(bg, j.Volumes()[0].ID)) {
		return acked, 4
	}
	if !do(appendPack(j, 5)) {
		return acked, 4
	}
	acked = 5
	j.Close(bg)
	j = simJournalKeep(d)
	if j.Replay(bg, func(journal.Ref, *pack.Index) error { return nil }) != nil || !do(appendPack(j, 6)) {
		return acked, 4
	}
	return 6, 4
}

// simJournalKeep is a new process that may end as the one before it.
func simJournalKeep(d *simDisk) *Journal {
	return newJournal(Config{ClusterID: "c", Broker: 1, VolumeBytes: 64 << 10, ReserveBytes: 1000}, d)
}

// The disk fills up: nothing is written, and it heals.
func TestFullDisk(t *testing.T) {
	d := newSimDisk(1)
	d.free = 300 << 10
	j := simJournal(d)
	replayed(t, j)
	seq := uint64(0)
	var err error
	for err == nil {
		if err = appendPack(j, seq+1); err == nil {
			seq++
		}
	}
	if !errors.Is(err, journal.ErrNoRoom) || seq < 50 {
		t.Fatalf("after %d packs: %v", seq, err)
	}
	if d.free < 1000 {
		t.Fatalf("%d bytes are left, 1000 were to stay", d.free)
	}
	d.free = 900
	calls := len(d.calls)
	for range 3 {
		if err := appendPack(j, seq+1); !errors.Is(err, journal.ErrNoRoom) {
			t.Fatal(err)
		}
		if err := j.Roll(bg, seq); !errors.Is(err, journal.ErrNoRoom) {
			t.Fatal(err)
		}
	}
	if slices.ContainsFunc(d.calls[calls:], func(c string) bool { return c != "free" }) {
		t.Fatalf("a full disk was touched: %v", d.calls[calls:])
	}
	d.free = 1 << 30
	if err := errors.Join(j.Roll(bg, seq), appendPack(j, seq+1)); err != nil {
		t.Fatal(err)
	}
	d.powerCut()
	if got := replayed(t, simJournal(d)); uint64(len(got)) != seq+1 {
		t.Fatalf("replayed %d of %d", len(got), seq+1)
	}
}

// A write that the disk has no room for after all: the file is closed at its last
// durable pack.
func TestWriteWithoutRoom(t *testing.T) {
	d := newSimDisk(1)
	j := simJournal(d)
	replayed(t, j)
	if err := appendPack(j, 1); err != nil {
		t.Fatal(err)
	}
	d.failOnce("write", unix.ENOSPC)
	if err := appendPack(j, 2); err == nil || errors.Is(err, journal.ErrNoRoom) {
		t.Fatalf("append whose outcome is open: %v", err)
	}
	d.failOnce("create", unix.ENOSPC)
	if err := j.Roll(bg, 1); !errors.Is(err, journal.ErrNoRoom) {
		t.Fatalf("roll: %v", err)
	}
	if err := errors.Join(j.Roll(bg, 1), appendPack(j, 2)); err != nil {
		t.Fatal(err)
	}
	d.powerCut()
	if got := replayed(t, simJournal(d)); len(got) != 2 {
		t.Fatalf("replayed %v", got)
	}
}

// A roll that failed may have ended the volume: no pack is appended to it any more.
func TestAppendAfterFailedRoll(t *testing.T) {
	for _, call := range []string{"create", "write", "sync", "rename", "syncdir"} {
		d := newSimDisk(1)
		j := simJournal(d)
		replayed(t, j)
		if err := appendPack(j, 1); err != nil {
			t.Fatal(err)
		}
		d.failOnce(call, errInjected)
		if err := j.Roll(bg, 1); !errors.Is(err, errInjected) {
			t.Fatalf("%s: roll: %v", call, err)
		}
		if err := appendPack(j, 2); err == nil {
			t.Fatalf("%s: appended to a volume that may have an end mark", call)
		}
		if err := errors.Join(j.Roll(bg, 1), appendPack(j, 2)); err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		d.powerCut()
		if got := replayed(t, simJournal(d)); len(got) != 2 {
			t.Fatalf("%s: replayed %v", call, got)
		}
	}
}

// A volume's last pack is not the one that its end mark names.
func TestEndMarkOfAnotherPack(t *testing.T) {
	d := newSimDisk(1)
	j := simJournal(d)
	replayed(t, j)
	if err := errors.Join(appendPack(j, 1), j.Roll(bg, 1), appendPack(j, 2)); err != nil {
		t.Fatal(err)
	}
	n := d.names[j.last().name()]
	for _, change := range []func(*pack.VolumeHeader){
		func(h *pack.VolumeHeader) { h.PrevCRC++ },
		func(h *pack.VolumeHeader) { h.PrevSeq++ },
		func(h *pack.VolumeHeader) { h.PrevNonce[3]++ },
	} {
		h := j.last().header
		change(&h)
		copy(n.cache, pack.AppendVolumeHeader(nil, &h))
		err := simJournal(d).Replay(bg, func(journal.Ref, *pack.Index) error { return nil })
		if !errors.Is(err, journal.ErrDamaged) {
			t.Fatalf("replay: %v", err)
		}
	}
}

// A volume gets its footer, also when it had failed, when half a footer is there, and
// when a torn pack is there; never when it has a second link.
func TestFooter(t *testing.T) {
	for _, kind := range []string{"sound", "failed", "torn", "half"} {
		t.Run(kind, func(t *testing.T) {
			d := newSimDisk(3)
			j := simJournal(d)
			replayed(t, j)
			if err := appendPack(j, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := j.Footer(bg, 1, []byte("x")); err == nil {
				t.Fatal("footer of the open volume")
			}
			closeVolume(t, d, j, kind)
			if kind == "torn" {
				j = simJournal(d)
				replayed(t, j)
			}
			v := j.find(1)
			durable := slices.Clone(d.names[v.name()].cache[:v.end()])
			if kind == "half" {
				d.failOnce("write", errInjected)
				if _, err := j.Footer(bg, 1, make([]byte, 5000)); !errors.Is(err, errInjected) {
					t.Fatalf("footer: %v", err)
				}
			}
			for _, footer := range []string{"another footer, longer", "footer"} {
				path, err := j.Footer(bg, 1, []byte(footer))
				if err != nil || path != d.Path(v.name()) {
					t.Fatal(path, err)
				}
				if kind == "failed" && footer != "footer" && slices.Contains(d.calls, "openwrite "+v.name()) {
					t.Fatal("a file whose sync failed was written again")
				}
				d.powerCut()
				if got := string(d.names[v.name()].cache); got != string(durable)+footer {
					t.Fatalf("volume of %d bytes has %d, ends with %q", len(durable), len(got), got[max(0, len(got)-30):])
				}
			}
			d.link(v.name(), "segment")
			if _, err := j.Footer(bg, 1, []byte("footer")); err != nil {
				t.Fatalf("the same footer once more: %v", err)
			}
			if _, err := j.Footer(bg, 1, []byte("other")); err == nil {
				t.Fatal("the file of the bucket was changed")
			}
			j = simJournal(d)
			replayed(t, j)
			if err := j.Release(bg, 1); err != nil {
				t.Fatal(err)
			}
			if n := d.names["segment"]; n.links != 1 || string(n.cache) != string(durable)+"footer" {
				t.Fatalf("the bucket's file has changed: %d links, %d bytes", n.links, len(n.cache))
			}
		})
	}
}

// closeVolume ends volume 1 in one way or another.
func closeVolume(t *testing.T, d *simDisk, j *Journal, kind string) {
	t.Helper()
	switch kind {
	case "failed":
		d.failOnce("sync", errInjected)
		if err := appendPack(j, 2); err == nil {
			t.Fatal("no failure")
		}
	case "torn":
		d.failOnce("write", errEnded)
		if err := appendPack(j, 2); err == nil {
			t.Fatal("no failure")
		}
		n := d.names[fileName(1, volumeSuffix)]
		c := change{int64(len(n.cache)), []byte("torn")}
		n.cache, n.dirty = c.apply(n.cache), append(n.dirty, c)
		return
	}
	if err := j.Roll(bg, 1); err != nil {
		t.Fatal(err)
	}
}

// A large file is shrunk before it is removed, unless somebody else has it too.
func TestReleaseOfLargeFiles(t *testing.T) {
	dir := t.TempDir()
	for _, linked := range []bool{false, true} {
		j := mustOpen(t, dir)
		replayed(t, j)
		seq := j.last().lastSeq + 1
		if err := appendPack(j, seq); err != nil {
			t.Fatal(err)
		}
		if err := j.Roll(bg, seq); err != nil {
			t.Fatal(err)
		}
		v := j.Volumes()[0]
		path, err := j.Footer(bg, v.ID, make([]byte, 3*shrinkStep))
		if err != nil {
			t.Fatal(err)
		}
		segment := filepath.Join(dir, "segment")
		if linked {
			if err := os.Link(path, segment); err != nil {
				t.Fatal(err)
			}
		}
		src, err := j.OpenSource(journal.Ref{Volume: v.ID})
		if err != nil {
			t.Fatal(err)
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Release(bg, v.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the volume is still there: %v", err)
		}
		if linked {
			if info, err := os.Stat(segment); err != nil || info.Size() != v.Bytes+3*shrinkStep {
				t.Fatalf("the bucket's file: %v, %v", info, err)
			}
		}
		if err := j.Close(bg); err != nil {
			t.Fatal(err)
		}
	}
}

// What an interrupted removal or creation leaves is cleaned up.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{fileName(7, tmpSuffix), fileName(6, deadSuffix)} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := mustOpen(t, dir)
	replayed(t, j)
	defer j.Close(bg)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if names := fmt.Sprint(entries); len(entries) != 2 || j.Volumes()[0].ID != 8 {
		t.Fatalf("left: %s, volume %d", names, j.Volumes()[0].ID)
	}
}

// A source keeps its file through a release.
func TestSourceOutlivesRelease(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	replayed(t, j)
	c := journaltest.Make(rand.New(rand.NewPCG(1, 1)), 1, 3, 100)
	ref, err := j.Append(bg, 1, c.Bufs)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Roll(bg, 1); err != nil {
		t.Fatal(err)
	}
	src, err := j.OpenSource(ref)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- j.Release(bg, ref.Volume) }()
	b := make([]byte, ref.Len)
	for range 100 {
		if _, err := src.ReadAt(b, ref.Pos); err != nil || journaltest.SumOf([][]byte{b}) != c.Sum {
			t.Fatalf("read during the release: %v", err)
		}
	}
	if n, err := src.ReadAt(b, ref.Pos+1); n != len(b)-1 || err == nil {
		t.Fatalf("read past the durable end: %d, %v", n, err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := j.Close(bg); err != nil {
		t.Fatal(err)
	}
}
