package security

import (
	"crypto/x509/pkix"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// TestTLS: ten records out and back over a listener with a certificate, by franz-go, kcat
// and Java; who does not trust it, or speaks plainly, is told so.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	caFile := file(t, dir, "ca.pem", ca.pem)
	key := file(t, dir, "broker.pem", ca.issue(t, pkix.Name{CommonName: "broker"}))
	set := map[string]string{"ssl.keystore.location": key, "ssl.keystore.type": "PEM"}
	maps.Copy(set, settings("mutual", "ssl.truststore.location", caFile, "ssl.truststore.type", "PEM", "ssl.client.auth", "required"))
	b := start(t, peers.Options{Listeners: map[string]string{"OUT": "SSL", "MUTUAL": "SSL"}, Settings: set})

	if err := tenThere(t, "franz", kgo.SeedBrokers(b.AddrOf("OUT")), kgo.DialTLSConfig(clientTLS(t, ca, nil))); err != nil {
		t.Errorf("franz-go: %v", err)
	}
	if err := tenThere(t, "strange", kgo.SeedBrokers(b.AddrOf("OUT")), kgo.DialTLSConfig(clientTLS(t, other, nil))); err == nil ||
		!strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a client that trusts somebody else: %v", err)
	}
	if err := tenThere(t, "plain", kgo.SeedBrokers(b.AddrOf("OUT"))); err == nil {
		t.Error("a client without TLS was served")
	}
	alice := ca.issue(t, pkix.Name{CommonName: "alice"})
	if err := tenThere(t, "mutual", kgo.SeedBrokers(b.AddrOf("MUTUAL")), kgo.DialTLSConfig(clientTLS(t, ca, alice))); err != nil {
		t.Errorf("franz-go with a certificate: %v", err)
	}
	if err := tenThere(t, "nobody", kgo.SeedBrokers(b.AddrOf("MUTUAL")), kgo.DialTLSConfig(clientTLS(t, ca, nil))); err == nil {
		t.Error("a client without a certificate was served")
	}
	mallory := other.issue(t, pkix.Name{CommonName: "alice"})
	if err := tenThere(t, "mallory", kgo.SeedBrokers(b.AddrOf("MUTUAL")), kgo.DialTLSConfig(clientTLS(t, ca, mallory))); err == nil {
		t.Error("a client with a certificate of somebody else was served")
	}
	kcatTen(t, b.AddrOf("OUT"), "-X", "security.protocol=ssl", "-X", "ssl.ca.location="+caFile)
	javaTen(t, b.AddrOf("OUT"), map[string]string{
		"security.protocol": "SSL", "ssl.truststore.location": caFile, "ssl.truststore.type": "PEM",
	})
}
