// Package profile says where a cluster is and how to log in, from Kafka's client settings: a
// file as Java clients have it (client.properties), and settings that are given one by one.
package profile

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/streamhouse/streamhouse/auth/jaas"
	"github.com/streamhouse/streamhouse/client"
	"github.com/streamhouse/streamhouse/config/properties"
)

// Settings are client settings under Kafka's names.
type Settings map[string]string

// fileMax bounds a file of settings, in bytes.
const fileMax = 1 << 20

// Read reads a client.properties.
func Read(path string) (Settings, error) {
	text, err := read(path)
	if err != nil {
		return nil, &client.Fault{Kind: client.Invalid, What: "cannot read the client's settings", Why: err.Error(), Err: err}
	}
	s := Settings{}
	for p, err := range properties.Read(string(text)) {
		if err != nil {
			return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("line %d of %s cannot be read", p.Line, path), Err: err}
		}
		s[p.Name] = p.Value
	}
	return s, nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > fileMax {
		return nil, fmt.Errorf("%s has %d bytes, %d are read at most", path, info.Size(), fileMax)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// used are the settings that act here.
var used = []string{
	"bootstrap.servers", "client.id", "security.protocol", "sasl.mechanism", "sasl.jaas.config", "ssl.endpoint.identification.algorithm",
	"ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.certificates", "ssl.keystore.type", "ssl.keystore.location",
	"ssl.keystore.key", "ssl.keystore.certificate.chain",
}

// Idle are the settings that change nothing here, by name: a file is shared with programs that
// have use for them.
func (s Settings) Idle() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(used, name) {
			out = append(out, name)
		}
	}
	return out
}

// Config is what a connection is made of.
func (s Settings) Config() (cfg client.Config, err error) {
	for server := range strings.SplitSeq(s["bootstrap.servers"], ",") {
		if server = strings.TrimSpace(server); server != "" {
			cfg.Servers = append(cfg.Servers, server)
		}
	}
	cfg.ClientID = s["client.id"]
	protocol := strings.ToUpper(s["security.protocol"])
	switch protocol {
	case "", "PLAINTEXT":
		return cfg, nil
	case "SSL", "SASL_PLAINTEXT", "SASL_SSL":
	default:
		return cfg, bad("security.protocol", fmt.Sprintf("there is none called %q", s["security.protocol"]), "give PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
	}
	if strings.HasSuffix(protocol, "SSL") {
		if cfg.TLS, err = s.tls(); err != nil {
			return cfg, err
		}
	}
	if strings.HasPrefix(protocol, "SASL") {
		cfg.SASL, err = s.sasl()
	}
	return cfg, err
}

func bad(name, why, next string) error {
	return &client.Fault{Kind: client.Invalid, What: name, Why: why, Next: next}
}

// sasl is the login that sasl.mechanism and sasl.jaas.config say. Errors have no secrets.
func (s Settings) sasl() (sasl.Mechanism, error) {
	const name = "sasl.jaas.config"
	line := s[name]
	if line == "" {
		return nil, bad(name, "it is not given, and says who logs in", `write org.apache.kafka.common.security.scram.ScramLoginModule required username="..." password="...";`)
	}
	m, err := jaas.Parse(line)
	if err != nil {
		return nil, bad(name, err.Error(), "")
	}
	user, password := m.Options["username"], m.Options["password"]
	if user == "" || password == "" {
		return nil, bad(name, "username or password is missing", "")
	}
	module := jaas.Scram
	var login sasl.Mechanism
	switch mechanism := s["sasl.mechanism"]; mechanism {
	case "PLAIN":
		module, login = jaas.Plain, plain.Auth{User: user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		login = scram.Auth{User: user, Pass: password, IsToken: m.Options["tokenauth"] == "true"}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		login = scram.Auth{User: user, Pass: password, IsToken: m.Options["tokenauth"] == "true"}.AsSha512Mechanism()
	case "":
		return nil, bad("sasl.mechanism", "it is not given, and Kafka's default GSSAPI is not built", "give PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	default:
		return nil, bad("sasl.mechanism", fmt.Sprintf("%q is not built", mechanism), "give PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	}
	if m.Name != module {
		return nil, bad(name, fmt.Sprintf("%s does not go with sasl.mechanism %s", m.Name, s["sasl.mechanism"]), "write "+module)
	}
	return login, nil
}

// tls is what ssl.* say. Stores are PEM.
func (s Settings) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if algorithm, given := s["ssl.endpoint.identification.algorithm"]; given && algorithm == "" {
		// As in Kafka: whose name is in the certificate does not count, who signed it does.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error { return signed(state, c.RootCAs) }
	}
	trust, err := s.store("truststore", "certificates")
	if err != nil {
		return nil, err
	}
	if trust != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(trust) {
			return nil, bad("ssl.truststore", "there is no certificate in it", "it is to be PEM, with -----BEGIN CERTIFICATE-----")
		}
	}
	chain, key := []byte(s["ssl.keystore.certificate.chain"]), []byte(s["ssl.keystore.key"])
	if len(key) == 0 {
		if chain, err = s.store("keystore", ""); err != nil {
			return nil, err
		}
		key = chain
	}
	if len(key) > 0 {
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			return nil, bad("ssl.keystore", strings.TrimPrefix(err.Error(), "tls: "), "it is to be PEM with a key that is not encrypted, and its certificate chain")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// signed checks a chain without looking at names.
func signed(state tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// store is the text of a store, inline or of a file; nil: none is given.
func (s Settings) store(name, inline string) ([]byte, error) {
	prefix := "ssl." + name + "."
	if text := s[prefix+inline]; inline != "" && text != "" {
		return []byte(text), nil
	}
	path := s[prefix+"location"]
	if path == "" {
		return nil, nil
	}
	text, err := read(path)
	if err != nil {
		return nil, bad(prefix+"location", err.Error(), "")
	}
	if block, _ := pem.Decode(text); block == nil {
		return nil, bad(prefix+"location", "it is not PEM", fmt.Sprintf("openssl pkcs12 -in %s -nodes -out store.pem makes PEM of a PKCS#12 store, keytool -importkeystore -srckeystore %s -destkeystore store.p12 -deststoretype PKCS12 one of JKS", path, path))
	}
	return text, nil
}

// ParseSetting reads name=value of -X.
func ParseSetting(text string) (name, value string, err error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return "", "", errors.New("write NAME=VALUE, with Kafka's names")
	}
	if name == "sasl.jaas.config" || strings.Contains(name, "password") || name == "ssl.keystore.key" {
		return "", "", errors.New("a secret on the command line is read by everybody on this machine; put it into a file for --command-config")
	}
	return name, value, nil
}
