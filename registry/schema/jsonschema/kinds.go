package jsonschema

import (
	"strings"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// difference is one of the kinds below at a place of the new schema.
type difference struct {
	kind    string
	pointer string // "#/properties/a"
}

// verdict says when a kind of difference is compatible.
type verdict byte

const (
	never verdict = iota
	lenient
	always
)

// kinds are all differences by their names in Confluent's API.
var kinds = withLimits(map[string]verdict{
	"ID_CHANGED": always, "TITLE_CHANGED": always, "DESCRIPTION_CHANGED": always, "DEFAULT_CHANGED": always,

	"SCHEMA_REMOVED": always, "SCHEMA_ADDED": never,
	"TYPE_EXTENDED": always, "TYPE_NARROWED": never, "TYPE_CHANGED": never,

	"PATTERN_REMOVED": always, "PATTERN_ADDED": never, "PATTERN_CHANGED": never,
	"UNIQUE_ITEMS_REMOVED": always, "UNIQUE_ITEMS_ADDED": never,
	"MULTIPLE_OF_REDUCED": always, "MULTIPLE_OF_REMOVED": always,
	"MULTIPLE_OF_EXPANDED": never, "MULTIPLE_OF_CHANGED": never, "MULTIPLE_OF_ADDED": never,

	"REQUIRED_ATTRIBUTE_REMOVED": always, "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED": always, "REQUIRED_ATTRIBUTE_ADDED": never,
	"DEPENDENCY_ARRAY_NARROWED": always, "DEPENDENCY_ARRAY_REMOVED": always,
	"DEPENDENCY_ARRAY_EXTENDED": never, "DEPENDENCY_ARRAY_CHANGED": never, "DEPENDENCY_ARRAY_ADDED": never,
	"DEPENDENCY_SCHEMA_REMOVED": always, "DEPENDENCY_SCHEMA_ADDED": never,

	"ADDITIONAL_PROPERTIES_ADDED": always, "ADDITIONAL_PROPERTIES_EXTENDED": always,
	"ADDITIONAL_PROPERTIES_REMOVED": lenient, "ADDITIONAL_PROPERTIES_NARROWED": lenient,
	"UNEVALUATED_PROPERTIES_ADDED": always, "UNEVALUATED_PROPERTIES_EXTENDED": always,
	"UNEVALUATED_PROPERTIES_REMOVED": lenient, "UNEVALUATED_PROPERTIES_NARROWED": lenient,
	"ADDITIONAL_ITEMS_ADDED": always, "ADDITIONAL_ITEMS_EXTENDED": always,
	"ADDITIONAL_ITEMS_REMOVED": never, "ADDITIONAL_ITEMS_NARROWED": never,
	"UNEVALUATED_ITEMS_ADDED": always, "UNEVALUATED_ITEMS_EXTENDED": always,
	"UNEVALUATED_ITEMS_REMOVED": never, "UNEVALUATED_ITEMS_NARROWED": never,

	"PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL":                     always,
	"PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":  always,
	"PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": lenient,
	"PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL":        always,
	"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL":                   lenient,
	"PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL":       always,
	"REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL":                never,
	"REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL":   lenient,
	"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL":                lenient,
	"PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":    always,
	"PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":   never,
	"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL":              never,
	"REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL": always,
	"OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL":              always,

	"ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL":                     always,
	"ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":  always,
	"ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": never,
	"ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL":        always,
	"ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL":                   never,
	"ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL":       always,
	"ITEM_ADDED_TO_OPEN_CONTENT_MODEL":                         never,
	"ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":    always,
	"ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":   never,
	"ITEM_ADDED_TO_CLOSED_CONTENT_MODEL":                       always,

	"ENUM_ARRAY_EXTENDED": always, "ENUM_ARRAY_NARROWED": never, "ENUM_ARRAY_CHANGED": never,
	"COMBINED_TYPE_EXTENDED": always, "COMBINED_TYPE_CHANGED": never, "COMBINED_TYPE_SUBSCHEMAS_CHANGED": never,
	"SUM_TYPE_EXTENDED": always, "SUM_TYPE_NARROWED": never,
	"PRODUCT_TYPE_NARROWED": always, "PRODUCT_TYPE_EXTENDED": never,
	"NOT_TYPE_NARROWED": always, "NOT_TYPE_EXTENDED": never,
})

// withLimits adds the kinds of limits, which are alike for all keywords.
func withLimits(kinds map[string]verdict) map[string]verdict {
	for _, of := range []string{"LENGTH", "IMUM", "PROPERTIES", "ITEMS", "CONTAINS", "EXCLUSIVE"} {
		for _, side := range [][3]string{{"MAX", "INCREASED", "DECREASED"}, {"MIN", "DECREASED", "INCREASED"}} {
			name := bound(side[0], of)
			kinds[name+"_"+side[1]], kinds[name+"_REMOVED"] = always, always
			kinds[name+"_"+side[2]], kinds[name+"_ADDED"] = never, never
		}
	}
	return kinds
}

// bound is the name of a limit: MAX, LENGTH is MAX_LENGTH.
func bound(side, of string) string {
	switch of {
	case "IMUM":
		return side + of
	case "EXCLUSIVE":
		return "EXCLUSIVE_" + side + "IMUM"
	}
	return side + "_" + of
}

func compatible(kind string, p schema.Policy) bool {
	v := kinds[kind]
	return v == always || v == lenient && p == schema.Lenient
}

// sentences say what a kind means; the first whose end the kind has is taken.
var sentences = []struct{ end, text string }{
	{"_ADDED_TO_OPEN_CONTENT_MODEL", "The {writer} schema has an open content model and lacks the property or item at path '%', which the {reader} schema has"},
	{"_REMOVED_FROM_CLOSED_CONTENT_MODEL", "The {reader} schema has a closed content model and lacks the property or item at path '%', which the {writer} schema has"},
	{"_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "The {reader} schema lacks the property or item at path '%', and what it allows instead does not cover the one of the {writer} schema"},
	{"_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "The {reader} schema has a property or item at path '%' that does not cover what the {writer} schema allows there"},
	{"_ADDED_TO_UNOPEN_CONTENT_MODEL", "The {reader} schema requires the property at path '%', which the {writer} schema lacks"},
	{"REQUIRED_ATTRIBUTE_ADDED", "The property at path '%' is required by the {reader} schema and not by the {writer} schema"},
	{"SCHEMA_ADDED", "The {reader} schema has a schema at path '%' where the {writer} schema has none"},
	{"SUBSCHEMAS_CHANGED", "The branches at path '%' of the {reader} schema do not match those of the {writer} schema"},
	{"PRODUCT_TYPE_EXTENDED", "The {reader} schema has more parts at path '%', all of which must match, than the {writer} schema"},
	{"SUM_TYPE_NARROWED", "The {reader} schema has fewer branches at path '%' than the {writer} schema"},
	{"NOT_TYPE_EXTENDED", "The {reader} schema excludes more at path '%' than the {writer} schema"},
	{"COMBINED_TYPE_CHANGED", "The {reader} schema combines schemas at path '%' in another way than the {writer} schema"},
	{"TYPE_CHANGED", "The type at path '%' of the {reader} schema is not the type of the {writer} schema"},
	{"TYPE_NARROWED", "The type at path '%' of the {reader} schema is narrower than that of the {writer} schema"},
	{"ENUM_ARRAY_NARROWED", "The values at path '%' of the {reader} schema lack some of the {writer} schema"},
	{"_INCREASED", "The value at path '%' of the {reader} schema is more than that of the {writer} schema"},
	{"_DECREASED", "The value at path '%' of the {reader} schema is less than that of the {writer} schema"},
	{"_EXPANDED", "The value at path '%' of the {reader} schema is a multiple of that of the {writer} schema"},
	{"_EXTENDED", "What is at path '%' of the {reader} schema demands more than that of the {writer} schema"},
	{"_NARROWED", "What is at path '%' of the {reader} schema allows less than that of the {writer} schema"},
	{"_ADDED", "The keyword at path '%' of the {reader} schema is not in the {writer} schema"},
	{"_REMOVED", "The {reader} schema does not allow what the {writer} schema allows at path '%'"},
	{"", "What is at path '%' of the {reader} schema is not that of the {writer} schema"},
}

func (d *difference) public() schema.Difference {
	out := schema.Difference{Kind: d.kind, Pointer: d.pointer, Quote: '"'}
	for _, s := range sentences {
		if strings.HasSuffix(d.kind, s.end) {
			out.Description = strings.ReplaceAll(s.text, "%", d.pointer)
			break
		}
	}
	return out
}
