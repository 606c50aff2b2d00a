package secure_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	keystore "github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/streamhouse/streamhouse/server/secure"
)

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue signs a certificate; by nil it signs itself and is an authority.
func issue(t *testing.T, name string, by *pair, dns ...string) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: dns, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{cert, key}
}

func certPEM(list ...*pair) (out []byte) {
	for _, p := range list {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})...)
	}
	return out
}

func (p *pair) keyPEM(t *testing.T, password string) []byte {
	t.Helper()
	kind := "PRIVATE KEY"
	var secret []byte
	if password != "" {
		kind, secret = "ENCRYPTED PRIVATE KEY", []byte(password)
	}
	der, err := pkcs8.MarshalPrivateKey(p.key, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(s secure.Stores) secure.Options {
	return secure.Options{Stores: s, ClientAuth: "none", Protocols: []string{"TLSv1.2", "TLSv1.3"}}
}

// shake makes a connection and says what each side thinks of it. resumed: the session was
// known.
func shake(t *testing.T, l *secure.Listener, client *tls.Config) (state tls.ConnectionState, clientErr, serverErr error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	failed := make(chan error, 1)
	go func() {
		server := tls.Server(b, l.Config())
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("x"))
		}
		failed <- err
		b.Close()
	}()
	c := tls.Client(a, client)
	clientErr = c.Handshake()
	if clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1))
	}
	a.Close()
	return c.ConnectionState(), clientErr, <-failed
}

func trusting(by *pair) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(by.cert)
	return &tls.Config{RootCAs: pool, ServerName: "broker.test"}
}

// TestStores: each form of store serves, and what is wrong with one is said.
func TestStores(t *testing.T) {
	ca := issue(t, "ca", nil)
	broker := issue(t, "broker", ca, "broker.test")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	chain := certPEM(broker, ca)
	p12, err := pkcs12.Modern.Encode(broker.key, broker.cert, []*x509.Certificate{ca.cert}, "secret1")
	if err != nil {
		t.Fatal(err)
	}
	old, err := pkcs12.LegacyRC2.Encode(broker.key, broker.cert, []*x509.Certificate{ca.cert}, "secret1")
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("p12"), p12)
	write(t, at("old"), old)
	write(t, at("jks"), jks(t, broker, ca))
	write(t, at("pem"), append(broker.keyPEM(t, ""), chain...))
	write(t, at("encrypted"), append(broker.keyPEM(t, "secret1"), chain...))
	der, err := x509.MarshalECPrivateKey(broker.key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("traditional"), append(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), chain...))
	write(t, at("foreign"), append(issue(t, "x", nil).keyPEM(t, ""), chain...))
	write(t, at("half"), p12[:len(p12)/2])
	write(t, at("nothing"), nil)
	for what, c := range map[string]struct {
		s    secure.Stores
		want string
	}{
		"PEM":                {s: secure.Stores{KeyLocation: at("pem")}},
		"encrypted PEM":      {s: secure.Stores{KeyLocation: at("encrypted"), KeyPassword: "secret1"}},
		"PEM inline":         {s: secure.Stores{Key: string(broker.keyPEM(t, "")), Chain: string(chain)}},
		"encrypted inline":   {s: secure.Stores{Key: string(broker.keyPEM(t, "secret1")), Chain: string(chain), KeyPassword: "secret1"}},
		"PKCS#12":            {s: secure.Stores{KeyLocation: at("p12"), KeyStore: "secret1"}},
		"PKCS#12, old":       {s: secure.Stores{KeyLocation: at("old"), KeyStore: "secret1"}},
		"JKS":                {s: secure.Stores{KeyLocation: at("jks"), KeyStore: "secret1"}},
		"both of PKCS#12":    {s: secure.Stores{KeyLocation: at("p12"), KeyStore: "secret1", TrustLocation: at("p12"), TrustPassword: "secret1"}},
		"both of JKS":        {s: secure.Stores{KeyLocation: at("jks"), KeyStore: "secret1", TrustLocation: at("jks"), TrustPassword: "secret1"}},
		"none":               {want: "set ssl.keystore.location"},
		"wrong password":     {s: secure.Stores{KeyLocation: at("p12"), KeyStore: "secret2"}, want: "password incorrect"},
		"wrong JKS password": {s: secure.Stores{KeyLocation: at("jks"), KeyStore: "secret2"}, want: "digest"},
		"wrong key password": {s: secure.Stores{KeyLocation: at("encrypted"), KeyPassword: "secret2"}, want: "ssl.key.password is wrong"},
		"no key password":    {s: secure.Stores{KeyLocation: at("encrypted")}, want: "ssl.key.password is not set"},
		"no password":        {s: secure.Stores{KeyLocation: at("p12")}, want: "ssl.keystore.password is missing"},
		"password alone":     {s: secure.Stores{KeyStore: "secret1"}, want: "without ssl.keystore.location"},
		"trust alone":        {s: secure.Stores{KeyLocation: at("pem"), TrustPassword: "secret1"}, want: "without ssl.truststore.location"},
		"key without chain":  {s: secure.Stores{Key: string(broker.keyPEM(t, ""))}, want: "without ssl.keystore.certificate.chain"},
		"twice":              {s: secure.Stores{Key: "x", Chain: "y", KeyLocation: at("pem")}, want: "set one of them"},
		"traditional":        {s: secure.Stores{KeyLocation: at("traditional")}, want: "openssl pkcs8 -topk8"},
		"foreign key":        {s: secure.Stores{KeyLocation: at("foreign")}, want: "does not belong"},
		"half":               {s: secure.Stores{KeyLocation: at("half"), KeyStore: "secret1"}, want: "keytool -importkeystore"},
		"empty file":         {s: secure.Stores{KeyLocation: at("nothing")}, want: "neither PEM nor PKCS#12 nor JKS"},
		"no file":            {s: secure.Stores{KeyLocation: at("missing")}, want: "no such file"},
		"trust without":      {s: secure.Stores{KeyLocation: at("pem"), Trust: string(broker.keyPEM(t, ""))}, want: "no certificate in the trust store"},
	} {
		l, err := secure.Open(options(c.s))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want %q", what, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if _, ours, theirs := shake(t, l, trusting(ca)); ours != nil || theirs != nil {
			t.Errorf("%s: %v, %v", what, ours, theirs)
		}
	}
}

