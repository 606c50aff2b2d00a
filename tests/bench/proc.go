package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of CPU times in /proc: USER_HZ, 100 on every Linux.
const ticksPerSecond = 100

// usage is what a process has used so far.
type usage struct {
	user, system float64 // seconds
	// written counts bytes that the process caused to be written to storage
	// (/proc/PID/io write_bytes: pages that it made dirty). Its wchar would count what
	// goes to sockets as well.
	written int64
	peak    int64 // largest resident memory so far, bytes
}

func readUsage(pid int) (usage, error) {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The name in parentheses may hold spaces; fields count from behind it.
	field := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.ParseFloat(field[11], 64)
	system, err2 := strconv.ParseFloat(field[12], 64)
	if err1 != nil || err2 != nil {
		return u, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	u.user, u.system = user/ticksPerSecond, system/ticksPerSecond
	if u.written, err = procNumber(pid, "io", "write_bytes:"); err != nil {
		return u, err
	}
	u.peak, err = procNumber(pid, "status", "VmHWM:")
	u.peak <<= 10
	return u, err
}

// procNumber reads a "name: number" line of a file in /proc/PID.
func procNumber(pid int, file, name string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/%s", pid, file)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

// ownsPort is an error unless the process itself listens on the port: a broker of
// somebody else's on that port would be measured otherwise.
func ownsPort(pid, port int) error {
	listening := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if err := listeners(table, port, listening); err != nil {
			return err
		}
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return err
	}
	for _, fd := range fds {
		// A descriptor may be closed while we look.
		if target, err := os.Readlink(fd); err == nil && listening[target] {
			return nil
		}
	}
	return fmt.Errorf("process %d does not listen on port %d (%d other listeners)", pid, port, len(listening))
}

// listeners adds the sockets that listen on port, in the form of /proc/PID/fd's links.
func listeners(table string, port int, found map[string]bool) error {
	f, err := os.Open(table)
	if os.IsNotExist(err) {
		return nil // a kernel without IPv6
	}
	if err != nil {
		return err
	}
	defer f.Close()
	const listen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		if len(field) > 9 && strings.HasSuffix(field[1], suffix) && field[3] == listen {
			found["socket:["+field[9]+"]"] = true
		}
	}
	return lines.Err()
}
