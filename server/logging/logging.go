// Package logging makes the broker's logger.
package logging

import (
	"fmt"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Options are the settings log.level and log.format.
type Options struct {
	Level  string // debug, info, warn, error
	Format string // console or json
}

// New makes a logger that writes to standard error. It is quiet by default: a
// broker that works says when it started, what it repaired and when it stopped. Its
// levels can be changed, see Adjustable.
func New(o Options) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(o.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	var encoder zapcore.Encoder
	switch o.Format {
	case "json":
		encoder = zapcore.NewJSONEncoder(enc)
	case "console":
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	default:
		return nil, fmt.Errorf("log.format: %q is neither console nor json", o.Format)
	}
	// The core writes everything: what is wanted is decided in front of it, by logger.
	core := zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), zapcore.DebugLevel)
	l, _ := adjustable(zap.New(core, zap.AddStacktrace(zapcore.DPanicLevel)), level)
	return l, nil
}
