package secure

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	keystore "github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

// Stores are the settings of one listener that say where its key and those whom it trusts
// are. Names in comments are Kafka's.
type Stores struct {
	KeyLocation string // ssl.keystore.location
	KeyStore    string // ssl.keystore.password
	KeyPassword string // ssl.key.password
	Key         string // ssl.keystore.key, PEM
	Chain       string // ssl.keystore.certificate.chain, PEM

	TrustLocation string // ssl.truststore.location
	TrustPassword string // ssl.truststore.password
	Trust         string // ssl.truststore.certificates, PEM
}

// storeMax bounds a file that is read: a store of 5,000 certificates.
const storeMax = 16 << 20

// material is what stores hold.
type material struct {
	key    tls.Certificate
	leaf   *x509.Certificate
	trust  *x509.CertPool // nil: the system's
	source []byte         // the bytes that it was made of
}

// check finds settings that contradict one another.
func (s *Stores) check() error {
	switch {
	case s.KeyLocation == "" && s.KeyStore != "":
		return errors.New("ssl.keystore.password is there without ssl.keystore.location")
	case s.TrustLocation == "" && s.TrustPassword != "":
		return errors.New("ssl.truststore.password is there without ssl.truststore.location")
	case s.Key != "" && s.Chain == "":
		return errors.New("ssl.keystore.key is there without ssl.keystore.certificate.chain")
	case s.Key == "" && s.Chain != "":
		return errors.New("ssl.keystore.certificate.chain is there without ssl.keystore.key")
	case s.Key != "" && s.KeyLocation != "":
		return errors.New("ssl.keystore.key and ssl.keystore.location are both there: set one of them")
	case s.Trust != "" && s.TrustLocation != "":
		return errors.New("ssl.truststore.certificates and ssl.truststore.location are both there: set one of them")
	case s.Key == "" && s.KeyLocation == "":
		return errors.New("a TLS listener needs a key: set ssl.keystore.location to a file with key and certificates (PEM, PKCS#12 or JKS)")
	}
	return nil
}

// load reads what the settings name.
func (s *Stores) load() (*material, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	m := &material{}
	if err := s.loadKey(m); err != nil {
		return nil, err
	}
	return m, s.loadTrust(m)
}

func (s *Stores) loadKey(m *material) (err error) {
	var key crypto.PrivateKey
	var chain []*x509.Certificate
	if s.Key != "" {
		m.source = append(m.source, s.Key+"\x00"+s.Chain+"\x00"+s.KeyPassword...)
		if key, _, err = readPEM([]byte(s.Key), s.KeyPassword); err != nil {
			return fmt.Errorf("ssl.keystore.key: %w", err)
		}
		if _, chain, err = readPEM([]byte(s.Chain), ""); err != nil {
			return fmt.Errorf("ssl.keystore.certificate.chain: %w", err)
		}
	} else {
		text, err := readFile(s.KeyLocation)
		if err != nil {
			return fmt.Errorf("ssl.keystore.location: %w", err)
		}
		m.source = append(m.source, text...)
		if key, chain, err = s.openKeyStore(text); err != nil {
			return fmt.Errorf("ssl.keystore.location: %s: %w", s.KeyLocation, err)
		}
	}
	switch {
	case key == nil:
		return errors.New("there is no private key in the key store")
	case len(chain) == 0:
		return errors.New("there is no certificate in the key store")
	}
	return m.pair(key, chain)
}

// pair puts key and chain together, if the first certificate is the key's.
func (m *material) pair(key crypto.PrivateKey, chain []*x509.Certificate) error {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("a private key of type %T cannot sign", key)
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return fmt.Errorf("the private key does not belong to the first certificate (%s)", chain[0].Subject)
	}
	m.key, m.leaf = tls.Certificate{PrivateKey: key, Leaf: chain[0]}, chain[0]
	for _, c := range chain {
		m.key.Certificate = append(m.key.Certificate, c.Raw)
	}
	return nil
}

