// Package peers brings the real programs that tests hold the broker against: Apache
// Kafka and its tools, librdkafka's Python client, kafkajs. It installs them by package
// name into a cache folder outside the tree, finds them again, and starts and stops
// brokers, theirs and ours, behind one type, so that a test can be run against either.
//
// A part that cannot be installed is an error that carries the command and what it
// printed. Tests pass that on as a failure: a skipped comparison is a green lie.
package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Versions of the parts. The tools of 4.4.0 are not published; those of 4.3.1 work with
// a 4.4.0 broker.
const (
	KafkaVersion      = "4.4.0"
	KafkaToolsVersion = "4.3.1"
	DebeziumVersion   = "3.7.0.Final"
	log4jVersion      = "2.24.3"
)

// CacheDir is where the parts are installed: $TEST_CACHE_DIR, or
// streamhouse-tests in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("TEST_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for the tests' real parts: %w", err)
	}
	return filepath.Join(base, "streamhouse-tests"), nil
}

// install returns the cache folder name, made by fill if it is not there. fill works in
// a temporary folder that takes its final name only when it is complete; a file lock
// keeps test processes from installing the same part twice at a time.
func install(name string, fill func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	work := final + ".part"
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", err
	}
	if err := fill(work); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	return final, os.Rename(work, final)
}

func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// run executes a command and returns what it printed. An error names the command and
// repeats its output, so that a report needs no second run.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// ErrMissing is wrapped by errors about a system program that is not there and could
// not be installed.
var ErrMissing = errors.New("missing system program")
