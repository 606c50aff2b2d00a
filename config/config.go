// Package config knows Kafka's configuration definitions: of topics, brokers and
// groups, and beside them StreamHouse's own settings. A definition says a setting's
// name, type, default, what values it takes and whether it acts here.
//
// The package is pure: it parses, validates, resolves and describes; storing and
// applying is somebody else's work (metadata/catalog, server/settings).
//
// Sources: the definitions of Apache Kafka 4.4.0 (names, types, defaults, bounds) and
// what its brokers answer to DescribeConfigs, IncrementalAlterConfigs (KIP-339) and
// CreateTopics. Documentation texts are our own.
package config

import (
	"sort"
	"strings"
)

// Type is the type of a setting, numbered as in DescribeConfigs v3 (KIP-569).
type Type int8

// The types.
const (
	Unknown  Type = 0
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3 // 32 bits
	Short    Type = 4 // 16 bits
	Long     Type = 5 // 64 bits
	Double   Type = 6
	List     Type = 7 // comma-separated strings
	Class    Type = 8 // the name of a Java class: accepted and shown, never loaded
	Password Type = 9 // never shown
)

var typeNames = [...]string{"UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}

// String returns Kafka's name of the type, for example "LONG".
func (t Type) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return typeNames[0]
	}
	return typeNames[t]
}

// Effect says what setting a value does in StreamHouse.
type Effect int8

// The effects. A setting without effect belongs to machinery that StreamHouse does
// not have; it is accepted and shown, so that scripts that set it go on working.
const (
	NoEffect Effect = iota
	Acts            // changes what the broker does
	Later           // stored and shown; the work that makes it act follows
	// Refused: asks for something that StreamHouse does not have and whose absence
	// must not go unnoticed, such as an authorizer. A value stops the start.
	Refused
)

// String returns the effect in the words of the documentation.
func (e Effect) String() string {
	switch e {
	case Acts:
		return "acts"
	case Later:
		return "stored, not acting yet"
	case Refused:
		return "refused"
	default:
		return "no effect"
	}
}

// Synonym is a broker setting from which a topic or group setting takes its value
// when the topic or group does not set it.
type Synonym struct {
	Name   string
	Factor int64 // what its value is multiplied with, for example hours to milliseconds
}

// Def is the definition of one setting.
type Def struct {
	Name     string
	Type     Type
	Default  *string // in canonical form; nil: there is none
	Valid    Validator
	ReadOnly bool // a broker's setting that cannot change while it runs
	OnlySet  bool // not shown unless it is set
	AnyCase  bool // a word in small letters, for which capitals do as well
	Effect   Effect
	Doc      string
	// Synonyms are tried in order; the first one that has a value wins.
	Synonyms []Synonym
}

// Sensitive reports whether the value must never be shown.
func (d *Def) Sensitive() bool { return d.Type == Password }

// Canonical parses raw and returns it in the form in which Kafka shows it: trimmed,
// numbers without sign or leading zeros, booleans in lower case.
func (d *Def) Canonical(raw string) (string, error) {
	v, err := d.Parse(raw)
	if err != nil {
		return "", err
	}
	return v.String(), nil
}

// Parse turns raw into a value and validates it. The error is a *ValueError.
func (d *Def) Parse(raw string) (Value, error) {
	v, err := parse(d.Name, d.Type, raw)
	if err != nil {
		return Value{}, err
	}
	if d.AnyCase {
		v.Str = strings.ToLower(v.Str)
	}
	if d.Valid.check != nil {
		if err := d.Valid.check(d.Name, v); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

// Table is a set of definitions with unique names. It is immutable.
type Table struct {
	defs   []*Def // by name
	byName map[string]*Def
}

// NewTable makes a table. Two definitions of one name are a mistake of the
// programmer and panic.
func NewTable(groups ...[]Def) *Table {
	t := &Table{byName: map[string]*Def{}}
	for _, g := range groups {
		for i := range g {
			d := &g[i]
			if t.byName[d.Name] != nil {
				panic("config: two definitions of " + d.Name)
			}
			t.byName[d.Name] = d
			t.defs = append(t.defs, d)
		}
	}
	sort.Slice(t.defs, func(i, j int) bool { return t.defs[i].Name < t.defs[j].Name })
	return t
}

// Get returns a definition, or nil.
func (t *Table) Get(name string) *Def { return t.byName[name] }

// All returns the definitions by name. The caller must not change them.
func (t *Table) All() []*Def { return t.defs }

// def starts a definition that shows a default; the methods below finish it.
func def(name string, typ Type, deflt string, valid Validator, doc string) Def {
	return Def{Name: name, Type: typ, Default: &deflt, Valid: valid, Doc: doc, ReadOnly: true}
}

// unset starts a definition without a default.
func unset(name string, typ Type, valid Validator, doc string) Def {
	return Def{Name: name, Type: typ, Valid: valid, Doc: doc, ReadOnly: true}
}

func (d Def) acts() Def    { d.Effect = Acts; return d }
func (d Def) later() Def   { d.Effect = Later; return d }
func (d Def) refused() Def { d.Effect = Refused; return d }
func (d Def) anyCase() Def { d.AnyCase = true; return d }
func (d Def) dynamic() Def { d.ReadOnly = false; return d }
func (d Def) onlySet() Def { d.ReadOnly, d.OnlySet = false, true; return d }

// from names the broker settings behind a topic or group setting.
func (d Def) from(names ...Synonym) Def {
	d.Synonyms = names
	return d
}

// as is a synonym in the same unit.
func as(name string) Synonym { return Synonym{Name: name, Factor: 1} }
