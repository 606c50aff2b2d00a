package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/server/settings"
)

// TestKafkasFolderIsLeftAlone: neither as data folder nor as bucket is a folder of Apache
// Kafka's touched.
func TestKafkasFolderIsLeftAlone(t *testing.T) {
	kafka := t.TempDir()
	if err := os.WriteFile(filepath.Join(kafka, "meta.properties"), []byte("version=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"data folder": {"--log.dirs", kafka},
		"bucket":      {"--data", t.TempDir(), "--bucket", "file://" + kafka},
	} {
		set, err := settings.Load(append(args, "--listen", "127.0.0.1:0", "--http", ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = Run(t.Context(), set, zap.NewNop(), func() { t.Error("it serves") })
		if !errors.Is(err, errKafkas) {
			t.Errorf("%s: %v", name, err)
		}
		if entries, err := os.ReadDir(kafka); err != nil || len(entries) != 1 {
			t.Errorf("%s: the folder now has %v, %v", name, entries, err)
		}
	}
}
