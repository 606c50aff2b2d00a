package protobuf

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// difference is one of the kinds below at a place: "#/Message/3", or the name of a oneof
// behind the message.
type difference struct{ kind, pointer string }

// compatible are the kinds by their names in Confluent's API.
var compatible = map[string]bool{
	"PACKAGE_CHANGED": false,
	"MESSAGE_ADDED":   true, "MESSAGE_REMOVED": false, "MESSAGE_MOVED": true,
	"ENUM_ADDED": true, "ENUM_REMOVED": true,
	"ENUM_CONST_ADDED": true, "ENUM_CONST_CHANGED": true, "ENUM_CONST_REMOVED": true,
	"FIELD_ADDED": true, "FIELD_REMOVED": true, "FIELD_NAME_CHANGED": true,
	"FIELD_KIND_CHANGED": false, "FIELD_SCALAR_KIND_CHANGED": false, "FIELD_NAMED_TYPE_CHANGED": false,
	"FIELD_NUMERIC_LABEL_CHANGED": false, "FIELD_STRING_OR_BYTES_LABEL_CHANGED": true,
	"REQUIRED_FIELD_ADDED": false, "REQUIRED_FIELD_REMOVED": false,
	"ONEOF_ADDED": true, "ONEOF_REMOVED": true,
	"ONEOF_FIELD_ADDED": true, "ONEOF_FIELD_REMOVED": false, "ONEOF_FIELD_MOVED_TO_TOP_LEVEL": true,
	"MULTIPLE_FIELDS_MOVED_TO_ONEOF": false, "FIELD_MOVED_TO_EXISTING_ONEOF": false,
}

var sentences = map[string]string{
	"PACKAGE_CHANGED":                "The package at path '%' of the {reader} schema is not that of the {writer} schema",
	"MESSAGE_REMOVED":                "The {reader} schema lacks the message at path '%', which the {writer} schema has",
	"FIELD_KIND_CHANGED":             "The field at path '%' of the {reader} schema is of another kind (scalar, message, group, map) than in the {writer} schema",
	"FIELD_SCALAR_KIND_CHANGED":      "The type of the field at path '%' of the {reader} schema is encoded otherwise than that of the {writer} schema",
	"FIELD_NAMED_TYPE_CHANGED":       "The type of the field at path '%' of the {reader} schema is another one than in the {writer} schema",
	"FIELD_NUMERIC_LABEL_CHANGED":    "The numeric field at path '%' is repeated in one of the {reader} and the {writer} schema only",
	"REQUIRED_FIELD_ADDED":           "The {reader} schema requires the field at path '%', which the {writer} schema does not",
	"REQUIRED_FIELD_REMOVED":         "The {reader} schema lacks the field at path '%', which the {writer} schema requires",
	"ONEOF_FIELD_REMOVED":            "The {reader} schema lacks the field at path '%', which is part of a oneof in the {writer} schema",
	"MULTIPLE_FIELDS_MOVED_TO_ONEOF": "The oneof at path '%' of the {reader} schema has several fields that exclude each other in the {reader} schema only",
	"FIELD_MOVED_TO_EXISTING_ONEOF":  "The field at path '%' is part of a oneof of the {reader} schema whose other fields it does not exclude in the {writer} schema",
}

func (d *difference) public() schema.Difference {
	return schema.Difference{Kind: d.kind, Pointer: d.pointer, Quote: '"',
		Description: strings.ReplaceAll(sentences[d.kind], "%", d.pointer)}
}

// toldMax is how many bytes of differences are listed; what is beyond does not change the verdict.
const toldMax = 1 << 20

type comparison struct {
	old, next *parsed
	work      *schema.Work
	err       error
	found     []difference
	foundLen  int
	bad       bool            // something incompatible was found
	met       map[string]bool // pairs of types of references that were compared
}

