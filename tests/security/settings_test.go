package security

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// TestLoginSettings: sasl.server.max.receive.size bounds what a login may send, and the
// answer to one that failed leaves after connection.failed.authentication.delay.ms.
func TestLoginSettings(t *testing.T) {
	const delay = 1500 * time.Millisecond
	t.Parallel()
	long := plain.Auth{User: "alice", Pass: strings.Repeat("x", 20_000)}.AsMechanism()
	wrong := plain.Auth{User: "alice", Pass: "x"}.AsMechanism()
	in := func(extra ...string) map[string]string {
		return settings("IN", append([]string{"sasl.enabled.mechanisms", "PLAIN", "plain.sasl.jaas.config", plainLine}, extra...)...)
	}
	at := map[string]string{"IN": "SASL_PLAINTEXT"}
	usual := start(t, peers.Options{Listeners: at, Settings: in()})
	if err := ping(t, usual.AddrOf("IN"), long, nil); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("20 kB of a password: %v, want an answer", err)
	}
	set := in("sasl.server.max.receive.size", "10000")
	set["connection.failed.authentication.delay.ms"] = "1500"
	bounded := start(t, peers.Options{Listeners: at, Settings: set})
	if err := ping(t, bounded.AddrOf("IN"), long, nil); err == nil || errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("20 kB of a password where 10 kB may come: %v, want the end of the connection", err)
	}
	begin := time.Now()
	if err := ping(t, bounded.AddrOf("IN"), wrong, nil); !errors.Is(err, kerr.SaslAuthenticationFailed) || time.Since(begin) < delay {
		t.Errorf("a wrong password: %v after %s, want an answer after %s", err, time.Since(begin), delay)
	}
}
