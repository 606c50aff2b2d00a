package memory

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
)

// TestSharesFit: whatever the limit, all bounds together are less.
func TestSharesFit(t *testing.T) {
	for _, limit := range []int64{Least, 400 << 20, 1 << 30, 4 << 30, 64 << 30, 1 << 40} {
		sum := int64(Fixed)
		for _, s := range Shares {
			sum += Plan{Limit: limit}.Of(s.Name)
		}
		if sum >= limit {
			t.Errorf("of %d MiB %d are given out", limit>>20, sum>>20)
		}
	}
	if n := (Plan{Limit: 400 << 20}).Of("request.memory.bytes"); n != 400<<20/1000*85 {
		t.Errorf("%d bytes for requests", n)
	}
}

// TestDocs: the table of docs/sizing.md is this one.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Shares {
		name := s.Name
		if strings.Contains(name, ".") {
			name = "`" + name + "`"
		}
		if row := fmt.Sprintf("| %s | %.1f %% | %d MiB | %s |\n", name, float64(s.PerMille)/10, s.Most>>20, s.What); !strings.Contains(string(text), row) {
			t.Errorf("docs/sizing.md lacks the row\n%s", row)
		}
	}
}

func TestLimit(t *testing.T) {
	files := map[string]string{}
	read := func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	check := func(name string, goLimit, want int64, why string) {
		t.Helper()
		if p := find(goLimit, read); p.Limit != want || p.Why != why {
			t.Errorf("%s: %+v", name, p)
		}
	}
	check("nothing is known", math.MaxInt64, unknown, "unknown")
	files["/proc/meminfo"] = "MemFree:  1 kB\nMemTotal:       8388608 kB\n"
	check("a machine", math.MaxInt64, 8<<30, "machine")
	files["/proc/self/cgroup"] = "0::/kubepods/pod1\n"
	files["/sys/fs/cgroup/kubepods/pod1/memory.max"] = "max\n"
	check("no limit", math.MaxInt64, 8<<30, "machine")
	files["/sys/fs/cgroup/kubepods/memory.max"] = "1073741824\n"
	check("the limit of an outer group", math.MaxInt64, 1<<30, "control group")
	files["/sys/fs/cgroup/memory.max"] = "536870912\n"
	check("a container's root", math.MaxInt64, 512<<20, "control group")
	check("GOMEMLIMIT", 400<<20, 400<<20, "GOMEMLIMIT")
	files["/proc/self/cgroup"] = "5:memory:/x\n4:cpu:/x\n"
	files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n"
	check("version 1, no limit", math.MaxInt64, 8<<30, "machine")
	files["/sys/fs/cgroup/memory/x/memory.limit_in_bytes"] = "2147483648\n"
	check("version 1", math.MaxInt64, 2<<30, "control group")
}

// TestGiveBack: what a burst left is given back once the heap is idle, and not again and
// again.
func TestGiveBack(t *testing.T) {
	const mib = 1 << 20
	var w watch
	w.done(usage{50 * mib, 3})
	for i, c := range []struct {
		now  usage
		want bool
	}{
		{usage{60 * mib, 3}, false},  // little
		{usage{300 * mib, 9}, false}, // at work
		{usage{300 * mib, 9}, true},
		{usage{300 * mib, 10}, false},
	} {
		if got := w.due(c.now); got != c.want {
			t.Errorf("look %d: %v", i, got)
		}
	}
	w.done(usage{200 * mib, 11}) // so much is in use
	if w.due(usage{201 * mib, 11}) || !w.due(usage{233 * mib, 11}) {
		t.Error("after it was given back")
	}
	if u := read(); u.resident == 0 {
		t.Error("nothing is measured")
	}
}
