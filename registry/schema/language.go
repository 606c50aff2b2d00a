package schema

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of one schema, whatever its type.
const (
	// DepthMax is how deep brackets of a text may be nested.
	DepthMax = 200
	// NamedMax is how many named types a schema may have, those of references counted.
	NamedMax = 10_000
	// StepsMax is the work of one comparison.
	StepsMax = 10_000_000
)

// Source is a text to be parsed with what it refers to.
type Source struct {
	Text string
	// References are all that the text refers to, at any depth: each name once, and each
	// behind those that it refers to itself.
	References []Resolved
	// Strict holds the text to the rules for new schemas: names and defaults. Stored ones
	// are read leniently. References are always read leniently.
	Strict bool
}

// Resolved is a schema that another one refers to by name.
type Resolved struct {
	Name string
	Text string
	// Direct: the schema itself names it, and not only one of its references.
	Direct bool
}

// Invalid is why a text is not a schema. Line and column count from 1 and are 0 where the
// parser does not tell.
type Invalid struct {
	Reason       string
	Line, Column int
}

// Error is the reason with the place.
func (e *Invalid) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("%s (line %d, column %d)", e.Reason, e.Line, e.Column)
}

// Invalidf is an Invalid without a place.
func Invalidf(format string, args ...any) *Invalid {
	return &Invalid{Reason: fmt.Sprintf(format, args...)}
}

// ErrTooMuch is what a comparison ends with that reaches its bound of steps or of time.
var ErrTooMuch = errors.New("the comparison takes too much work")

// Work bounds a comparison: rules have no clock. The zero value bounds steps alone.
type Work struct {
	// Stop is asked every few thousand steps whether to give up; nil: never.
	Stop  func() bool
	steps int
}

// stopEvery is how many steps lie between two questions to Stop.
const stopEvery = 4096

// Step counts n steps. The error is ErrTooMuch.
func (w *Work) Step(n int) error {
	before := w.steps / stopEvery
	w.steps += n
	if w.steps > StepsMax {
		return ErrTooMuch
	}
	if w.Stop != nil && w.steps/stopEvery != before && w.Stop() {
		return ErrTooMuch
	}
	return nil
}

// Language is the port of a schema type: Avro, JSON Schema, Protobuf. Implementations are
// pure and may be used by many goroutines.
type Language interface {
	// Type is the name of the schema type.
	Type() Type
	// Parse reads a text. It bounds depth and names itself; the text's length was bounded
	// by the caller. Errors are *Invalid.
	Parse(src *Source) (Parsed, error)
}

// Parsed is a schema as its language understands it; it never changes and may be shared.
type Parsed interface {
	// Text is the schema as the registry stores it: without what the type's usual
	// libraries do not keep (white space, comments). Parsing it gives the same Text.
	Text() string
	// Normal is the text that schemas share which differ in nothing that counts
	// (normalize=true). Its normal form is itself.
	Normal() string
	// Format is the text in another form that the type knows by name ("resolved",
	// "serialized", "ignore_extensions"); an unknown name gives Text.
	Format(name string) string
	// Differences returns what hinders this schema from reading what was written with
	// old, a Parsed of the same type: all incompatible differences under the policy, in
	// the order of a walk over this schema. Errors: ErrTooMuch.
	Differences(old Parsed, policy Policy, w *Work) ([]Difference, error)
	// RecordName is the full name of the record that a message holds, as the record name
	// strategies have it. indexes are Protobuf's message indexes and nil for other types.
	// false: the schema has no such record.
	RecordName(indexes []int) (string, bool)
	// Fields are the names of the fields of the topmost record, for confluent:reserved.
	Fields() []string
	// Bytes is about how much memory the parsed schema takes.
	Bytes() int
}

// Difference is one reason why a schema cannot read what another one wrote.
type Difference struct {
	Kind string // "READER_FIELD_MISSING_DEFAULT_VALUE"
	// Description is a sentence with the path. Where it says {reader} and {writer} it
	// comes to say new and old: which is which depends on the level.
	Description string
	// Info is what the type adds (Avro: additionalInfo); only Avro has it.
	Info string
	// Pointer is the path in the new schema, for tests and tools: a JSON pointer, or what
	// the type has instead.
	Pointer string
	// Quote is the quote around values of the message: ' for Avro, " for others.
	Quote byte
	// HasInfo: the message shows Info.
	HasInfo bool
}

// Message is the difference as the API's lists have it; reader and writer say which of
// the two schemas is which.
func (d *Difference) Message(reader, writer string) string {
	q := string(d.Quote)
	description := strings.NewReplacer("{reader}", reader, "{writer}", writer).Replace(d.Description)
	s := "{errorType:" + q + d.Kind + q + ", description:" + q + description + q
	if d.HasInfo {
		s += ", additionalInfo:" + q + d.Info + q
	}
	return s + "}"
}
