package security

import (
	"fmt"
	"strings"
	"testing"
)

// TestCommandLine: the command line logs in with a file of a Java client's settings.
func TestCommandLine(t *testing.T) {
	b, ca := saslBroker(t)
	users(t, b, "alice")
	trust := file(t, t.TempDir(), "ca.pem", ca.pem)
	properties := func(mechanism, module, password string) string {
		return file(t, t.TempDir(), "client.properties", fmt.Appendf(nil, "bootstrap.servers=%s\nsecurity.protocol=SASL_SSL\nsasl.mechanism=%s\n"+
			"sasl.jaas.config=org.apache.kafka.common.security.%s required \\\n  username=\"alice\" password=\"%s\";\nssl.truststore.type=PEM\nssl.truststore.location=%s\nlinger.ms=5\n",
			b.AddrOf("OUT"), mechanism, module, password, trust))
	}
	const scramModule, plainModule = "scram.ScramLoginModule", "plain.PlainLoginModule"
	scram := properties("SCRAM-SHA-512", scramModule, "alice-secret")
	for _, args := range [][]string{
		{"topic", "create", "orders", "--partitions", "1", "--command-config", scram},
		{"topic", "list", "--command-config", properties("PLAIN", plainModule, "alice secret")},
		{"topic", "list", "--command-config", properties("SCRAM-SHA-256", scramModule, "alice-secret")},
	} {
		if out, err := streamhouse(t, "", args...); err != nil || !strings.Contains(out, "orders") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if out, err := streamhouse(t, "hello\n", "produce", "orders", "--command-config", scram); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := streamhouse(t, "", "consume", "orders", "-e", "--command-config", scram); err != nil || out != "hello\n" {
		t.Errorf("%v\n%s", err, out)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"wrong password":        {[]string{"--command-config", properties("SCRAM-SHA-512", scramModule, "wrong-pw")}, "invalid credentials"},
		"the wrong protocol":    {[]string{"--command-config", scram, "-X", "security.protocol=SASL_PLAINTEXT"}, "no broker answers"},
		"unknown CA":            {[]string{"--command-config", scram, "-X", "ssl.truststore.location="}, "certificate"},
		"a secret as a flag":    {[]string{"-X", "sasl.jaas.config=x"}, "--command-config"},
		"a setting without use": {[]string{"-X", "linger.ms=5"}, "changes nothing"},
	} {
		_, err := streamhouse(t, "", append([]string{"topic", "list"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wrong-pw") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
