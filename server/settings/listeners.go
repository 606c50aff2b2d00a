package settings

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Listener is a named address to bind.
type Listener struct {
	Name string // "PLAINTEXT"
	Host string // "" is every interface
	Port int32
}

// Bind returns host:port as net.Listen takes it.
func (l Listener) Bind() string { return net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port))) }

// Address is where clients find the broker.
type Address struct {
	Host string
	Port int32
}

// readListeners makes listeners and advertised.listeners of their settings, by
// Kafka's rules: names are unique, each has a security protocol, and every
// advertised name is a listener's. A listener on every interface that is not
// advertised is told to clients as localhost: that works on one machine without any
// setting, and a cluster of machines needs advertised.listeners anyway.
func (s *Settings) readListeners() error {
	protocols, err := s.protocols()
	if err != nil {
		return err
	}
	var faults []error
	s.advertised = make(map[string]Address)
	ports := make(map[string]string)
	for _, text := range s.broker.List("listeners") {
		l, err := parseListener(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("listeners: %w", err))
			continue
		}
		switch p, known := protocols[l.Name]; {
		case !known:
			faults = append(faults, fmt.Errorf("listeners: %s has no protocol; add %s:PLAINTEXT to listener.security.protocol.map", l.Name, l.Name))
		case p != "PLAINTEXT":
			faults = append(faults, fmt.Errorf("listeners: %s asks for %s, which is not built; use PLAINTEXT", l.Name, p))
		}
		if _, twice := s.advertised[l.Name]; twice {
			faults = append(faults, fmt.Errorf("listeners: the name %s is there twice", l.Name))
		}
		if other, taken := ports[l.Bind()]; taken && l.Port != 0 {
			faults = append(faults, fmt.Errorf("listeners: %s and %s have the same address %s", other, l.Name, l.Bind()))
		}
		ports[l.Bind()] = l.Name
		s.listeners = append(s.listeners, l)
		s.advertised[l.Name] = l.tell()
	}
	if len(s.listeners) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("listeners: at least one is needed, for example PLAINTEXT://:9092"))
	}
	named := make(map[string]bool)
	for _, text := range s.broker.List("advertised.listeners") {
		l, err := parseListener(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("advertised.listeners: %w", err))
			continue
		}
		if named[l.Name] {
			faults = append(faults, fmt.Errorf("advertised.listeners: the name %s is there twice", l.Name))
			continue
		}
		named[l.Name] = true
		if _, ok := s.advertised[l.Name]; !ok {
			faults = append(faults, fmt.Errorf("advertised.listeners: %s is not among the listeners", l.Name))
			continue
		}
		if wildcard(l.Host) {
			faults = append(faults, fmt.Errorf("advertised.listeners: %s needs a host that clients can reach, not %q", l.Name, l.Host))
			continue
		}
		s.advertised[l.Name] = Address{l.Host, l.Port}
	}
	return errors.Join(faults...)
}

// protocols reads listener.security.protocol.map.
func (s *Settings) protocols() (map[string]string, error) {
	out := make(map[string]string)
	var faults []error
	for _, pair := range strings.Split(s.broker.String("listener.security.protocol.map"), ",") {
		name, protocol, ok := strings.Cut(strings.TrimSpace(pair), ":")
		if !ok {
			faults = append(faults, fmt.Errorf("listener.security.protocol.map: %q is not NAME:PROTOCOL", pair))
			continue
		}
		out[strings.ToUpper(strings.TrimSpace(name))] = strings.ToUpper(strings.TrimSpace(protocol))
	}
	return out, errors.Join(faults...)
}

// parseListener reads NAME://host:port; the host may be empty.
func parseListener(text string) (Listener, error) {
	name, rest, ok := strings.Cut(strings.TrimSpace(text), "://")
	if !ok || name == "" {
		return Listener{}, fmt.Errorf("%q is not of the form PLAINTEXT://host:port", text)
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Listener{}, fmt.Errorf("%q: %w", text, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Listener{}, fmt.Errorf("%q: port %q is not a number from 0 to 65535", text, port)
	}
	return Listener{Name: strings.ToUpper(name), Host: host, Port: int32(n)}, nil
}

// tell is the address of a listener for clients when none is advertised.
func (l Listener) tell() Address {
	if wildcard(l.Host) {
		return Address{"localhost", l.Port}
	}
	return Address{l.Host, l.Port}
}

func wildcard(host string) bool {
	if host == "" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}
