package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/server/secure"
	"github.com/streamhouse/streamhouse/server/settings"
)

// reloadInterval is how often certificates are looked at for a change.
const reloadInterval = 10 * time.Second

// secured is what a listener has beside its address.
type secured struct {
	name     string
	tls      *secure.Listener // nil: plain
	identify func(*x509.Certificate) (auth.Principal, error)
	login    *broker.Login // nil: nobody logs in
}

// secureListeners opens the stores of all TLS listeners. The error has every fault.
func (n *node) secureListeners(b *config.Broker) error {
	var faults []error
	expiry := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "streamhouse_certificate_expiry_timestamp_seconds", Help: "When the certificate that a listener shows ends, in seconds since 1970.",
	}, []string{"listener"})
	n.expiry = expiry
	for _, l := range n.settings.Listeners() {
		s, err := secureListener(b, l)
		if err == nil && strings.HasPrefix(l.Protocol, "SASL") {
			s.login, err = newLogin(b, l.Name, n.users)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("listener %s: %w", l.Name, err))
			continue
		}
		n.secured = append(n.secured, s)
	}
	n.tellExpiry()
	n.registry.MustRegister(expiry)
	return errors.Join(faults...)
}

func secureListener(b *config.Broker, l settings.Listener) (secured, error) {
	s := secured{name: l.Name}
	if !strings.HasSuffix(l.Protocol, "SSL") {
		return s, nil
	}
	var err error
	if s.tls, err = secure.Open(tlsOptions(b, l)); err != nil {
		return s, err
	}
	mapping, err := auth.ParseMapping(textAt(b, l.Name, "ssl.principal.mapping.rules"))
	if err != nil {
		return s, fmt.Errorf("ssl.principal.mapping.rules: %w", err)
	}
	s.identify = func(c *x509.Certificate) (auth.Principal, error) { return identify(mapping, c) }
	return s, nil
}

// identify is who shows a certificate.
func identify(m *auth.Mapping, c *x509.Certificate) (auth.Principal, error) {
	dn, err := auth.DN(c.RawSubject)
	if err != nil {
		return auth.Principal{}, err
	}
	name, err := m.Name(dn)
	return auth.User(name), err
}

func tlsOptions(b *config.Broker, l settings.Listener) secure.Options {
	at := func(name string) string { return textAt(b, l.Name, name) }
	list := func(name string) []string { v, _ := b.At(l.Name, "", name); return v.List }
	flag := func(name string) bool { v, _ := b.At(l.Name, "", name); return v.Bool() }
	return secure.Options{
		Stores: secure.Stores{
			KeyLocation: at("ssl.keystore.location"), KeyStore: at("ssl.keystore.password"), KeyPassword: at("ssl.key.password"),
			Key: at("ssl.keystore.key"), Chain: at("ssl.keystore.certificate.chain"),
			TrustLocation: at("ssl.truststore.location"), TrustPassword: at("ssl.truststore.password"), Trust: at("ssl.truststore.certificates"),
		},
		ClientAuth: at("ssl.client.auth"), Protocols: list("ssl.enabled.protocols"), Suites: list("ssl.cipher.suites"),
		AllowDN: flag("ssl.allow.dn.changes"), AllowSAN: flag("ssl.allow.san.changes"),
	}
}

func textAt(b *config.Broker, listener, name string) string {
	v, _ := b.At(listener, "", name)
	return v.String()
}

// listeners are the network's.
func (n *node) listeners() []broker.Listener {
	var out []broker.Listener
	for i, l := range n.settings.Listeners() {
		s := n.secured[i]
		b := broker.Listener{Name: l.Name, Address: l.Bind(), Local: l.Local, Protocol: l.Protocol, Identify: s.identify, Login: s.login}
		if s.tls != nil {
			b.TLS = s.tls.Config()
		}
		out = append(out, b)
	}
	return out
}

// keepCertificates looks for new certificates, and at once when it is told to.
func (n *node) keepCertificates(ctx context.Context) error {
	tick := time.NewTicker(reloadInterval)
	defer tick.Stop()
	complained := make(map[string]string)
	for {
		select {
		case <-tick.C:
		case <-n.seams.Reload:
			clear(complained)
		case <-ctx.Done():
			return nil
		}
		for i := range n.secured {
			n.reload(&n.secured[i], complained)
		}
		n.tellExpiry()
	}
}

// reload takes over what has changed in the stores of a listener. The same fault is said
// once.
func (n *node) reload(s *secured, complained map[string]string) {
	if s.tls == nil {
		return
	}
	changed, err := s.tls.Reload()
	switch {
	case err != nil && complained[s.name] != err.Error():
		complained[s.name] = err.Error()
		n.logger.Named("tls").Error("the new certificates cannot be used: the old ones stay", zap.String("listener", s.name), zap.Error(err))
	case err == nil:
		delete(complained, s.name)
	}
	if changed {
		n.logger.Named("tls").Info("new certificates", zap.String("listener", s.name), zap.Time("valid_until", s.tls.Expires()))
	}
}

func (n *node) tellExpiry() {
	for _, s := range n.secured {
		if s.tls != nil {
			n.expiry.WithLabelValues(s.name).Set(float64(s.tls.Expires().Unix()))
		}
	}
}
