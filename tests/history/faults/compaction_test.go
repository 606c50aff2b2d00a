package faults

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// compacted waits for compactions of the broker as it runs now, which may have started a
// moment ago: what the end of a load left is due then.
func compacted(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		runs, err := metric(addr, "streamhouse_compactions_total")
		if err == nil && runs > 0 {
			removed, err := metric(addr, "streamhouse_compaction_removed_records_total")
			t.Logf("%.0f compactions since the last start took out %.0f records (%v)", runs, removed, err)
			return
		}
		if time.Now().After(end) {
			t.Errorf("%.0f compactions a minute after the load: %v", runs, err)
			return
		}
	}
}

// metric reads a counter, summed over its labels.
func metric(addr, name string) (sum float64, err error) {
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		full, number, ok := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(full, "{"); !ok || base != name {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}
