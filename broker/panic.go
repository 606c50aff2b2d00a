package broker

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"go.uber.org/zap"
)

// What happens to a panic (docs/decisions/0008-panics.md): it costs its connection if
// nothing but the connection can be harmed, and else the process. A panic below a call of
// the log leaves a mutex locked, or an offset given and not used: a broker that went on
// would be a quiet one, alive to whoever asks, and dead to clients.

// private are the folders of the module, with all below them, whose code works on what
// one connection owns. Every other package is taken to hold what connections share, so a
// new one is on the safe side.
var private = []string{"broker", "config", "protocol"}

// shared are, by folder, the types in private ones that connections share, or share with
// the committer. TestEveryLockIsKnown holds the list against the code.
var shared = map[string][]string{
	"broker":           {"Server", "admission", "complaints"},
	"broker/wire":      {"Budget", "lane", "Account", "Outbox"},
	"broker/api/fetch": {"Sessions"},
}

// contain keeps a panic to its connection, or ends the process.
func (c *conn) contain() {
	v := recover()
	if v == nil {
		return
	}
	c.srv.metrics.panics.Inc()
	about := []zap.Field{zap.Any("panic", v), zap.String("client", c.ip), zap.ByteString("stack", debug.Stack())}
	if in := sharedFrame(callers()); in != "" {
		c.srv.logger.Error("the process ends: a panic in what connections share", append(about, zap.String("in", in))...)
		panic(v)
	}
	c.srv.logger.Error("panic while serving a connection", about...)
	c.close(fmt.Errorf("%w: %v", errPanic, v))
}

// callers are the functions on the stack, innermost first; in a deferred call those that
// panicked are among them.
func callers() []string {
	pcs := make([]uintptr, 64)
	for n := runtime.Callers(1, pcs); n == len(pcs); n = runtime.Callers(1, pcs) {
		pcs = make([]uintptr, 2*len(pcs))
	}
	var names []string
	for frames := runtime.CallersFrames(pcs); ; {
		f, more := frames.Next()
		names = append(names, f.Function)
		if !more {
			return names
		}
	}
}

// modulePath ends with a slash: that of every package but the root, which has no code.
var modulePath = strings.TrimSuffix(reflect.TypeFor[conn]().PkgPath(), "broker")

// sharedFrame returns the innermost function that works on what connections share, or "".
func sharedFrame(functions []string) string {
	for _, name := range functions {
		if inside, ok := strings.CutPrefix(name, modulePath); ok && isShared(inside) {
			return inside
		}
	}
	return ""
}

// isShared judges a function by its name without the module: "broker/wire.(*Budget).grant".
func isShared(function string) bool {
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return true
	}
	folder, rest := strings.TrimSuffix(function[:slash+dot], "_test"), function[slash+dot+1:]
	for _, t := range shared[folder] {
		if strings.HasPrefix(rest, "(*"+t+").") || strings.HasPrefix(rest, t+".") {
			return true
		}
	}
	for _, p := range private {
		if folder == p || strings.HasPrefix(folder, p+"/") {
			return false
		}
	}
	return true
}
