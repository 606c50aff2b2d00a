package httpd

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
	if code, _ := get("/health/ready"); code != 200 {
		t.Errorf("ready: %d", code)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "streamhouse_test_total 1") {
		t.Errorf("metrics: %d %q", code, body)
	}
	if code, _ := get("/"); code != 404 {
		t.Errorf("unknown path: %d", code)
	}
}
