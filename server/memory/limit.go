package memory

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// Here divides what this process may use: GOMEMLIMIT, else the limit of its control group,
// else the machine's memory, else 4 GiB.
func Here() Plan { return find(debug.SetMemoryLimit(-1), os.ReadFile) }

// ControlGroup is Plan.Why for a limit that the kernel keeps.
const ControlGroup = "control group"

// unknown is the limit when nothing says it.
const unknown = 4 << 30

func find(goLimit int64, read func(string) ([]byte, error)) Plan {
	machine := kilobytes(read, "/proc/meminfo", "MemTotal:")
	switch group := group(read); {
	case goLimit != math.MaxInt64:
		return Plan{goLimit, "GOMEMLIMIT"}
	case group > 0 && (machine == 0 || group < machine):
		return Plan{group, ControlGroup}
	case machine > 0:
		return Plan{machine, "machine"}
	}
	return Plan{unknown, "unknown"}
}

// kilobytes finds a line of a file that begins with key, in bytes; 0: there is none.
func kilobytes(read func(string) ([]byte, error), path, key string) int64 {
	text, err := read(path)
	if err != nil {
		return 0 // another system
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), key); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// group is the smallest limit of the control groups that the process is in, of both
// versions, in bytes; 0: there is none.
func group(read func(string) ([]byte, error)) (most int64) {
	note := func(path string) {
		text, err := read(path)
		if err != nil {
			return
		}
		// "max" is no number, and version 1 says no limit with a huge one.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (most == 0 || n < most) {
			most = n
		}
	}
	mine, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(mine)); lines.Scan(); {
		at := strings.SplitN(lines.Text(), ":", 3)
		root, file := "/sys/fs/cgroup", "memory.max"
		switch {
		case len(at) != 3:
			continue
		case at[1] == "memory":
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case at[0] != "0":
			continue
		}
		// In a container the path may be the host's; the root is the container's then.
		for dir := filepath.Clean("/" + at[2]); ; dir = filepath.Dir(dir) {
			note(filepath.Join(root, dir, file))
			if dir == "/" {
				break
			}
		}
	}
	return most
}
