package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/server/memory"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// startStores opens what is below the log and replays the journal, as a start does.
func startStores(t *testing.T, set map[string]string, logger *zap.Logger) (*stores, error) {
	t.Helper()
	files, err := divide(1024)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStores(t.Context(), Seams{}.filled(), config.NewBroker(1, set), means{memory.Here(), files}, logger, prometheus.NewRegistry(), &progress{})
	if err != nil {
		return nil, err
	}
	err = s.journal.Replay(t.Context(), func(journal.Ref, *pack.Index) error { return nil })
	if err != nil {
		return nil, errors.Join(err, s.close(t.Context()))
	}
	return s, nil
}

// TestRefusedStartLeavesNoTrace: a wrong setting neither makes a folder nor counts as a
// start, and set back it is as before.
func TestRefusedStartLeavesNoTrace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	right := map[string]string{"data.dir": dir}
	begin := func(set map[string]string) (int32, error) {
		s, err := startStores(t, set, zap.NewNop())
		if err != nil {
			return 0, err
		}
		return s.start.Epoch, s.close(t.Context())
	}
	first, err := begin(right)
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]map[string]string{
		"another bucket":  {"data.dir": dir, "bucket.url": elsewhere},
		"another journal": {"data.dir": dir, "journal.kind": "object"},
	} {
		if _, err := begin(wrong); !errors.Is(err, errMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(elsewhere); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the wrong bucket: %v", err)
	}
	moved := filepath.Join(dir, "bucket.moved")
	if err := os.Rename(filepath.Join(dir, "bucket"), moved); err != nil {
		t.Fatal(err)
	}
	if _, err := begin(right); !errors.Is(err, errMismatch) {
		t.Errorf("an empty bucket: %v", err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "bucket")), os.Rename(moved, filepath.Join(dir, "bucket"))); err != nil {
		t.Fatal(err)
	}
	again, err := begin(right)
	if err != nil {
		t.Fatal(err)
	}
	if again != first+1 {
		t.Errorf("start %d follows start %d: what was refused was counted", again, first)
	}
}
