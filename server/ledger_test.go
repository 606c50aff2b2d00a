package server

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// folderOf is a data folder through several starts.
type folderOf struct {
	t   *testing.T
	set map[string]string
	dir string
}

func newFolder(t *testing.T, kind string) *folderOf {
	dir := filepath.Join(t.TempDir(), "data")
	return &folderOf{t: t, dir: dir, set: map[string]string{"data.dir": dir, "journal.kind": kind, "disk.reserve.bytes": "0"}}
}

// live starts, appends a pack, rolls, appends another, and stops; it returns the start.
func (f *folderOf) live(more ...string) (int32, journal.Info) {
	f.t.Helper()
	s, err := f.start(zap.NewNop(), more...)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx := f.t.Context()
	var next uint64
	for _, v := range s.journal.Volumes() {
		next = v.LastSeq + 1
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2 {
		if _, err := s.journal.Append(ctx, next, journaltest.Make(rng, 2, 2, 100).Bufs); err != nil {
			f.t.Fatal(err)
		}
		if err := s.journal.Roll(ctx, next); err != nil {
			f.t.Fatal(err)
		}
		next++
	}
	volumes := s.journal.Volumes()
	if err := s.close(ctx); err != nil {
		f.t.Fatal(err)
	}
	return s.start.Epoch, volumes[len(volumes)-1]
}

func (f *folderOf) start(logger *zap.Logger, more ...string) (*stores, error) {
	set := maps.Clone(f.set)
	for i := 0; i < len(more); i += 2 {
		set[more[i]] = more[i+1]
	}
	return startStores(f.t, set, logger)
}

// refused makes several starts that must fail for want, and returns the last error.
func (f *folderOf) refused(want error, more ...string) string {
	f.t.Helper()
	text := ""
	for range 3 {
		s, err := f.start(zap.NewNop(), more...)
		if err == nil {
			f.t.Fatal(errors.Join(errors.New("started"), s.close(f.t.Context())))
		}
		if !errors.Is(err, want) {
			f.t.Fatalf("refused with %v, want %v", err, want)
		}
		text = err.Error()
	}
	return text
}

func (f *folderOf) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folderOf) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestLostJournal: a data folder whose journal is gone, is an older copy, or has lost
// its newest volume is refused, with the folder's name and the setting that accepts it.
func TestLostJournal(t *testing.T) {
	for name, lose := range map[string]func(*folderOf){
		"removed": func(f *folderOf) { f.must(os.RemoveAll(f.path("journal"))) },
		"older copy": func(f *folderOf) {
			f.must(errors.Join(os.RemoveAll(f.path("journal")), os.Rename(f.path("older"), f.path("journal"))))
		},
		"newest volume missing": func(f *folderOf) {
			files, err := filepath.Glob(f.path("journal/*.volume"))
			f.must(err)
			f.must(os.Remove(files[len(files)-1]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, "file")
			f.live()
			f.must(os.CopyFS(f.path("older"), os.DirFS(f.path("journal"))))
			epoch, open := f.live()
			lose(f)
			accept := lossAccepted + "=" + strconv.FormatUint(uint64(open.ID), 10)
			for _, more := range [][]string{nil, {lossAccepted, "1"}} {
				text := f.refused(journal.ErrLost, more...)
				for _, part := range []string{f.path("journal"), accept} {
					if !strings.Contains(text, part) {
						t.Errorf("%s: no %s in it", text, part)
					}
				}
			}
			next, after := f.live(lossAccepted, strconv.FormatUint(uint64(open.ID), 10))
			if after.ID <= open.ID || next != epoch+1 {
				t.Errorf("start %d went on with volume %d, after start %d and volume %d", next, after.ID, epoch, open.ID)
			}
			if again, _ := f.live(); again != next+1 {
				t.Errorf("start %d after start %d", again, next)
			}
		})
	}
}

// TestLostObjectJournal: epochs that are gone are put back, or nothing starts; what is
// left of the bucket is not touched.
func TestLostObjectJournal(t *testing.T) {
	f := newFolder(t, "object")
	_, open := f.live()
	f.must(os.RemoveAll(f.path("bucket/journal")))
	for _, more := range [][]string{nil, {lossAccepted, strconv.FormatUint(uint64(open.ID), 10)}} {
		f.refused(journal.ErrLost, more...)
	}
	if left, err := filepath.Glob(f.path("bucket/journal/*")); err != nil || len(left) != 0 {
		t.Errorf("a start that was refused made %v, %v", left, err)
	}
}

// TestLedger: what the ledger refuses is not counted, however often it is asked.
func TestLedger(t *testing.T) {
	ctx, store := t.Context(), mem.New(nil)
	f := &folderOf{t: t}
	admit := func(found ...journal.Begun) (journal.Admission, error) {
		start, err := store.Identity(ctx)
		f.must(err)
		l := &ledger{store: store, start: start, where: "/data/journal", folder: true, logger: zap.NewNop()}
		return l.Admit(ctx, found)
	}
	begin := func(v journal.Begun) { f.must((&ledger{store: store}).Begin(ctx, v)) }
	first := journal.Begun{ID: 1, Nonce: pack.Nonce{1}, Start: 1}
	second := journal.Begun{ID: 2, Nonce: pack.Nonce{2}, Start: 2}
	newer := journal.Begun{ID: 3, Nonce: pack.Nonce{3}, Start: 5}
	if a, err := admit(); err != nil || a.Start != 1 {
		t.Fatalf("the first start: %+v, %v", a, err)
	}
	begin(first)
	if a, err := admit(first); err != nil || a.Start != 2 {
		t.Fatalf("the second start: %+v, %v", a, err)
	}
	begin(second)
	for range 10 {
		if _, err := admit(second, newer); !errors.Is(err, journal.ErrNewer) || !strings.Contains(err.Error(), "metadata.db") {
			t.Fatalf("with a newer journal: %v", err)
		}
		if _, err := admit(first); !errors.Is(err, journal.ErrLost) || !strings.Contains(err.Error(), lossAccepted+"=2") {
			t.Fatalf("with an older journal: %v", err)
		}
	}
	if a, err := admit(first, second); err != nil || a.Start != 3 {
		t.Fatalf("the third start: %+v, %v", a, err)
	}
	levels, err := features.Open(ctx, store)
	if err != nil || levels.Level(features.VolumeHeader) != volumeHeaderLevel || levels.Epoch() != 0 {
		t.Errorf("the feature has level %d, epoch %d, %v", levels.Level(features.VolumeHeader), levels.Epoch(), err)
	}
}

// TestStartIsCountedByAnother: two processes on one store do not share a number.
func TestStartIsCountedByAnother(t *testing.T) {
	ctx, store := t.Context(), mem.New(nil)
	start, err := store.Identity(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l := func() *ledger { return &ledger{store: store, start: start, folder: true, logger: zap.NewNop()} }
	if _, err := l().Admit(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l().Admit(ctx, nil); err == nil {
		t.Error("a number was given to two starts")
	}
}
