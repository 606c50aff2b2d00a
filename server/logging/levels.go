package logging

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Root is the name of the logger from which all others take their level.
const Root = "root"

// The names of levels are Kafka's. There are no traces: TRACE shows what DEBUG does, and
// FATAL leaves errors out.
var zapLevels = map[string]zapcore.Level{
	"TRACE": zapcore.DebugLevel, "DEBUG": zapcore.DebugLevel, "INFO": zapcore.InfoLevel,
	"WARN": zapcore.WarnLevel, "ERROR": zapcore.ErrorLevel, "FATAL": zapcore.DPanicLevel,
}

// LevelNames returns the levels that a logger can have, by name.
func (l *Levels) LevelNames() []string { return slices.Sorted(maps.Keys(zapLevels)) }

// Levels has the level of each logger. They can be changed at any time, from any
// goroutine, and are forgotten when the process ends.
type Levels struct {
	mu    sync.RWMutex
	root  string
	own   map[string]string // of loggers that have one
	names []string          // all loggers but the root, sorted

	lowest atomic.Int32 // a zapcore.Level; nothing below it is wanted by any logger
}

// newLevels starts with the root at a level of zap's, from debug to error.
func newLevels(root zapcore.Level) *Levels {
	l := &Levels{root: strings.ToUpper(root.String()), own: make(map[string]string)}
	l.changed()
	return l
}

// changed finds the lowest level. The caller holds mu or is alone.
func (l *Levels) changed() {
	lowest := zapLevels[l.root]
	for _, level := range l.own {
		lowest = min(lowest, zapLevels[level])
	}
	l.lowest.Store(int32(lowest))
}

// Name makes the names of loggers known; others have no level that can be changed.
func (l *Levels) Name(names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(l.names), names...))))
}

// Names returns all loggers, the root first.
func (l *Levels) Names() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return append([]string{Root}, l.names...)
}

// Level returns the level in force of a logger, which is its own or that of the nearest
// one above it: "a.b" is below "a", and every logger is below the root.
func (l *Levels) Level(name string) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.level(name)
}

func (l *Levels) level(name string) string {
	for name != "" {
		if level, ok := l.own[name]; ok {
			return level
		}
		dot := strings.LastIndexByte(name, '.')
		name = name[:max(dot, 0)]
	}
	return l.root
}

// Set gives a known logger a level of LevelNames. It is a mistake of the caller to name
// another logger or level.
func (l *Levels) Set(name, level string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if name == Root {
		l.root = level
	} else {
		l.own[name] = level
	}
	l.changed()
}

// Unset makes a logger other than the root take its level from above again.
func (l *Levels) Unset(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.own, name)
	l.changed()
}

// leveled is a core that asks Levels what to write.
type leveled struct {
	zapcore.Core
	levels *Levels
}

func (c leveled) Enabled(level zapcore.Level) bool {
	return level >= zapcore.Level(c.levels.lowest.Load())
}

func (c leveled) With(fields []zapcore.Field) zapcore.Core {
	return leveled{c.Core.With(fields), c.levels}
}

func (c leveled) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) || e.Level < zapLevels[c.levels.Level(e.LoggerName)] {
		return to
	}
	return to.AddCore(e, c.Core)
}

// Adjustable returns a logger that writes what the levels allow, and the levels. One
// that New made is that already; any other begins with its own level, and what it leaves
// out cannot be had.
func Adjustable(l *zap.Logger) (*zap.Logger, *Levels) {
	if core, ok := l.Core().(leveled); ok {
		return l, core.levels
	}
	return adjustable(l, min(max(l.Level(), zapcore.DebugLevel), zapcore.ErrorLevel))
}

func adjustable(l *zap.Logger, root zapcore.Level) (*zap.Logger, *Levels) {
	levels := newLevels(root)
	return l.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return leveled{core, levels} })), levels
}
