package config

import (
	"maps"
	"slices"
	"strings"
)

// Source says where a value comes from, numbered as in DescribeConfigs.
type Source int8

// The sources.
const (
	SourceTopic          Source = 1 // set for the topic
	SourceBroker         Source = 2 // set for this broker, while it runs
	SourceClusterDefault Source = 3 // set for all brokers, while they run
	SourceStatic         Source = 4 // from the file, environment or flags
	SourceDefault        Source = 5
	SourceBrokerLogger   Source = 6 // a logger's level
	SourceClientMetrics  Source = 7 // set for the subscription
	SourceGroup          Source = 8 // set for the group
)

// String returns the name that Kafka's tools print.
func (s Source) String() string {
	switch s {
	case SourceTopic:
		return "DYNAMIC_TOPIC_CONFIG"
	case SourceBroker:
		return "DYNAMIC_BROKER_CONFIG"
	case SourceClusterDefault:
		return "DYNAMIC_DEFAULT_BROKER_CONFIG"
	case SourceStatic:
		return "STATIC_BROKER_CONFIG"
	case SourceBrokerLogger:
		return "DYNAMIC_BROKER_LOGGER_CONFIG"
	case SourceClientMetrics:
		return "DYNAMIC_CLIENT_METRICS_CONFIG"
	case SourceGroup:
		return "DYNAMIC_GROUP_CONFIG"
	default:
		return "DEFAULT_CONFIG"
	}
}

// Broker is what a broker's settings are at one moment, in layers: set for this
// broker, set for all brokers, set at the start, default. The first layer that has a
// value wins. It is immutable; With makes another one.
type Broker struct {
	NodeID  int32
	own     map[string]string
	cluster map[string]string
	static  map[string]string
}

// NewBroker makes the settings of a broker from what it was started with. static
// must be validated already; it is not copied.
func NewBroker(nodeID int32, static map[string]string) *Broker {
	return &Broker{NodeID: nodeID, static: static}
}

// With returns the same settings with other dynamic layers, which are not copied.
func (b *Broker) With(cluster, own map[string]string) *Broker {
	return &Broker{NodeID: b.NodeID, static: b.static, cluster: cluster, own: own}
}

// layer is one source of values.
type layer struct {
	source Source
	values map[string]string
}

// layers returns the layers that can be set, strongest first.
func (b *Broker) layers() [3]layer {
	return [3]layer{{SourceBroker, b.own}, {SourceClusterDefault, b.cluster}, {SourceStatic, b.static}}
}

// Lookup returns a setting's text and where it comes from; ok is false when it has
// neither a value nor a default.
func (b *Broker) Lookup(name string) (raw string, source Source, ok bool) {
	for _, l := range b.layers() {
		if raw, ok := l.values[name]; ok {
			return raw, l.source, true
		}
	}
	if d := lookupBroker(name); d != nil && d.Default != nil {
		return *d.Default, SourceDefault, true
	}
	return "", SourceDefault, false
}

// Get returns a setting's value; ok is false when it has none. Asking for a name that
// is not defined, or finding a value that was not validated, is a mistake of the
// program and panics.
func (b *Broker) Get(name string) (Value, bool) {
	d := lookupBroker(name)
	if d == nil {
		panic("config: no definition of " + name)
	}
	raw, _, ok := b.Lookup(name)
	if !ok {
		return Value{Type: d.Type}, false
	}
	v, err := parse(d.Name, d.Type, raw)
	if err != nil {
		panic("config: not validated: " + err.Error())
	}
	return v, true
}

// Int returns an integer setting, 0 when it has no value.
func (b *Broker) Int(name string) int64 { v, _ := b.Get(name); return v.Int }

// Bool returns a boolean setting.
func (b *Broker) Bool(name string) bool { v, _ := b.Get(name); return v.Bool() }

// String returns the text of a setting, "" when it has no value.
func (b *Broker) String(name string) string { v, _ := b.Get(name); return v.String() }

// List returns a list setting.
func (b *Broker) List(name string) []string { v, _ := b.Get(name); return v.List }

// Static returns a copy of what was set at the start.
func (b *Broker) Static() map[string]string { return maps.Clone(b.static) }

// resolve returns the value of the first synonym that has one, in the unit of the
// setting that refers to them.
func (b *Broker) resolve(synonyms []Synonym) (Value, bool) {
	for _, s := range synonyms {
		if v, ok := b.Get(s.Name); ok {
			if s.Factor != 0 && s.Factor != 1 {
				v.Int *= s.Factor
				v.Type = Long
			}
			return v, true
		}
	}
	return Value{}, false
}

func lookupBroker(name string) *Def {
	if d := brokerTable.Get(name); d != nil {
		return d
	}
	if d := serverTable.Get(name); d != nil {
		return d
	}
	return listenerDef(name)
}

// ofListeners are the settings of single listeners that are set, in order.
func (b *Broker) ofListeners() []string {
	var names []string
	for _, l := range b.layers() {
		for name := range l.values {
			if listenerDef(name) != nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// has says whether a setting is set anywhere.
func (b *Broker) has(name string) bool {
	_, source, ok := b.Lookup(name)
	return ok && source != SourceDefault
}

// hasListener says whether the broker has a listener of that name in small letters.
func (b *Broker) hasListener(name string) bool {
	for _, l := range b.List("listeners") {
		if own, _, ok := strings.Cut(l, "://"); ok && strings.ToLower(own) == name {
			return true
		}
	}
	return false
}