func (s *Stores) openKeyStore(text []byte) (crypto.PrivateKey, []*x509.Certificate, error) {
	switch formOf(text) {
	case formPEM:
		if s.KeyStore != "" {
			return nil, nil, errors.New("a PEM file has no ssl.keystore.password; the password of an encrypted key is ssl.key.password")
		}
		return readPEM(text, s.KeyPassword)
	case formJKS:
		if s.KeyStore == "" {
			return nil, nil, errors.New("ssl.keystore.password is missing")
		}
		return readJKSKey(text, s.KeyStore, s.KeyPassword)
	case formPKCS12:
		if s.KeyStore == "" {
			return nil, nil, errors.New("ssl.keystore.password is missing")
		}
		key, leaf, others, err := pkcs12.DecodeChain(text, s.KeyStore)
		if err != nil {
			return nil, nil, fmt.Errorf("%w; a store with several keys, or of another kind, becomes one that is read by: "+
				"keytool -importkeystore -srckeystore FILE -srcalias ALIAS -destkeystore new.p12 -deststoretype PKCS12", err)
		}
		return key, order(leaf, others), nil
	}
	return nil, nil, errForm
}

func (s *Stores) loadTrust(m *material) error {
	var certs []*x509.Certificate
	var err error
	switch {
	case s.Trust != "":
		m.source = append(m.source, "\x00"+s.Trust...)
		if _, certs, err = readPEM([]byte(s.Trust), ""); err != nil {
			return fmt.Errorf("ssl.truststore.certificates: %w", err)
		}
	case s.TrustLocation != "":
		text, err := readFile(s.TrustLocation)
		if err != nil {
			return fmt.Errorf("ssl.truststore.location: %w", err)
		}
		m.source = append(append(m.source, 0), text...)
		if certs, err = openTrustStore(text, s.TrustPassword); err != nil {
			return fmt.Errorf("ssl.truststore.location: %s: %w", s.TrustLocation, err)
		}
	default:
		return nil
	}
	if len(certs) == 0 {
		return errors.New("there is no certificate in the trust store: nobody would be trusted")
	}
	m.trust = x509.NewCertPool()
	for _, c := range certs {
		m.trust.AddCert(c)
	}
	return nil
}

func openTrustStore(text []byte, password string) ([]*x509.Certificate, error) {
	switch formOf(text) {
	case formPEM:
		if password != "" {
			return nil, errors.New("a PEM file has no ssl.truststore.password")
		}
		_, certs, err := readPEM(text, "")
		return certs, err
	case formJKS:
		return readJKSTrust(text, password)
	case formPKCS12:
		certs, err := pkcs12.DecodeTrustStore(text, password)
		if err == nil {
			return certs, nil
		}
		// A store that has a key, too: whoever else is in it is trusted.
		if _, leaf, others, chainErr := pkcs12.DecodeChain(text, password); chainErr == nil {
			if len(others) == 0 {
				others = []*x509.Certificate{leaf} // signed by itself
			}
			return others, nil
		}
		return nil, fmt.Errorf("%w; a store that is read is made by: keytool -importcert -alias ca -file ca.pem -keystore new.p12 -storetype PKCS12", err)
	}
	return nil, errForm
}

// The forms of stores. They are known by their bytes, as Java does, whatever
// ssl.keystore.type says.
const (
	formPEM = iota + 1
	formJKS
	formPKCS12
)

var errForm = errors.New("this is neither PEM nor PKCS#12 nor JKS")

func formOf(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return formJKS
	case len(text) > 0 && text[0] == 0x30: // a sequence of ASN.1
		return formPKCS12
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return formPEM
	}
	return 0
}

