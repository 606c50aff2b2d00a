package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Version is a schema of a subject in a check.
type Version struct {
	Number int32
	Schema *Schema
	// Parse parses the schema when the check comes to it.
	Parse func() (Parsed, error)
}

// Check is what a new version is held to.
type Check struct {
	Level          Level
	Policy         Policy
	ValidateFields bool
	// Group is the metadata property that versions must share to be compared; "": all are.
	Group string
}

// oldSchemaMax is how much of an old schema's text a message repeats.
const oldSchemaMax = 10 << 10

// Compare returns why next does not fit to the versions before it, which come oldest
// first; nothing: it fits. Errors are those of parsing, and ErrTooMuch.
func (c *Check) Compare(next *Version, before []Version, w *Work) ([]string, error) {
	parsed, err := next.Parse()
	if err != nil {
		return nil, err
	}
	before = c.relevant(next, before)
	var messages []string
	for _, old := range slices.Backward(before) {
		if messages, err = c.pair(next, parsed, &old, w); err != nil || len(messages) > 0 {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if c.ValidateFields && len(messages) == 0 {
		messages = reserved(next, parsed, before)
	}
	if len(messages) == 0 {
		return nil, nil
	}
	return append(messages, fmt.Sprintf("{validateFields: '%v', compatibility: '%s'}", c.ValidateFields, c.Level)), nil
}

// relevant are the versions that the level and the group leave.
func (c *Check) relevant(next *Version, before []Version) []Version {
	if c.Level == None {
		return nil
	}
	if c.Group != "" {
		group := next.Schema.Metadata.Property(c.Group)
		before = slices.DeleteFunc(slices.Clone(before), func(v Version) bool {
			return v.Schema.Metadata.Property(c.Group) != group
		})
	}
	if n := len(before); n > 1 && !c.Level.Transitive() {
		before = before[n-1:]
	}
	return before
}

// pair compares two schemas by the level.
func (c *Check) pair(next *Version, parsed Parsed, old *Version, w *Work) ([]string, error) {
	if next.Schema.Type != old.Schema.Type {
		return describe([]string{"Incompatible because of different schema type"}, old), nil
	}
	was, err := old.Parse()
	if err != nil {
		return nil, err
	}
	var out []string
	plain := c.Level.plain()
	if plain == Forward || plain == Full {
		if out, err = messages(was, parsed, c.Policy, w, "old", "new"); err != nil {
			return nil, err
		}
		if plain == Forward && len(out) > 0 {
			return describe(out, old), nil
		}
	}
	if plain == Backward || plain == Full {
		found, err := messages(parsed, was, c.Policy, w, "new", "old")
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			out = append(out, describe(found, old)...)
		}
	}
	return out, nil
}

func messages(reader, writer Parsed, p Policy, w *Work, readerIs, writerIs string) ([]string, error) {
	found, err := reader.Differences(writer, p, w)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(found))
	for i := range found {
		out[i] = found[i].Message(readerIs, writerIs)
	}
	return out, nil
}

// describe adds which version was compared.
func describe(messages []string, old *Version) []string {
	text := old.Schema.Text
	if len(text) > oldSchemaMax {
		text = strings.ToValidUTF8(text[:oldSchemaMax], "") + "..."
	}
	return append(messages, fmt.Sprintf("{oldSchemaVersion: %d}", old.Number), fmt.Sprintf("{oldSchema: '%s'}", text))
}

// reserved finds names that may not be fields, and those that were reserved and are not.
func reserved(next *Version, parsed Parsed, before []Version) []string {
	now := reservedNames(next.Schema)
	var out []string
	if n := len(before); n > 0 {
		for _, name := range reservedNames(before[n-1].Schema) {
			if !slices.Contains(now, name) {
				out = append(out, fmt.Sprintf("{errorType:'RESERVED_FIELD_REMOVED', description:'The new schema has reserved field %s removed from its metadata which is present in the old schema's metadata.'}", name))
			}
		}
	}
	fields := parsed.Fields()
	for _, name := range now {
		if slices.Contains(fields, name) {
			out = append(out, fmt.Sprintf("{errorType:'FIELD_CONFLICTS_WITH_RESERVED_FIELD', description:'The new schema has field that conflicts with the reserved field %s.'}", name))
		}
	}
	return out
}

func reservedNames(s *Schema) []string {
	var out []string
	for name := range strings.SplitSeq(s.Metadata.Property(ReservedProperty), ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return set(out)
}
