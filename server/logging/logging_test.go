package logging

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// output returns what is written to standard error while run runs.
func output(t *testing.T, o Options, run func(*zap.Logger)) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stderr
	os.Stderr = w
	logger, err := New(o)
	os.Stderr = old
	if err != nil {
		t.Fatal(err)
	}
	run(logger)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJSONLinesAtALevel(t *testing.T) {
	got := output(t, Options{Level: "warn", Format: "json"}, func(l *zap.Logger) {
		l.Info("not shown")
		l.Named("part").Warn("shown", zap.Int("n", 7))
	})
	var line struct {
		Level, Msg, Logger, TS string
		N                      int
	}
	if err := json.Unmarshal([]byte(got), &line); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if line.Level != "warn" || line.Msg != "shown" || line.Logger != "part" || line.N != 7 || !strings.HasPrefix(line.TS, "20") {
		t.Fatalf("got %q", got)
	}
}

func TestConsoleLines(t *testing.T) {
	got := output(t, Options{Level: "debug", Format: "console"}, func(l *zap.Logger) {
		l.Debug("first")
		l.Error("second")
	})
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "DEBUG\tfirst") || !strings.Contains(lines[1], "ERROR\tsecond") {
		t.Fatalf("got %q", got)
	}
}

func TestFaultsNameTheSetting(t *testing.T) {
	for want, o := range map[string]Options{
		"log.level":  {Level: "loud", Format: "json"},
		"log.format": {Level: "info", Format: "xml"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
