package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func TestRoutes(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "streamhouse_test_total", Help: "A test."})
	reg.MustRegister(c)
	c.Inc()
	var notReady error = errors.New("listeners are not open")
	s := httptest.NewServer(New(Config{
		Gatherer: reg, Logger: zap.NewNop(),
		Ready: func() []Check { return []Check{{"broker", func() error { return notReady }}} },
		Notes: func() []string { return []string{"log: not all is well"} },
	}).Handler())
	defer s.Close()
	get := func(path string) (int, string) {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get("/health/live"); code != 200 || body != "alive\n" {
		t.Errorf("live: %d %q", code, body)
	}
	if code, body := get("/health/ready"); code != 503 || !strings.Contains(body, "broker: listeners are not open") {
		t.Errorf("not ready: %d %q", code, body)
	}
	notReady = nil
	if code, body := get("/health/ready"); code != 200 || body != "ready\nlog: not all is well\n" {
		t.Errorf("ready: %d %q", code, body)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "streamhouse_test_total 1") {
		t.Errorf("metrics: %d %q", code, body)
	}
	if code, _ := get("/"); code != 404 {
		t.Errorf("unknown path: %d", code)
	}
}

// What a handler asks is shared by all: its panic ends the process.
func TestPanicEndsTheProcess(t *testing.T) {
	const child = "STREAMHOUSE_TEST_PANIC"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPanicEndsTheProcess$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: mad") {
			t.Fatalf("%v:\n%s", err, out)
		}
		return
	}
	s := New(Config{
		Address: "127.0.0.1:0", Gatherer: prometheus.NewRegistry(), Logger: zap.NewNop(),
		Ready: func() []Check { return []Check{{"mad", func() error { panic("mad") }}} },
	})
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Run(ctx) }()
	resp, err := http.Get("http://" + s.Addr().String() + "/health/ready")
	if err == nil {
		resp.Body.Close()
	}
	cancel()
	<-served
}
