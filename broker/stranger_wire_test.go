package broker_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
)

// TestStrangers: who speaks TLS or HTTP to a Kafka port is told apart from garbage, once
// for many, and a browser shows what port this is.
func TestStrangers(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	b := apitest.Start(t, apitest.Options{Logger: zap.New(core)})
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 3 {
		resp, err := client.Get("http://" + b.Addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "Kafka's protocol") {
			t.Errorf("HTTP is answered %d %q, %v", resp.StatusCode, text, err)
		}
		if c, err := tls.Dial("tcp", b.Addr, &tls.Config{InsecureSkipVerify: true}); err == nil {
			c.Close()
			t.Error("a TLS handshake succeeded")
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for logs.Len() < 2 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	for kind, hint := range map[string]string{"connection closed: speaks TLS": "security.protocol=PLAINTEXT", "connection closed: speaks HTTP": "http.listen"} {
		lines := logs.FilterMessage(kind).All()
		if len(lines) != 1 {
			t.Errorf("%d lines %q", len(lines), kind)
			continue
		}
		if reason, _ := lines[0].ContextMap()["error"].(string); !strings.Contains(reason, hint) {
			t.Errorf("%s: %s", kind, reason)
		}
	}
}
