package peers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Which memory MemoryMiB reads: what is resident, and the most that was.
const (
	Resident     = "VmRSS"
	ResidentMost = "VmHWM"
)

// MemoryMiB is the memory of the broker's process, as Linux tells it.
func (b *Broker) MemoryMiB(t testing.TB, which string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, which+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatalf("no %s", which)
	return 0
}