// readPEM returns the private key, if there is one, and the certificates in the order of
// the text.
func readPEM(text []byte, password string) (key crypto.PrivateKey, certs []*x509.Certificate, err error) {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			break
		}
		switch b.Type {
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, nil, err
			}
			certs = append(certs, c)
			continue
		case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		default:
			continue
		}
		if key != nil {
			return nil, nil, errors.New("there are two private keys in it")
		}
		if key, err = readKey(b, password); err != nil {
			return nil, nil, err
		}
	}
	if key == nil && len(certs) == 0 {
		return nil, nil, errors.New("there is neither a certificate nor a private key in it")
	}
	return key, certs, nil
}

func readKey(b *pem.Block, password string) (crypto.PrivateKey, error) {
	switch b.Type {
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(b.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		if password == "" {
			return nil, errors.New("the private key is encrypted, and ssl.key.password is not set")
		}
		key, err := pkcs8.ParsePKCS8PrivateKey(b.Bytes, []byte(password))
		if err != nil {
			return nil, errors.New("the private key cannot be decrypted: ssl.key.password is wrong, or it is encrypted in an old way that is made new by: openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem")
		}
		return key, nil
	}
	return nil, fmt.Errorf("%q is not the form that is read; convert it: openssl pkcs8 -topk8 -nocrypt -in old.pem -out new.pem", b.Type)
}

// order puts a leaf before the chain that leads away from it.
func order(leaf *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for last := leaf; ; {
		i := slices.IndexFunc(others, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer) && !slices.Contains(chain, c)
		})
		if i < 0 {
			return chain
		}
		last = others[i]
		chain = append(chain, last)
	}
}

func readJKS(text []byte, password string) (keystore.KeyStore, error) {
	ks := keystore.New()
	if err := ks.Load(bytes.NewReader(text), []byte(password)); err != nil {
		return ks, fmt.Errorf("%w; a JKS becomes PKCS#12 by: keytool -importkeystore -srckeystore FILE -destkeystore new.p12 -deststoretype PKCS12", err)
	}
	return ks, nil
}

func readJKSKey(text []byte, password, keyPassword string) (key crypto.PrivateKey, chain []*x509.Certificate, err error) {
	ks, err := readJKS(text, password)
	if err != nil {
		return nil, nil, err
	}
	if keyPassword == "" {
		keyPassword = password
	}
	for _, alias := range ks.Aliases() {
		if !ks.IsPrivateKeyEntry(alias) {
			continue
		}
		if key != nil {
			return nil, nil, errors.New("there are several keys in it; take one out: keytool -importkeystore -srckeystore FILE -srcalias ALIAS -destkeystore new.p12 -deststoretype PKCS12")
		}
		entry, err := ks.GetPrivateKeyEntry(alias, []byte(keyPassword))
		if err != nil {
			return nil, nil, fmt.Errorf("the key %s: %w", alias, err)
		}
		if key, err = x509.ParsePKCS8PrivateKey(entry.PrivateKey); err != nil {
			return nil, nil, fmt.Errorf("the key %s: %w", alias, err)
		}
		if chain, err = parseAll(entry.CertificateChain); err != nil {
			return nil, nil, err
		}
	}
	return key, chain, nil
}

func readJKSTrust(text []byte, password string) (certs []*x509.Certificate, err error) {
	ks, err := readJKS(text, password)
	if err != nil {
		return nil, err
	}
	for _, alias := range ks.Aliases() {
		if !ks.IsTrustedCertificateEntry(alias) {
			continue
		}
		entry, err := ks.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, err
		}
		one, err := parseAll([]keystore.Certificate{entry.Certificate})
		if err != nil {
			return nil, err
		}
		certs = append(certs, one...)
	}
	return certs, nil
}

func parseAll(list []keystore.Certificate) (out []*x509.Certificate, err error) {
	for _, c := range list {
		parsed, err := x509.ParseCertificate(c.Content)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed)
	}
	return out, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, storeMax+1))
	if err == nil && len(text) > storeMax {
		err = fmt.Errorf("%s is larger than %d bytes", path, storeMax)
	}
	return text, err
}
