package logging

import (
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// written returns which levels a logger writes at.
func written(l *zap.Logger, seen *observer.ObservedLogs) []string {
	l.Debug("")
	l.Info("")
	l.Warn("")
	l.Error("")
	var out []string
	for _, e := range seen.TakeAll() {
		out = append(out, e.Level.String())
	}
	return out
}

func TestLevels(t *testing.T) {
	core, seen := observer.New(zapcore.DebugLevel)
	root, levels := Adjustable(zap.New(core))
	levels.Set(Root, "INFO")
	levels.Name("log", "broker", "log")
	if got := levels.Names(); !slices.Equal(got, []string{"root", "broker", "log"}) {
		t.Errorf("%v", got)
	}
	log, below, broker := root.Named("log"), root.Named("log").Named("deep").With(zap.Int("a", 1)), root.Named("broker")
	expect := func(l *zap.Logger, want ...string) {
		t.Helper()
		if got := written(l, seen); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	expect(log, "info", "warn", "error")
	levels.Set("log", "DEBUG")
	expect(log, "debug", "info", "warn", "error")
	expect(below, "debug", "info", "warn", "error")
	expect(broker, "info", "warn", "error")
	if levels.Level("log") != "DEBUG" || levels.Level("log.deep") != "DEBUG" || levels.Level("broker") != "INFO" {
		t.Error(levels.Level("log"), levels.Level("log.deep"), levels.Level("broker"))
	}
	levels.Set(Root, "FATAL")
	expect(broker)
	expect(below, "debug", "info", "warn", "error")
	levels.Unset("log")
	expect(log)
	levels.Set("broker", "TRACE")
	if levels.Level("broker") != "TRACE" {
		t.Error(levels.Level("broker"))
	}
	expect(broker, "debug", "info", "warn", "error")
	levels.Set("broker", "WARN")
	expect(broker, "warn", "error")
}

// The settings' own level is the root's first one, and can be lowered afterwards.
func TestNewIsAdjustable(t *testing.T) {
	made, err := New(Options{Level: "warn", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	l, levels := Adjustable(made)
	if levels.Level(Root) != "WARN" || l.Core().Enabled(zapcore.InfoLevel) {
		t.Errorf("%s", levels.Level(Root))
	}
	levels.Set(Root, "DEBUG")
	if !l.Core().Enabled(zapcore.DebugLevel) || l.Check(zapcore.DebugLevel, "") == nil {
		t.Error("the level did not change")
	}
}