// compare returns the differences between two schemas, compatible ones too, in the order of
// a walk over the new one. The error is schema.ErrTooMuch.
func compare(old, next *parsed, w *schema.Work) ([]difference, error) {
	c := &comparison{old: old, next: next, work: w, met: map[string]bool{}}
	if old.file.pkg != next.file.pkg {
		c.tell("PACKAGE_CHANGED", "#")
	}
	c.messages("#", old.file.pkg, next.file.pkg, old.file.messages, next.file.messages)
	c.enums("#", old.file.enums, next.file.enums)
	return c.found, c.err
}

func (c *comparison) step(n int) bool {
	if c.err == nil {
		c.err = c.work.Step(n)
	}
	return c.err == nil
}

func (c *comparison) tell(kind, at string) {
	c.step(1)
	c.bad = c.bad || !compatible[kind]
	if c.foundLen > toldMax && (compatible[kind] || c.bad) {
		return
	}
	c.found = append(c.found, difference{kind, at})
	c.foundLen += len(kind) + len(at)
}

// messages compares lists of messages by name; old and next scopes are the full names of
// what they are in.
func (c *comparison) messages(at, oldScope, nextScope string, old, next []*message) {
	before := map[string]int{}
	for i, m := range old {
		before[m.name] = i
	}
	now := map[string]bool{}
	for i, m := range next {
		now[m.name] = true
		here := at + "/" + m.name
		was, ok := before[m.name]
		if !ok {
			c.tell("MESSAGE_ADDED", here)
			continue
		}
		if was != i {
			c.tell("MESSAGE_MOVED", here)
		}
		c.message(here, join(oldScope, m.name), join(nextScope, m.name), old[was], m)
	}
	for _, m := range old {
		if !now[m.name] {
			c.tell("MESSAGE_REMOVED", at+"/"+m.name)
		}
	}
}

func (c *comparison) message(at, oldScope, nextScope string, old, next *message) {
	if !c.step(1 + len(old.fields) + len(next.fields)) {
		return
	}
	c.fields(at, oldScope, nextScope, old, next)
	c.oneofs(at, old, next)
	c.messages(at, oldScope, nextScope, old.messages, next.messages)
	c.enums(at, old.enums, next.enums)
}

func (c *comparison) enums(at string, old, next []*enum) {
	before := map[string]*enum{}
	for _, e := range old {
		before[e.name] = e
	}
	now := map[string]bool{}
	for _, e := range next {
		now[e.name] = true
		if was := before[e.name]; was != nil {
			c.constants(at+"/"+e.name, was, e)
		} else {
			c.tell("ENUM_ADDED", at+"/"+e.name)
		}
	}
	for _, e := range old {
		if !now[e.name] {
			c.tell("ENUM_REMOVED", at+"/"+e.name)
		}
	}
}

func (c *comparison) constants(at string, old, next *enum) {
	before := map[int]string{}
	for _, v := range old.constants {
		if before[v.tag] == "" {
			before[v.tag] = v.name
		}
	}
	now := map[int]bool{}
	for _, v := range next.constants {
		here := at + "/" + strconv.Itoa(v.tag)
		switch was := before[v.tag]; {
		case now[v.tag]: // an alias
		case was == "":
			c.tell("ENUM_CONST_ADDED", here)
		case was != v.name:
			c.tell("ENUM_CONST_CHANGED", here)
		}
		now[v.tag] = true
	}
	for _, v := range old.constants {
		if !now[v.tag] {
			c.tell("ENUM_CONST_REMOVED", at+"/"+strconv.Itoa(v.tag))
			now[v.tag] = true
		}
	}
}

func byTag(list []field) map[int]*field {
	out := make(map[int]*field, len(list))
	for i := range list {
		out[list[i].tag] = &list[i]
	}
	return out
}

