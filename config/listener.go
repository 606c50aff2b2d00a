package config

import (
	"slices"
	"strings"
)

// What the names of one listener's settings are made of.
const (
	listenerPrefix = "listener.name."
	listenerLimit  = "max.connections"
)

// mechanisms are those of SASL, as they stand in names of settings.
var mechanisms = []string{"gssapi", "oauthbearer", "plain", "scram-sha-256", "scram-sha-512"}

// perMechanism are the settings that one mechanism of a listener has for itself.
var perMechanism = []string{"connections.max.reauth.ms", "sasl.jaas.config"}

// OfListener is the name of a setting that one listener has for itself, taken apart:
// listener.name.LISTENER.[MECHANISM.]NAME.
type OfListener struct {
	Listener  string // in small letters
	Mechanism string // in small letters; empty: for all
	Name      string // of the setting that it stands before
}

// SplitListener takes a name apart; ok is false if it is not of that form, or the setting is
// none that a listener has for itself.
func SplitListener(name string) (o OfListener, ok bool) {
	rest, ok := strings.CutPrefix(name, listenerPrefix)
	if !ok {
		return o, false
	}
	o.Listener, o.Name, ok = strings.Cut(rest, ".")
	if !ok || o.Listener == "" || o.Listener != strings.ToLower(o.Listener) {
		return o, false
	}
	if first, behind, ok := strings.Cut(o.Name, "."); ok && slices.Contains(mechanisms, first) {
		o.Mechanism, o.Name = first, behind
		return o, brokerTable.Get(o.Name) != nil && (slices.Contains(perMechanism, o.Name) || strings.HasPrefix(o.Name, "sasl."))
	}
	secures := strings.HasPrefix(o.Name, "ssl.") || strings.HasPrefix(o.Name, "sasl.") || o.Name == "connections.max.reauth.ms" ||
		o.Name == "principal.builder.class"
	return o, o.Name == listenerLimit || secures && brokerTable.Get(o.Name) != nil
}

// Listener is the definition of a setting that one listener, or one mechanism of it, has for
// itself, or nil.
func Listener(name string) *Def { return listenerDef(name) }

// listenerDef is Listener. How many connections a listener keeps open is beside the broker's
// own limit; all others go before the setting without the prefix.
func listenerDef(name string) *Def {
	o, ok := SplitListener(name)
	if !ok {
		return nil
	}
	d := *brokerTable.Get(o.Name)
	d.Name, d.Default, d.ReadOnly = name, nil, true // read-only is how Kafka shows it
	if o.Name == "sasl.jaas.config" && o.Mechanism != "" {
		d.Effect = Acts
	}
	return &d
}

// ListenerOf is the listener, in small letters, whose limit of connections a setting is;
// it is empty for all other names.
func ListenerOf(name string) string {
	if o, ok := SplitListener(name); ok && o.Name == listenerLimit {
		return o.Listener
	}
	return ""
}

// ListenerLimits are the limits that listeners have for themselves.
func (b *Broker) ListenerLimits() map[string]int {
	limits := make(map[string]int)
	for _, name := range b.ofListeners() {
		if listener := ListenerOf(name); listener != "" {
			limits[listener] = int(b.Int(name))
		}
	}
	return limits
}

// At is a setting as a listener has it, and one of its mechanisms if that is not empty: the
// most special name that is set counts. ok is false when it has no value.
func (b *Broker) At(listener, mechanism, name string) (v Value, ok bool) {
	prefix := listenerPrefix + strings.ToLower(listener) + "."
	if mechanism != "" {
		if own := prefix + strings.ToLower(mechanism) + "." + name; b.has(own) {
			return b.Get(own)
		}
	}
	if own := prefix + name; b.has(own) {
		return b.Get(own)
	}
	return b.Get(name)
}

// OwnAt says whether a listener has a setting for itself.
func (b *Broker) OwnAt(listener, name string) bool {
	return b.has(listenerPrefix + strings.ToLower(listener) + "." + name)
}