func jks(t *testing.T, broker, ca *pair) []byte {
	t.Helper()
	ks := keystore.New()
	der, err := x509.MarshalPKCS8PrivateKey(broker.key)
	if err != nil {
		t.Fatal(err)
	}
	chain := []keystore.Certificate{{Type: "X.509", Content: broker.cert.Raw}, {Type: "X.509", Content: ca.cert.Raw}}
	if err := ks.SetPrivateKeyEntry("broker", keystore.PrivateKeyEntry{CreationTime: time.Now(), PrivateKey: der, CertificateChain: chain}, []byte("secret1")); err != nil {
		t.Fatal(err)
	}
	if err := ks.SetTrustedCertificateEntry("ca", keystore.TrustedCertificateEntry{CreationTime: time.Now(), Certificate: chain[1]}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := ks.Store(&out, []byte("secret1")); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestVersionsAndSuites: what is asked for is what is spoken.
func TestVersionsAndSuites(t *testing.T) {
	ca := issue(t, "ca", nil)
	broker := issue(t, "broker", ca, "broker.test")
	stores := secure.Stores{Key: string(broker.keyPEM(t, "")), Chain: string(certPEM(broker))}
	const ecdsa256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
	for what, c := range map[string]struct {
		protocols, suites []string
		version, suite    uint16
		want              string
	}{
		"both":             {protocols: []string{"TLSv1.2", "TLSv1.3"}, version: tls.VersionTLS13},
		"old":              {protocols: []string{"TLSv1.2"}, version: tls.VersionTLS12},
		"one suite of 1.2": {protocols: []string{"TLSv1.2", "TLSv1.3"}, suites: []string{ecdsa256}, version: tls.VersionTLS12, suite: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		"one of each":      {protocols: []string{"TLSv1.2", "TLSv1.3"}, suites: []string{ecdsa256, "TLS_AES_256_GCM_SHA384"}, version: tls.VersionTLS13},
		"none":             {want: "at least one of TLSv1.2"},
		"ancient":          {protocols: []string{"TLSv1.1"}, want: `"TLSv1.1" is not spoken`},
		"DHE":              {protocols: []string{"TLSv1.2"}, suites: []string{"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"}, want: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 is not built"},
		"of another":       {protocols: []string{"TLSv1.2"}, suites: []string{"TLS_AES_256_GCM_SHA384"}, want: "none of them belongs"},
	} {
		l, err := secure.Open(secure.Options{Stores: stores, Protocols: c.protocols, Suites: c.suites})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", what, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		state, ours, theirs := shake(t, l, trusting(ca))
		if ours != nil || theirs != nil || state.Version != c.version || (c.suite != 0 && state.CipherSuite != c.suite) {
			t.Errorf("%s: version %x, suite %x, %v, %v", what, state.Version, state.CipherSuite, ours, theirs)
		}
	}
}

// TestReload: what changed is for new connections, and what cannot be used keeps the old.
func TestReload(t *testing.T) {
	ca, later := issue(t, "ca", nil), issue(t, "later", nil)
	path := filepath.Join(t.TempDir(), "broker.pem")
	put := func(p *pair) { write(t, path, append(p.keyPEM(t, ""), certPEM(p)...)) }
	put(issue(t, "broker", ca, "broker.test"))
	l, err := secure.Open(options(secure.Stores{KeyLocation: path}))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, changed bool, fault string, by *pair) {
		t.Helper()
		got, err := l.Reload()
		if got != changed || (err == nil) != (fault == "") || (err != nil && !strings.Contains(err.Error(), fault)) {
			t.Errorf("%s: %t, %v, want %q", what, got, err, fault)
		}
		if _, ours, theirs := shake(t, l, trusting(by)); ours != nil || theirs != nil {
			t.Errorf("%s: %v, %v", what, ours, theirs)
		}
	}
	check("nothing changed", false, "", ca)
	put(issue(t, "broker", later, "broker.test"))
	check("renewed", true, "", later)
	write(t, path, []byte("-----BEGIN "))
	check("half a file", false, "neither a certificate", later)
	put(issue(t, "other", later, "broker.test"))
	check("another subject", false, "ssl.allow.dn.changes", later)
	put(issue(t, "broker", later, "other.test"))
	check("another host", false, "ssl.allow.san.changes", later)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("gone", false, "no such file", later)
}

// TestCVE_2025_68121: a client with a ticket is refused once the authority that signed its
// certificate was taken out of the trust store.
func TestCVE_2025_68121(t *testing.T) {
	ca, users, others := issue(t, "ca", nil), issue(t, "users", nil), issue(t, "others", nil)
	broker := issue(t, "broker", ca, "broker.test")
	alice := issue(t, "alice", users)
	trust := write(t, filepath.Join(t.TempDir(), "trust.pem"), certPEM(users, others))
	for _, version := range []string{"TLSv1.2", "TLSv1.3"} {
		write(t, trust, certPEM(users, others))
		o := secure.Options{
			Stores:     secure.Stores{Key: string(broker.keyPEM(t, "")), Chain: string(certPEM(broker)), TrustLocation: trust},
			ClientAuth: "required", Protocols: []string{version},
		}
		l, err := secure.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		client := trusting(ca)
		client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		client.Certificates = []tls.Certificate{{Certificate: [][]byte{alice.cert.Raw}, PrivateKey: alice.key}}
		for range 2 {
			if _, ours, theirs := shake(t, l, client); ours != nil || theirs != nil {
				t.Fatalf("%s: %v, %v", version, ours, theirs)
			}
		}
		write(t, trust, certPEM(others))
		if changed, err := l.Reload(); !changed || err != nil {
			t.Fatalf("%s: %t, %v", version, changed, err)
		}
		if _, _, theirs := shake(t, l, client); theirs == nil {
			t.Errorf("%s: a client whose authority was taken away is let in", version)
		}
	}
}