// fields compares the fields of two messages by number, those of oneofs too.
func (c *comparison) fields(at, oldScope, nextScope string, old, next *message) {
	oldFields, nextFields := old.all(), next.all()
	before, now := byTag(oldFields), byTag(nextFields)
	for i := range nextFields {
		f := &nextFields[i]
		here := at + "/" + strconv.Itoa(f.tag)
		switch was := before[f.tag]; {
		case was != nil:
			c.field(here, oldScope, nextScope, was, f)
		case f.label == "required":
			c.tell("REQUIRED_FIELD_ADDED", here)
		default:
			c.tell("FIELD_ADDED", here)
		}
	}
	for i := range oldFields {
		f := &oldFields[i]
		switch here := at + "/" + strconv.Itoa(f.tag); {
		case now[f.tag] != nil:
		case f.label == "required":
			c.tell("REQUIRED_FIELD_REMOVED", here)
		default:
			c.tell("FIELD_REMOVED", here)
		}
	}
}

func (c *comparison) field(at, oldScope, nextScope string, old, next *field) {
	if old.name != next.name {
		c.tell("FIELD_NAME_CHANGED", at)
	}
	if old.label != "required" && next.label == "required" {
		c.tell("REQUIRED_FIELD_ADDED", at) // what was written before may lack it
	}
	before, now := c.old.shape(oldScope, old), c.next.shape(nextScope, next)
	if before.kind != now.kind {
		c.tell("FIELD_KIND_CHANGED", at)
		return
	}
	if before.kind == "map" {
		c.field(at, oldScope, nextScope, &field{typ: old.key}, &field{typ: next.key})
		c.field(at, oldScope, nextScope, &field{typ: old.value}, &field{typ: next.value})
		return
	}
	c.shapes(at, before, now)
	if (old.label == "repeated") != (next.label == "repeated") && before.kind == "scalar" {
		if before.wire == "bytes" && now.wire == "bytes" {
			c.tell("FIELD_STRING_OR_BYTES_LABEL_CHANGED", at)
		} else {
			c.tell("FIELD_NUMERIC_LABEL_CHANGED", at)
		}
	}
}

// shape is how a field's type counts.
type shape struct {
	kind string // scalar, message, group, map
	wire string // of a scalar: how it is encoded
	name string // of a message, within its package
	typ  *typ
}

func (p *parsed) shape(scope string, f *field) shape {
	if f.key != "" {
		return shape{kind: "map"}
	}
	if wire := scalars[f.typ]; wire != "" {
		return shape{kind: "scalar", wire: wire}
	}
	t := p.resolve(scope, f.typ)
	switch {
	case t == nil:
		return shape{kind: "message", name: strings.TrimPrefix(f.typ, ".")}
	case t.message == nil:
		return shape{kind: "scalar", wire: "integer"}
	case f.isGroup:
		return shape{kind: "group", name: t.relative(), typ: t}
	}
	return shape{kind: "message", name: t.relative(), typ: t}
}

// shapes compares the types of two fields of one kind. What is defined by a reference on
// both sides, and is not the same there, is compared with all that it has.
func (c *comparison) shapes(at string, old, next shape) {
	switch {
	case old.wire != next.wire:
		c.tell("FIELD_SCALAR_KIND_CHANGED", at)
	case old.name != next.name:
		c.tell("FIELD_NAMED_TYPE_CHANGED", at)
	case old.kind == "group":
		c.message(at, old.typ.full, next.typ.full, old.typ.message, next.typ.message)
	case old.typ != nil && next.typ != nil && (old.typ.far || next.typ.far):
		pair := old.typ.full + " " + next.typ.full
		if c.met[pair] || !c.step(1) {
			return
		}
		c.met[pair] = true
		from := len(c.found)
		was := c.bad
		c.bad = false
		c.message(at, old.typ.full, next.typ.full, old.typ.message, next.typ.message)
		if c.bad && len(c.found) == from {
			c.tell("FIELD_NAMED_TYPE_CHANGED", at)
		}
		c.bad = c.bad || was
	}
}
