package peers

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var kind = flag.String("broker", string(StreamHouse), "which broker to start: streamhouse or kafka")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(Main(m))
}

func TestBrokerStartsStopsAndStartsAgainOnItsAddress(t *testing.T) {
	b := Start(t, Options{Kind: Kind(*kind)})
	addr := b.Addr()
	if err := b.Restart(Context(t, StartTimeout)); err != nil {
		t.Fatal(err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := serves(addr); err == nil {
		t.Fatal("a killed broker answers")
	}
	if err := b.Start(Context(t, StartTimeout)); err != nil {
		t.Fatal(err)
	}
	if b.Addr() != addr {
		t.Fatalf("moved from %s to %s", addr, b.Addr())
	}
}

func TestInstallHappensOnceAndOnlyWhole(t *testing.T) {
	t.Setenv("TEST_CACHE_DIR", t.TempDir())
	broken := errors.New("half way")
	fills := 0
	fill := func(dir string) error {
		fills++
		if err := os.WriteFile(filepath.Join(dir, "part"), []byte("x"), 0o644); err != nil {
			return err
		}
		if fills == 1 {
			return broken
		}
		return nil
	}
	if _, err := install("thing", fill); !errors.Is(err, broken) {
		t.Fatalf("error of a failed installation: %v", err)
	}
	for range 2 {
		dir, err := install("thing", fill)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "part")); err != nil {
			t.Fatal(err)
		}
	}
	if fills != 2 {
		t.Fatalf("filled %d times, want one failure and one success", fills)
	}
}

func TestFailedCommandIsReportedWithItsOutput(t *testing.T) {
	_, err := Command{Path: "sh", Args: []string{"-c", "echo to-out; echo to-err >&2; exit 3"}}.Run(Context(t, 10*time.Second), "")
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"to-out", "to-err", "exit status 3", "sh -c"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error lacks %q: %v", part, err)
		}
	}
}

// What another process would do to get the same ports has to fail.
func TestPortsBelongToOneProcess(t *testing.T) {
	ports, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	first, err := block()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		if p < first || p >= first+portsBlock {
			t.Errorf("port %d is not of the block from %d", p, first)
		}
	}
	again, err := os.Open(held.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := unix.Flock(int(again.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("the block of ports can be taken again: %v", err)
	}
}
