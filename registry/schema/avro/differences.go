package avro

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// Differences finds what Java's SchemaCompatibility finds, pair by pair of types: a pair
// that was met before gives what it gave then, and one that is being looked at nothing.
func (p *parsed) Differences(old schema.Parsed, _ schema.Policy, w *schema.Work) ([]schema.Difference, error) {
	c := &comparison{work: w, memo: map[pair]*[]schema.Difference{}}
	return c.compare(p.root, old.(*parsed).root, nil)
}

type pair struct{ reader, writer *node }

type comparison struct {
	work *schema.Work
	memo map[pair]*[]schema.Difference
}

// path is where a comparison is in the reader's schema, innermost last.
type path []string

func (p path) with(tokens ...string) path { return append(slices.Clone(p), tokens...) }

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func (p path) pointer() string {
	parts := make([]string, len(p))
	for i, token := range p {
		parts[i] = pointerEscapes.Replace(token)
	}
	return "/" + strings.Join(parts, "/")
}

func (c *comparison) compare(reader, writer *node, at path) ([]schema.Difference, error) {
	key := pair{reader, writer}
	if seen := c.memo[key]; seen != nil {
		return *seen, c.work.Step(1 + len(*seen))
	}
	var none []schema.Difference
	c.memo[key] = &none
	found, err := c.pair(reader, writer, at)
	c.memo[key] = &found
	if err != nil {
		return nil, err
	}
	return found, c.work.Step(1 + len(found) + len(at))
}

func (c *comparison) pair(reader, writer *node, at path) ([]schema.Difference, error) {
	if reader.kind != writer.kind {
		return c.kinds(reader, writer, at)
	}
	switch reader.kind {
	case kindArray:
		return c.compare(reader.item, writer.item, at.with("items"))
	case kindMap:
		return c.compare(reader.item, writer.item, at.with("values"))
	case kindFixed:
		out := names(reader, writer, at)
		if reader.size != writer.size {
			out = append(out, difference("FIXED_SIZE_MISMATCH", at.with("size"),
				fmt.Sprintf("expected: %d, found: %d", writer.size, reader.size),
				"The size of a FIXED type at path '%s' in the {reader} schema is not that of the {writer} schema"))
		}
		return out, nil
	case kindEnum:
		return append(names(reader, writer, at), symbols(reader, writer, at)...), nil
	case kindRecord:
		fields, err := c.fields(reader, writer, at.with("fields"))
		return append(names(reader, writer, at), fields...), err
	case kindUnion:
		return c.unions(reader, writer, at)
	}
	return nil, nil
}

// unions: each branch of the writer must be one that the reader's union reads.
func (c *comparison) unions(reader, writer *node, at path) ([]schema.Difference, error) {
	var out []schema.Difference
	for i, b := range writer.branches {
		found, err := c.compare(reader, b, nil)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			out = append(out, missingBranch(b, at.with(strconv.Itoa(i))))
		}
	}
	return out, nil
}

func missingBranch(writer *node, at path) schema.Difference {
	return difference("MISSING_UNION_BRANCH", at, "reader union lacking writer type: "+strings.ToUpper(writer.kind),
		"The union at path '%s' in the {reader} schema lacks a type of the {writer} schema")
}

// kinds compares types of different kinds.
func (c *comparison) kinds(reader, writer *node, at path) ([]schema.Difference, error) {
	if writer.kind == kindUnion {
		var out []schema.Difference
		for _, b := range writer.branches {
			found, err := c.compare(reader, b, nil)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
		return out, nil
	}
	if reader.kind == kindUnion {
		for _, b := range reader.branches {
			found, err := c.compare(b, writer, nil)
			if err != nil || len(found) == 0 {
				return nil, err
			}
		}
		return []schema.Difference{missingBranch(writer, at)}, nil
	}
	if promotes(reader.kind, writer.kind) {
		return nil, nil
	}
	return []schema.Difference{difference("TYPE_MISMATCH", at,
		"reader type: "+strings.ToUpper(reader.kind)+" not compatible with writer type: "+strings.ToUpper(writer.kind),
		"The type at path '%s' in the {reader} schema does not read that of the {writer} schema")}, nil
}

// promotes has the promotions of the Avro specification.
func promotes(reader, writer string) bool {
	switch reader {
	case kindLong:
		return writer == kindInt
	case kindFloat:
		return writer == kindInt || writer == kindLong
	case kindDouble:
		return writer == kindInt || writer == kindLong || writer == kindFloat
	case kindBytes:
		return writer == kindString
	case kindString:
		return writer == kindBytes
	}
	return false
}

func names(reader, writer *node, at path) []schema.Difference {
	if reader.name.name == writer.name.name || slices.Contains(reader.aliases, writer.name) {
		return nil
	}
	return []schema.Difference{difference("NAME_MISMATCH", at.with("name"), "expected: "+writer.full(),
		"The name at path '%s' in the {reader} schema is not that of the {writer} schema")}
}

func symbols(reader, writer *node, at path) []schema.Difference {
	if reader.enumDefault != nil {
		return nil
	}
	known := make(map[string]bool, len(reader.symbols))
	for _, s := range reader.symbols {
		known[s] = true
	}
	var missing []string
	for _, s := range writer.symbols {
		if !known[s] {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return []schema.Difference{difference("MISSING_ENUM_SYMBOLS", at.with("symbols"), "["+strings.Join(missing, ", ")+"]",
		"The enum at path '%s' in the {reader} schema lacks symbols of the {writer} schema")}
}

func (c *comparison) fields(reader, writer *node, at path) ([]schema.Difference, error) {
	written := make(map[string]*field, len(writer.fields))
	for i := range writer.fields {
		written[writer.fields[i].name] = &writer.fields[i]
	}
	var out []schema.Difference
	for i := range reader.fields {
		f, here := &reader.fields[i], at.with(strconv.Itoa(i))
		from := written[f.name]
		for _, a := range f.aliases {
			if from == nil {
				from = written[a]
			}
		}
		switch {
		case from != nil:
			found, err := c.compare(f.schema, from.schema, here.with("type"))
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		case f.def == nil:
			out = append(out, c.missing(f, writer, here)...)
		}
	}
	return out, nil
}

// missing is a field that the writer does not have and that has no default; an enum with a
// default of its own is compared with the writer's record, as Java does.
func (c *comparison) missing(f *field, writer *node, at path) []schema.Difference {
	if f.schema.kind == kindEnum && f.schema.enumDefault != nil {
		found, _ := c.compare(f.schema, writer, at.with("type"))
		return found
	}
	return []schema.Difference{difference("READER_FIELD_MISSING_DEFAULT_VALUE", at, f.name,
		"The field '"+f.name+"' at path '%s' in the {reader} schema has no default value and is missing in the {writer} schema")}
}

// difference makes one; description has a place for the path.
func difference(kind string, at path, info, description string) schema.Difference {
	pointer := at.pointer()
	return schema.Difference{
		Kind: kind, Pointer: pointer, Info: info, HasInfo: true, Quote: '\'',
		Description: strings.Replace(description, "%s", pointer, 1),
	}
}
