package server

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDivideDescriptors(t *testing.T) {
	for _, limit := range []int{descriptorsMin, 120, 1024, 4096, 1 << 20} {
		d, err := divide(limit)
		if err != nil {
			t.Fatal(limit, err)
		}
		own := limit - d.connections
		// 40 are for what is not divided; a bucket is local or remote.
		if used := 40 + d.http + max(d.segments, d.requests.Reads+d.requests.Writes); d.connections < 16 || used > own {
			t.Errorf("%d: %+v: %d are needed of %d", limit, d, used, own)
		}
	}
	if _, err := divide(descriptorsMin - 1); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Error(err)
	}
}

// With 250 idle clients and 120 descriptors produce and rolls go on: connections beyond
// their share are refused, with a line.
func TestDescriptorsForOwnFiles(t *testing.T) {
	const child = "STREAMHOUSE_TEST_DESCRIPTORS"
	if dir := os.Getenv(child); dir != "" {
		serveWithFewDescriptors(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDescriptorsForOwnFiles$")
	cmd.Env = append(os.Environ(), child+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	addr, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for range 250 {
		c, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	fmt.Fprintln(in)
	var said []string
	for {
		line, err := lines.ReadString('\n')
		said = append(said, line)
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, strings.Join(said, ""))
	}
}

// serveWithFewDescriptors runs in a process of its own.
func serveWithFewDescriptors(t *testing.T, dir string) {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 120, Max: 120}); err != nil {
		t.Fatal(err)
	}
	l := begin(t, Seams{}, dir, nil).serving()
	fmt.Println(l.network.Addr(0))
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	most := l.files.connections
	l.until("its share of connections is taken", func() bool { return l.network.Connections() >= most })
	for range 3 {
		l.stored("t")
		volumes := l.stores.journal.Volumes()
		l.log.RequestRoll()
		l.until("a new volume", func() bool {
			now := l.stores.journal.Volumes()
			return now[len(now)-1].ID > volumes[len(volumes)-1].ID
		})
	}
	l.stored("t")
	if n := l.network.Connections(); n != most {
		t.Errorf("%d connections, there are descriptors for %d", n, most)
	}
	if refused := l.logs.FilterMessage("connection refused").FilterFieldKey("limit"); refused.Len() != 1 {
		t.Errorf("%d lines about what was refused", refused.Len())
	}
}
