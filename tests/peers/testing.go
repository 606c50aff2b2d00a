package peers

import (
	"context"
	"os"
	"testing"
	"time"
)

// StartTimeout bounds how long a broker may take to serve, with room for a loaded
// machine. How quick a start is, is for benchmarks to say.
const StartTimeout = 90 * time.Second

// Start makes and starts a broker for a test, in a folder of its own unless the options
// name one, and ends it with the test. When the test failed the folder is kept and its
// name reported.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	b := Prepare(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), StartTimeout)
	defer cancel()
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// Prepare is Start without the start.
func Prepare(t testing.TB, o Options) *Broker {
	t.Helper()
	if o.Dir == "" {
		o.Dir = Folder(t)
	}
	b, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if races, err := b.Races(); err != nil || races != "" {
			t.Errorf("data race in the broker: %v %s", err, races)
		}
		if t.Failed() {
			t.Logf("end of %s:\n%s", b.LogPath(), b.LogTail(3000))
		}
	})
	return b
}

// Folder is t.TempDir, except that a failed test keeps it.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamhouse-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept for a look: %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Main runs a test package and removes what this package built for it.
func Main(m *testing.M) int {
	code := m.Run()
	if err := Cleanup(); err != nil {
		println(err.Error())
		return 1
	}
	return code
}

// Context is t's context with a bound.
func Context(t testing.TB, bound time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}
