package main

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/wire"
)

func TestOnlyTheOwnerOfAPortIsMeasured(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if err := ownsPort(os.Getpid(), port); err != nil {
		t.Errorf("the owner is refused: %v", err)
	}
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	if err := ownsPort(other.Process.Pid, port); err == nil {
		t.Error("a process that does not listen passes as the port's owner")
	}
}

func TestUsageCountsOwnWork(t *testing.T) {
	before, err := readUsage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
	}
	after, err := readUsage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if worked := after.user + after.system - before.user - before.system; worked <= 0 || worked > 60 {
		t.Errorf("100 ms of work count as %v s", worked)
	}
	if after.peak < 1<<20 {
		t.Errorf("peak memory %d bytes", after.peak)
	}
}

func TestEndOfLastWholeBatch(t *testing.T) {
	first := wire.Batch(0, []byte("a"), []byte("b"))
	second := wire.Batch(0, []byte("c"))
	second[7] = 2 // base offset
	both := slices.Concat(first, second)
	for _, c := range []struct {
		bytes []byte
		want  int64
	}{{nil, 0}, {first, 2}, {both, 3}, {both[:len(both)-1], 2}, {first[:30], 0}} {
		if got := endOf(c.bytes); got != c.want {
			t.Errorf("end of %d bytes: %d, want %d", len(c.bytes), got, c.want)
		}
	}
}

func TestServedPartitionsGoBehindTheOthers(t *testing.T) {
	got := rotate([]int32{1, 2, 3, 4}, map[int32]state{1: some, 3: finished})
	if !slices.Equal(got, []int32{2, 4, 1}) {
		t.Errorf("order %v", got)
	}
}

func TestMedian(t *testing.T) {
	results := []result{{p50: 9}, {p50: 1}, {p50: 2}}
	if m := median(results, p50); m != 2 {
		t.Errorf("median of 9, 1, 2 is %v", m)
	}
	if m := median(results[:2], p50); m != 5 {
		t.Errorf("median of 9, 1 is %v", m)
	}
}

func TestEveryShapeFitsKafkasLimits(t *testing.T) {
	const maxBatch, maxRequest = 1048588, 100 << 20
	for name, s := range shapes() {
		req, payload := s.request("t")
		total := 0
		for _, p := range req.Topics[0].Partitions {
			total += len(p.Records)
			if len(p.Records) > maxBatch {
				t.Errorf("%s: batch of %d bytes", name, len(p.Records))
			}
		}
		if total > maxRequest || payload <= 0 || int64(total) < payload {
			t.Errorf("%s: request of %d bytes with %d of payload", name, total, payload)
		}
	}
}
