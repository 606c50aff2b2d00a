package profile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	const scramLine = `org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="pw-secret";`
	const plainLine = `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="pw-secret";`
	none := filepath.Join(t.TempDir(), "none")
	binary := filepath.Join(t.TempDir(), "store.jks")
	if err := os.WriteFile(binary, []byte{0xfe, 0xed, 0xfe, 0xed}, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		s     Settings
		sasl  string
		tls   bool
		fault string
	}{
		{"nothing", Settings{}, "", false, ""},
		{"plain", Settings{"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.jaas.config": plainLine}, "PLAIN", false, ""},
		{"scram", Settings{"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": scramLine}, "SCRAM-SHA-512", true, ""},
		{"protocol", Settings{"security.protocol": "TLS"}, "", false, `security.protocol: there is none called "TLS"`},
		{"no mechanism", Settings{"security.protocol": "SASL_SSL", "sasl.jaas.config": scramLine}, "", true, "GSSAPI is not built"},
		{"other mechanism", Settings{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": scramLine}, "", true, "is not built"},
		{"other module", Settings{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.jaas.config": scramLine}, "", true, "does not go with"},
		{"no line", Settings{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "", true, "says who logs in"},
		{"half a line", Settings{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.jaas.config": strings.TrimSuffix(plainLine, ";")}, "", true, "sasl.jaas.config"},
		{"no password", Settings{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="u";`}, "", true, "missing"},
		{"no file", Settings{"security.protocol": "SSL", "ssl.truststore.location": none}, "", false, "ssl.truststore.location"},
		{"jks", Settings{"security.protocol": "SSL", "ssl.truststore.location": binary}, "", false, "keytool -importkeystore"},
		{"no certificate", Settings{"security.protocol": "SSL", "ssl.truststore.certificates": "x"}, "", false, "no certificate"},
		{"no key", Settings{"security.protocol": "SSL", "ssl.keystore.key": "x", "ssl.keystore.certificate.chain": "y"}, "", false, "ssl.keystore"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := c.s.Config()
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "pw-secret") {
					t.Errorf("%v, want %q", err, c.fault)
				}
				return
			}
			if err != nil || (cfg.TLS != nil) != c.tls || (cfg.SASL != nil) != (c.sasl != "") || c.sasl != "" && cfg.SASL.Name() != c.sasl {
				t.Errorf("%+v, %v", cfg, err)
			}
		})
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(path, []byte("bootstrap.servers=a:1, b:2\nlinger.ms=5\nclient.id=me"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := s.Config()
	if err != nil || !reflect.DeepEqual(cfg.Servers, []string{"a:1", "b:2"}) || !reflect.DeepEqual(s.Idle(), []string{"linger.ms"}) {
		t.Errorf("%+v, %v, %v", cfg, s.Idle(), err)
	}
	for _, text := range []string{"x", "=y", "ssl.keystore.password=x", "sasl.jaas.config=x"} {
		if _, _, err := ParseSetting(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
