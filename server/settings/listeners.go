package settings

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/config"
)

// Listener is a named address to bind.
type Listener struct {
	Name string // "PLAINTEXT"
	Host string // "" is every interface
	Port int32
	// Protocol is what is spoken there: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
	Protocol string
	// Local says that clients are told localhost, since the listener is on every address
	// and none is advertised.
	Local bool
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
// setting, and a cluster of machines needs advertised.listeners anyway. Listeners of
// Kafka's controllers (controller.listener.names) are passed by in both.
func (s *Settings) readListeners() error {
	protocols, err := s.protocols()
	if err != nil {
		return err
	}
	var faults []error
	s.advertised = make(map[string]Address)
	ports := make(map[string]string)
	controller := s.controllers()
	for _, text := range s.broker.List("listeners") {
		l, err := parseListener(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("listeners: %w", err))
			continue
		}
		if controller[l.Name] {
			continue
		}
		switch p, known := protocols[l.Name]; {
		case !known:
			faults = append(faults, fmt.Errorf("listeners: %s has no protocol; add %s:PLAINTEXT to listener.security.protocol.map", l.Name, l.Name))
		case !slices.Contains(spoken, p):
			faults = append(faults, fmt.Errorf("listeners: %s asks for %s, which is none of %s", l.Name, p, strings.Join(spoken, ", ")))
		default:
			l.Protocol = p
		}
		if _, twice := s.advertised[l.Name]; twice {
			faults = append(faults, fmt.Errorf("listeners: the name %s is there twice", l.Name))
		}
		if other, taken := ports[l.Bind()]; taken && l.Port != 0 {
			faults = append(faults, fmt.Errorf("listeners: %s and %s have the same address %s", other, l.Name, l.Bind()))
		}
		ports[l.Bind()] = l.Name
		l.Local = wildcard(l.Host)
		s.listeners = append(s.listeners, l)
		s.advertised[l.Name] = l.tell()
	}
	if len(s.listeners) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("listeners: at least one is needed, for example PLAINTEXT://:9092; those of controller.listener.names do not count"))
	}
	faults = append(faults, s.readAdvertised(controller), s.checkPrefixes(controller))
	return errors.Join(faults...)
}

// spoken are the protocols of listeners.
var spoken = []string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}

// checkPrefixes refuses settings for a listener that is not there: they would protect
// nothing.
func (s *Settings) checkPrefixes(controller map[string]bool) error {
	var faults []error
	for _, name := range sortedNames(s.values) {
		o, ok := config.SplitListener(name)
		if !ok || controller[strings.ToUpper(o.Listener)] {
			continue
		}
		if _, there := s.advertised[strings.ToUpper(o.Listener)]; !there {
			faults = append(faults, fmt.Errorf("%s (%s): there is no listener %s among listeners", name, s.values[name].origin, strings.ToUpper(o.Listener)))
		}
	}
	return errors.Join(faults...)
}

// readAdvertised reads advertised.listeners over what the listeners say themselves.
func (s *Settings) readAdvertised(controller map[string]bool) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("advertised.listeners: "+format, args...))
	}
	named := make(map[string]bool)
	for _, text := range s.broker.List("advertised.listeners") {
		l, err := parseListener(text)
		if err != nil {
			fault("%w", err)
			continue
		}
		_, known := s.advertised[l.Name]
		switch {
		case controller[l.Name]:
			continue
		case named[l.Name]:
			fault("the name %s is there twice", l.Name)
		case !known:
			fault("%s is not among the listeners", l.Name)
		case wildcard(l.Host):
			fault("%s needs a host that clients can reach, not %q", l.Name, l.Host)
		default:
			s.advertise(l)
		}
		named[l.Name] = true
	}
	return errors.Join(faults...)
}

// advertise has clients of a listener told another address than its own.
func (s *Settings) advertise(l Listener) {
	s.advertised[l.Name] = Address{l.Host, l.Port}
	for i := range s.listeners {
		if s.listeners[i].Name == l.Name {
			s.listeners[i].Local = false
		}
	}
}

// controllers are the names in controller.listener.names.
func (s *Settings) controllers() map[string]bool {
	names := make(map[string]bool)
	for _, name := range s.broker.List("controller.listener.names") {
		names[strings.ToUpper(name)] = true
	}
	return names
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
