package server

import (
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/server/memory"
)

// cgroupSoft is the part of a control group's limit, in tenths, that becomes the limit of
// Go's memory when GOMEMLIMIT says none: the collector then works harder before the kernel
// ends the process.
const cgroupSoft = 9

// planMemory divides the memory there is, and says so.
func planMemory(logger *zap.Logger) memory.Plan {
	plan := memory.Here()
	if plan.Why == memory.ControlGroup {
		plan.Limit = plan.Limit / 10 * cgroupSoft
		debug.SetMemoryLimit(plan.Limit)
	}
	say := logger.Info
	if plan.Limit < memory.Least {
		say = logger.Warn
	}
	say("memory", zap.Int64("limit_bytes", plan.Limit), zap.String("from", plan.Why), zap.Int64("least_bytes", memory.Least))
	return plan
}

// shareOf is what a setting says, else the share of a row.
func shareOf(plan memory.Plan, b *config.Broker, setting, row string) int64 {
	if _, source, ok := b.Lookup(setting); ok && source != config.SourceDefault {
		return b.Int(setting)
	}
	return plan.Of(row)
}
