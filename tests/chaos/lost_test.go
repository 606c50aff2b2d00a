package chaos

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// kept is a data folder after two lives of a broker, with a copy of what each of its
// parts was after the first.
type kept struct {
	*peers.Broker
	t     *testing.T
	older string // folder of the copy
}

func twoLives(t *testing.T) kept {
	t.Helper()
	k := kept{ours(t, nil), t, t.TempDir()}
	for life := range 3 {
		start(t, k.Broker)
		p := newProbe(t, k.Broker)
		if life == 0 {
			p.createTopic("t", 1)
		}
		p.mustSend("t", value("early", int64(life), 100))
		kill(t, k.Broker)
		if life == 0 {
			k.must(os.CopyFS(k.older, os.DirFS(k.Data())))
		}
	}
	return k
}

func (k kept) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// restore puts a file or folder of the copy in the place of the present one.
func (k kept) restore(name string) {
	k.t.Helper()
	k.must(os.RemoveAll(filepath.Join(k.Data(), name)))
	k.must(os.Rename(filepath.Join(k.older, name), filepath.Join(k.Data(), name)))
}

var acceptedBy = regexp.MustCompile(`journal\.loss\.accepted=(\d+)`)

// A journal that was removed, is an older copy or lacks its newest volume is refused
// with its folder's name. Once the loss is accepted, what is acknowledged from then on
// is as safe as ever: it outlives its seal and a restart.
func TestLostJournalIsRefused(t *testing.T) {
	for name, lose := range map[string]func(k kept){
		"removed":               func(k kept) { k.must(os.RemoveAll(filepath.Join(k.Data(), "journal"))) },
		"older copy":            func(k kept) { k.restore("journal") },
		"newest volume missing": func(k kept) { k.must(os.Remove(lastVolume(k.t, k.Broker))) },
	} {
		t.Run(name, func(t *testing.T) {
			k := twoLives(t)
			lose(k)
			text := refused(t, k.Broker)
			number := acceptedBy.FindStringSubmatch(text)
			if number == nil || !strings.Contains(text, filepath.Join(k.Data(), "journal")) {
				t.Fatalf("the refusal names neither folder nor setting:\n%s", text)
			}
			b := peers.Prepare(t, peers.Options{Kind: peers.StreamHouse, DataDir: k.Data(), Settings: map[string]string{
				"journal.loss.accepted": number[1],
			}})
			start(t, b)
			p := newProbe(t, b)
			first := p.mustSend("t", value("late", 0, 100))
			for i := int64(1); i < 100; i++ {
				if at := p.mustSend("t", value("late", i, 100)); at != first+i {
					t.Fatalf("record %d got offset %d after %d", i, at, first)
				}
			}
			k.must(b.Stop()) // which seals
			if volumes, _ := filepath.Glob(filepath.Join(k.Data(), "journal", "*.volume")); len(volumes) != 1 {
				t.Errorf("not sealed: %v", volumes)
			}
			start(t, b)
			p = newProbe(t, b)
			got, end, err := p.fetch("t", first, 1<<20)
			if err != nil || end != first+100 {
				t.Fatalf("the log ends at %d, want %d (%v)", end, first+100, err)
			}
			for i := range int64(100) {
				if !bytes.Contains(got, value("late", i, 100)) {
					t.Errorf("record %d of those acknowledged afterwards is lost", i)
				}
			}
		})
	}
}

// A metadata.db that is two starts old, with nothing sealed since, is refused however
// often it is tried.
func TestOldMetadataIsRefused(t *testing.T) {
	k := twoLives(t)
	for _, name := range []string{"metadata.db-wal", "metadata.db-shm"} {
		if err := os.Remove(filepath.Join(k.Data(), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"metadata.db", "metadata.db-wal"} {
		k.restore(name)
	}
	for range 4 {
		if text := refused(t, k.Broker); !strings.Contains(text, "metadata store") {
			t.Fatalf("refused, but not for its age:\n%s", text)
		}
	}
}
