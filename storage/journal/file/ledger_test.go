package file

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// snapshot is a copy of the folder, as a backup makes one.
func (d *simDisk) snapshot() map[string]*inode {
	out := map[string]*inode{}
	for name, n := range d.names {
		out[name] = &inode{cache: bytes.Clone(n.cache), disk: bytes.Clone(n.cache), links: 1}
	}
	return out
}

// replace puts other files in the place of the folder's.
func (d *simDisk) replace(names map[string]*inode) {
	d.names, d.onDisk, d.journaled = names, maps.Clone(names), nil
}

func replayError(j *Journal) error {
	return j.Replay(bg, func(journal.Ref, *pack.Index) error { return nil })
}

// refused makes several starts, each of which must fail and leave disk and ledger as
// they were: a broker that is started again and again must not get through at last.
func refused(t *testing.T, d *simDisk, want error) {
	t.Helper()
	before := d.ledger.Memory
	for range 4 {
		calls := len(d.calls)
		if err := replayError(simJournal(d)); !errors.Is(err, want) {
			t.Fatalf("started with %v, want %v", err, want)
		}
		for _, call := range d.calls[calls:] {
			if op, _, _ := strings.Cut(call, " "); !slices.Contains([]string{"list", "open", "stat", "read", "ledger"}, op) {
				t.Errorf("a start that was refused did %q", call)
			}
		}
	}
	if d.ledger.Memory.Newest != before.Newest {
		t.Errorf("remembered are %+v, before %+v", d.ledger.Memory.Newest, before.Newest)
	}
}

// fill appends packs to a journal's new process and ends it by a kill.
func fill(t *testing.T, d *simDisk, first, last uint64) *Journal {
	t.Helper()
	j := simJournal(d)
	replayed(t, j)
	for seq := first; seq <= last; seq++ {
		if err := appendPack(j, seq); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// TestLostFolder: a journal that is gone, is an older copy, or has lost its newest
// volume does not go on, and says so at each start.
func TestLostFolder(t *testing.T) {
	for name, lose := range map[string]func(d *simDisk, old map[string]*inode){
		"removed":    func(d *simDisk, _ map[string]*inode) { d.replace(map[string]*inode{}) },
		"older copy": func(d *simDisk, old map[string]*inode) { d.replace(old) },
		"newest volume missing": func(d *simDisk, _ map[string]*inode) {
			names := d.snapshot()
			delete(names, slices.Max(slices.Collect(maps.Keys(names))))
			d.replace(names)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newSimDisk(1)
			fill(t, d, 1, 3)
			old := d.snapshot()
			fill(t, d, 4, 6)
			last := d.ledger.Memory.Newest.ID
			lose(d, old)
			refused(t, d, journal.ErrLost)

			// The loss is accepted: the numbers go on where nothing was ever numbered.
			d.ledger.Memory.Accepted = last
			j := simJournal(d)
			left := replayed(t, j)
			open := j.Volumes()[len(j.Volumes())-1]
			if open.ID <= last {
				t.Fatalf("volume %d after %d", open.ID, last)
			}
			next := uint64(len(left)) + 1
			if err := appendPack(j, next); err != nil {
				t.Fatal(err)
			}
			if got := replayed(t, simJournal(d)); uint64(len(got)) != next {
				t.Fatalf("replayed %v after what was accepted and one more", got)
			}
			// What was accepted once is not accepted for ever.
			d.replace(map[string]*inode{})
			refused(t, d, journal.ErrLost)
		})
	}
}

// TestOlderStore: a ledger that is older than the journal is refused: by the numbers
// of the starts, and within one start by the volume that it does not know.
func TestOlderStore(t *testing.T) {
	d := newSimDisk(1)
	fill(t, d, 1, 2)
	first := d.ledger.Memory
	j := fill(t, d, 3, 4)
	second := d.ledger.Memory
	if err := errors.Join(j.Roll(bg, 4), appendPack(j, 5), appendPack(j, 6)); err != nil {
		t.Fatal(err)
	}
	for name, old := range map[string]journal.Memory{"a start ago": first, "a roll ago": second} {
		t.Run(name, func(t *testing.T) {
			now := d.ledger.Memory
			defer func() { d.ledger.Memory = now }()
			d.ledger.Memory = old
			refused(t, d, journal.ErrNewer)
		})
	}
	if got := replayed(t, simJournal(d)); len(got) != 6 {
		t.Fatalf("with its own ledger: replayed %v", got)
	}
}

// TestLedgerFails: a volume that the ledger may or may not have heard of is the one
// that the next attempt and the next start go on with.
func TestLedgerFails(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			d := newSimDisk(1)
			j := fill(t, d, 1, 2)
			step, failing := d.ledger.Step, 1
			if after {
				failing = 2
			}
			d.ledger.Step = func() error {
				if failing--; failing == 0 {
					return errInjected
				}
				return step()
			}
			if err := j.Roll(bg, 2); !errors.Is(err, errInjected) {
				t.Fatalf("rolled with %v", err)
			}
			if err := appendPack(j, 3); err == nil {
				t.Fatal("a pack was taken by a volume that is not known to be remembered")
			}
			files := len(d.names)
			if restart {
				j = simJournal(d)
				if got := replayed(t, j); len(got) != 2 {
					t.Fatalf("replayed %v", got)
				}
			} else if err := j.Roll(bg, 2); err != nil || len(d.names) != files {
				t.Fatalf("rolled again with %v, %d files after %d", err, len(d.names), files)
			}
			if err := appendPack(j, 3); err != nil {
				t.Fatal(err)
			}
			d.powerCut()
			if got := replayed(t, simJournal(d)); len(got) != 3 {
				t.Fatalf("after: %v, restart: %v: replayed %v", after, restart, got)
			}
		}
	}
}

// TestJournalOfAnEarlierVersion: volumes without a start number, of which the ledger
// knows nothing, are taken once, and known from then on.
func TestJournalOfAnEarlierVersion(t *testing.T) {
	d := newSimDisk(1)
	own := d.ledger
	d.ledger = nil
	old := newJournal(Config{ClusterID: "c", Broker: 1, VolumeBytes: 64 << 10, ReserveBytes: 1000}, d)
	replayed(t, old)
	if err := errors.Join(appendPack(old, 1), appendPack(old, 2)); err != nil {
		t.Fatal(err)
	}
	d.ledger = own
	d.ledger.Memory.Start = 7
	j := simJournal(d)
	if got := replayed(t, j); len(got) != 2 {
		t.Fatalf("replayed %v", got)
	}
	open := j.Volumes()[len(j.Volumes())-1]
	if got := d.ledger.Memory.Newest; got.ID != open.ID || got.Nonce != open.Nonce || got.Start != 8 {
		t.Fatalf("remembered %+v, open is %+v", got, open)
	}
	d.replace(map[string]*inode{})
	refused(t, d, journal.ErrLost)
}

// TestFolderIsSynced: the journal's name in the data folder is durable before anything
// in the journal counts, also when the folder was there already.
func TestFolderIsSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	for range 2 {
		var synced []string
		err := makeFolder(dir, func(dir string) error {
			synced = append(synced, dir)
			return nil
		})
		if err != nil || !slices.Equal(synced, []string{filepath.Dir(dir)}) {
			t.Fatalf("synced %v, %v", synced, err)
		}
		if _, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeFolder(dir, func(string) error { return errInjected }); !errors.Is(err, errInjected) {
		t.Errorf("a sync that failed: %v", err)
	}
	j, err := Open(Config{Dir: dir, Ledger: &journaltest.Ledger{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(bg); err != nil {
		t.Fatal(err)
	}
}
