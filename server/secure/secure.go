// Package secure owns what TLS listeners are made of: key and trust stores in Kafka's
// settings and forms, the versions and suites that may be spoken, and their exchange while
// the broker runs.
package secure

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of one TLS listener.
type Options struct {
	Stores
	ClientAuth string   // ssl.client.auth: none, requested, required
	Protocols  []string // ssl.enabled.protocols
	Suites     []string // ssl.cipher.suites; empty: what is safe
	AllowDN    bool     // ssl.allow.dn.changes
	AllowSAN   bool     // ssl.allow.san.changes
}

// Listener is the TLS side of one listener. Its methods can be called from any goroutine.
type Listener struct {
	options Options
	base    *tls.Config

	mu      sync.Mutex // one reload at a time
	current atomic.Pointer[generation]
}

// generation is what new connections get until the stores change.
type generation struct {
	config *tls.Config
	leaf   *x509.Certificate
	digest [32]byte // of the stores' bytes
}

// Open loads the stores. The error says which setting is at fault; secrets are not in it.
func Open(o Options) (*Listener, error) {
	l := &Listener{options: o}
	template, err := o.template()
	if err != nil {
		return nil, err
	}
	m, err := o.load()
	if err != nil {
		return nil, err
	}
	l.current.Store(l.generate(template, m))
	l.base = &tls.Config{
		MinVersion:         template.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.current.Load().config, nil },
	}
	return l, nil
}

// Config is for tls.Server: it gives each handshake what is in force when it begins.
func (l *Listener) Config() *tls.Config { return l.base }

// Expires is when the certificate in force ends.
func (l *Listener) Expires() time.Time { return l.current.Load().leaf.NotAfter }

// Reload reads the stores anew, from where they were. If they changed and can be used,
// handshakes that begin from now on get them; else what was in force stays. An error says
// why it does.
func (l *Listener) Reload() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, err := l.options.load()
	if err != nil {
		return false, err
	}
	now := l.current.Load()
	if sha256.Sum256(m.source) == now.digest {
		return false, nil
	}
	if err := l.options.compatible(now.leaf, m.leaf); err != nil {
		return false, err
	}
	template, err := l.options.template()
	if err != nil {
		return false, err
	}
	l.current.Store(l.generate(template, m))
	return true, nil
}

func (l *Listener) generate(template *tls.Config, m *material) *generation {
	template.Certificates = []tls.Certificate{m.key}
	template.ClientCAs = m.trust
	return &generation{config: template, leaf: m.leaf, digest: sha256.Sum256(m.source)}
}

// compatible holds a new certificate against the old one: clients check whom they reach.
func (o *Options) compatible(old, next *x509.Certificate) error {
	if !o.AllowDN && !bytes.Equal(old.RawSubject, next.RawSubject) {
		return fmt.Errorf("the new certificate is for %s instead of %s: set ssl.allow.dn.changes=true if that is meant", next.Subject, old.Subject)
	}
	if was, is := names(old), names(next); !o.AllowSAN && !slices.Equal(was, is) {
		return fmt.Errorf("the new certificate names %v instead of %v: set ssl.allow.san.changes=true if that is meant", is, was)
	}
	return nil
}

// names are the alternative names of a certificate, in order.
func names(c *x509.Certificate) []string {
	out := slices.Clone(c.DNSNames)
	out = append(out, c.EmailAddresses...)
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	for _, u := range c.URIs {
		out = append(out, u.String())
	}
	slices.Sort(out)
	return out
}

var versions = map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

// template is the part of a generation that the stores do not change.
func (o *Options) template() (*tls.Config, error) {
	c := &tls.Config{DynamicRecordSizingDisabled: true}
	for _, name := range o.Protocols {
		v, ok := versions[name]
		if !ok {
			return nil, fmt.Errorf("ssl.enabled.protocols: %q is not spoken; TLSv1.2 and TLSv1.3 are", name)
		}
		if c.MinVersion == 0 || v < c.MinVersion {
			c.MinVersion = v
		}
		c.MaxVersion = max(c.MaxVersion, v)
	}
	if c.MinVersion == 0 {
		return nil, errors.New("ssl.enabled.protocols: at least one of TLSv1.2 and TLSv1.3 is needed")
	}
	if err := o.suites(c); err != nil {
		return nil, err
	}
	switch o.ClientAuth {
	case "required":
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case "requested":
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// A ticket would outlive the trust in whoever signed the client's certificate.
	c.SessionTicketsDisabled = c.ClientAuth != tls.NoClientCert
	return c, nil
}

// suites limits the suites to those that were named. Of TLS 1.3 all three are there or none:
// crypto/tls does not let them be chosen.
func (o *Options) suites(c *tls.Config) error {
	if len(o.Suites) == 0 {
		return nil
	}
	known := make(map[string]*tls.CipherSuite)
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[s.Name] = s
	}
	of13 := false
	for _, name := range o.Suites {
		s, ok := known[name]
		if !ok {
			return fmt.Errorf("ssl.cipher.suites: %s is not built; these are: %s", name, strings.Join(safeSuites(), ", "))
		}
		if slices.Contains(s.SupportedVersions, tls.VersionTLS13) {
			of13 = true
			continue
		}
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	if !of13 {
		c.MaxVersion = min(c.MaxVersion, tls.VersionTLS12)
	}
	if len(c.CipherSuites) == 0 {
		c.MinVersion = tls.VersionTLS13
	}
	if c.MinVersion > c.MaxVersion {
		return errors.New("ssl.cipher.suites: none of them belongs to a version in ssl.enabled.protocols")
	}
	return nil
}

func safeSuites() (list []string) {
	for _, s := range tls.CipherSuites() {
		list = append(list, s.Name)
	}
	return list
}
