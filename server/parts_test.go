package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/server/logging"
)

// Every logger that is made here can be named, and no other.
func TestLoggerNames(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\.Named\("([^"]+)"\)`)
	var found []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			found = append(found, m[1])
		}
	}
	n := &node{}
	var known []string
	for _, p := range append(n.list(nil), n.door()) {
		known = append(known, p.loggers...)
	}
	slices.Sort(found)
	slices.Sort(known)
	if found = slices.Compact(found); !slices.Equal(found, known) {
		t.Errorf("loggers are named %v, and known as %v", found, known)
	}
}

func runningHere(t *testing.T) (*running, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	logger, levels := logging.Adjustable(zap.New(core))
	return newRunning(t.Context(), logger, levels), logs
}

// Parts stop in reverse order, each when those that use it have gone; what one says at
// its end is heard.
func TestPartsStopInReverse(t *testing.T) {
	r, _ := runningHere(t)
	var order []string
	late := errors.New("late")
	p := func(name string, err error) part {
		return part{name: name, run: func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name) // one after the other, or the race detector says so
			return err
		}}
	}
	r.start(p("a", nil), part{name: "b", ready: func() error { return nil }}, p("c", late), p("d", nil))
	if len(r.checks()) != 1 {
		t.Errorf("%d checks", len(r.checks()))
	}
	err := r.stop(t.Context())
	if !slices.Equal(order, []string{"d", "c", "a"}) || !errors.Is(err, late) || !strings.HasPrefix(err.Error(), "c: ") {
		t.Errorf("%v, %v", order, err)
	}
}

// A part that ends by itself stops all.
func TestPartThatEnds(t *testing.T) {
	r, logs := runningHere(t)
	r.start(part{name: "a", run: func(context.Context) error { return nil }})
	r.wait(context.Background())
	if err := r.stop(t.Context()); err == nil || err.Error() != "a: ended by itself" {
		t.Error(err)
	}
	if logs.FilterMessage("stopping, since a part of the broker failed").Len() != 1 {
		t.Error(logs.All())
	}
}

// What does not end is named, and what it uses goes on.
func TestPartThatDoesNotEnd(t *testing.T) {
	r, _ := runningHere(t)
	release := make(chan struct{})
	defer close(release)
	below := make(chan struct{})
	r.start(
		part{name: "below", run: func(ctx context.Context) error { <-ctx.Done(); close(below); return nil }},
		part{name: "stuck", run: func(context.Context) error { <-release; return nil }})
	bound, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := r.stop(bound); !errors.Is(err, ErrCutOff) || !strings.Contains(err.Error(), "stuck") {
		t.Error(err)
	}
	select {
	case <-below:
		t.Error("stopped under a part that uses it")
	default:
	}
}

// A start that fails does not say that the broker is ready, and closes what it opened.
func TestDoorThatIsTaken(t *testing.T) {
	dir := t.TempDir()
	first := begin(t, Seams{}, dir, nil).serving()
	second := begin(t, Seams{}, t.TempDir(), map[string]string{"http": first.http.Addr().String()})
	if err := second.failed(); err == nil || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("it ended with %v", err)
	}
	third := begin(t, Seams{}, t.TempDir(), map[string]string{"listen": first.network.Addr(0).String()})
	if err := third.failed(); err == nil || !strings.Contains(err.Error(), "listener PLAINTEXT") {
		t.Errorf("it ended with %v", err)
	}
	for _, l := range []*life{second, third} {
		if said := l.logs.FilterMessage("broker is ready"); said.Len() > 0 {
			t.Error("a start that failed said that the broker is ready")
		}
	}
	if err := first.end(); err != nil {
		t.Error(err)
	}
	begin(t, Seams{}, dir, nil).serving()
}
