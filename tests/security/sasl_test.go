package security

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// plainLine is a broker's line for PLAIN, as Kafka's documentation has it.
const plainLine = `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admin-secret" user_admin="admin-secret" user_alice="alice secret";`

const scramLine = `org.apache.kafka.common.security.scram.ScramLoginModule required;`

// saslBroker has a listener for logins over plain connections and one over TLS.
func saslBroker(t *testing.T, extra ...string) (*peers.Broker, *authority) {
	t.Helper()
	ca := newAuthority(t, "ca")
	key := file(t, t.TempDir(), "broker.pem", ca.issue(t, pkix.Name{CommonName: "broker"}))
	set := map[string]string{"ssl.keystore.location": key, "ssl.keystore.type": "PEM"}
	for _, l := range []string{"IN", "OUT"} {
		maps.Copy(set, settings(l, append([]string{"sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			"plain.sasl.jaas.config", plainLine, "scram-sha-256.sasl.jaas.config", scramLine, "scram-sha-512.sasl.jaas.config", scramLine}, extra...)...))
	}
	return start(t, peers.Options{Listeners: map[string]string{"IN": "SASL_PLAINTEXT", "OUT": "SASL_SSL"}, Settings: set}), ca
}

// users makes users over the plain listener, as kafka-configs does.
func users(t *testing.T, b *peers.Broker, names ...string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var list []kadm.UpsertSCRAM
	for _, name := range names {
		for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
			done, err := kadm.NewClient(cl).AlterUserSCRAMs(t.Context(), nil, append(list, kadm.UpsertSCRAM{User: name, Mechanism: m, Iterations: 4096, Password: name + "-secret"}))
			if err != nil || done.Error() != nil {
				t.Fatal(err, done.Error())
			}
		}
	}
}

// logins are the ways of franz-go.
func logins(user, password string) map[string]sasl.Mechanism {
	return map[string]sasl.Mechanism{
		"SCRAM-SHA-256": scram.Auth{User: user, Pass: password}.AsSha256Mechanism(),
		"SCRAM-SHA-512": scram.Auth{User: user, Pass: password}.AsSha512Mechanism(),
	}
}

// TestSASL: ten records out and back by each mechanism, with TLS and without, and what is
// said to whom is not let in.
func TestSASL(t *testing.T) {
	t.Parallel()
	b, ca := saslBroker(t)
	users(t, b, "alice", "Ünï,=x")
	ways := map[string]sasl.Mechanism{"PLAIN": plain.Auth{User: "alice", Pass: "alice secret"}.AsMechanism()}
	maps.Copy(ways, logins("alice", "alice-secret"))
	for name, way := range ways {
		if err := tenThere(t, "in-"+name, kgo.SeedBrokers(b.AddrOf("IN")), kgo.SASL(way)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := tenThere(t, "out-"+name, kgo.SeedBrokers(b.AddrOf("OUT")), kgo.SASL(way), kgo.DialTLSConfig(clientTLS(t, ca, nil))); err != nil {
			t.Errorf("%s over TLS: %v", name, err)
		}
	}
	for name, way := range logins("Ünï,=x", "Ünï,=x-secret") {
		if err := ping(t, b.AddrOf("IN"), way, nil); err != nil {
			t.Errorf("%s with an odd name: %v", name, err)
		}
	}
	const scramText = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-"
	for name, c := range map[string]struct {
		way  sasl.Mechanism
		want string
	}{
		"PLAIN, wrong password":   {plain.Auth{User: "alice", Pass: "x"}.AsMechanism(), "Authentication failed: Invalid username or password"},
		"PLAIN, unknown user":     {plain.Auth{User: "bob", Pass: "alice secret"}.AsMechanism(), "Authentication failed: Invalid username or password"},
		"PLAIN, as somebody else": {plain.Auth{Zid: "admin", User: "alice", Pass: "alice secret"}.AsMechanism(), "different from username"},
		"256, wrong password":     {scram.Auth{User: "alice", Pass: "x"}.AsSha256Mechanism(), scramText + "256"},
		"512, wrong password":     {scram.Auth{User: "alice", Pass: "x"}.AsSha512Mechanism(), scramText + "512"},
		"256, unknown user":       {scram.Auth{User: "bob", Pass: "alice-secret"}.AsSha256Mechanism(), scramText + "256"},
		"512, unknown user":       {scram.Auth{User: "bob", Pass: "alice-secret"}.AsSha512Mechanism(), scramText + "512"},
		"512, as somebody else":   {scram.Auth{Zid: "admin", User: "alice", Pass: "alice-secret"}.AsSha512Mechanism(), "different from username"},
	} {
		if err := ping(t, b.AddrOf("IN"), c.way, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := ping(t, b.AddrOf("IN"), nil, nil); err == nil {
		t.Error("a client without a login was served")
	}
}

// ping asks for metadata.
func ping(t *testing.T, addr string, way sasl.Mechanism, secure *tls.Config) error {
	t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(addr), kgo.RetryTimeout(patience), kgo.RequestRetries(1)}
	if way != nil {
		opts = append(opts, kgo.SASL(way))
	}
	if secure != nil {
		opts = append(opts, kgo.DialTLSConfig(secure))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = kadm.NewClient(cl).ListTopics(ctx)
	return err
}

// TestSASLPrograms: users made by kafka-configs, ten records by kcat and Java with
// SCRAM-SHA-512 over TLS, and what each says about a wrong password.
func TestSASLPrograms(t *testing.T) {
	t.Parallel()
	b, ca := saslBroker(t)
	caFile := file(t, t.TempDir(), "ca.pem", ca.pem)
	out, err := kafkaConfigs(t, b.Addr(), "--alter", "--entity-type", "users", "--entity-name", "carol",
		"--add-config", "SCRAM-SHA-512=[iterations=8192,password=carol-secret]")
	if err != nil || !strings.Contains(out, "Completed updating config for user carol.") {
		t.Fatalf("%v\n%s", err, out)
	}
	kcat := func(mechanism, user, password string) []string {
		return []string{"-X", "security.protocol=sasl_ssl", "-X", "ssl.ca.location=" + caFile, "-X", "sasl.mechanism=" + mechanism,
			"-X", "sasl.username=" + user, "-X", "sasl.password=" + password}
	}
	kcatTen(t, b.AddrOf("OUT"), kcat("PLAIN", "alice", "alice secret")...)
	java := func(password string) map[string]string {
		return map[string]string{
			"security.protocol": "SASL_SSL", "ssl.truststore.location": caFile, "ssl.truststore.type": "PEM", "sasl.mechanism": "SCRAM-SHA-512",
			"sasl.jaas.config": fmt.Sprintf(`org.apache.kafka.common.security.scram.ScramLoginModule required username="carol" password="%s";`, password),
		}
	}
	javaTen(t, b.AddrOf("OUT"), java("carol-secret"))
	const text = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512"
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	for _, c := range []struct{ mechanism, user, password, want string }{
		{"PLAIN", "alice", "wrong", "Authentication failed: Invalid username or password"},
		{"SCRAM-SHA-512", "carol", "wrong", text},
		// librdkafka 2.0.2 sends another nonce than it was given, and Kafka 4.4 refuses it as
		// well (CVE-2024-56128).
		{"SCRAM-SHA-512", "carol", "carol-secret", text},
	} {
		args := append([]string{"-L", "-m", "5", "-b", b.AddrOf("OUT")}, kcat(c.mechanism, c.user, c.password)...)
		if _, err := (peers.Command{Path: "kcat", Args: args}).Run(ctx, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("kcat by %s as %s with %s: %v, want %q", c.mechanism, c.user, c.password, err, c.want)
		}
	}
	tools, config := javaTool(t, java("wrong"))
	if out, err := tools.Command("org.apache.kafka.tools.TopicCommand", 128, "--bootstrap-server", b.AddrOf("OUT"), "--list", "--command-config", config).
		Run(ctx, ""); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("Java with a wrong password: %v\n%s", err, out)
	}
}

// kafkaConfigs runs kafka-configs.
func kafkaConfigs(t *testing.T, addr string, args ...string) (string, error) {
	t.Helper()
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	return java.Command("kafka.admin.ConfigCommand", 128, append([]string{"--bootstrap-server", addr}, args...)...).Run(ctx, "")
}
