package jsonschema

import (
	"strconv"

	"github.com/dlclark/regexp2/v2"
)

func (c *comparison) objects(old, next *objectRules, at *place) bool {
	if !c.step(len(old.names) + len(next.names)) {
		return false
	}
	ok := c.limits(old.max, next.max, at.in("maxProperties"), "MAX", "PROPERTIES")
	ok = c.limits(old.min, next.min, at.in("minProperties"), "MIN", "PROPERTIES") && ok
	ok = c.pair(old.nameRules, next.nameRules, at.in("propertyNames"), at != nil) && ok
	ok = c.rest(old.additional, next.additional, at.in("additionalProperties"), "ADDITIONAL_PROPERTIES") && ok
	ok = c.rest(old.unevaluated, next.unevaluated, at.in("unevaluatedProperties"), "UNEVALUATED_PROPERTIES") && ok
	ok = c.dependencies(old, next, at) && ok
	return c.properties(old, next, at) && ok
}

// rest compares what is allowed beyond what is named.
func (c *comparison) rest(old, next rest, at *place, name string) bool {
	switch {
	case old.closed && !next.closed:
		return c.tell(at, name+"_ADDED")
	case !old.closed && next.closed:
		return c.tell(at, name+"_REMOVED")
	case old.schema == nil && next.schema != nil:
		return c.tell(at, name+"_NARROWED")
	case old.schema != nil && next.schema == nil:
		return c.tell(at, name+"_EXTENDED")
	}
	return c.pair(old.schema, next.schema, at, at != nil)
}

func (c *comparison) dependencies(old, next *objectRules, at *place) bool {
	ok := true
	at = at.in("dependencies")
	for _, name := range union(old.needs, next.needs) {
		before, had := old.needs[name]
		now, has := next.needs[name]
		ok = c.step(1+len(before)+len(now)) && c.needs(before, now, had, has, at.in(name)) && ok
	}
	for _, name := range union(old.shapes, next.shapes) {
		before, now := old.shapes[name], next.shapes[name]
		switch {
		case now == nil:
			ok = c.tell(at.in(name), "DEPENDENCY_SCHEMA_REMOVED") && ok
		case before == nil:
			ok = c.tell(at.in(name), "DEPENDENCY_SCHEMA_ADDED") && ok
		default:
			ok = c.pair(before, now, at.in(name), at != nil) && ok
		}
	}
	return ok
}

func (c *comparison) needs(before, now []string, had, has bool, at *place) bool {
	more, less := beyond(now, before), beyond(before, now)
	switch {
	case !has:
		return c.tell(at, "DEPENDENCY_ARRAY_REMOVED")
	case !had:
		return c.tell(at, "DEPENDENCY_ARRAY_ADDED")
	case more && less:
		return c.tell(at, "DEPENDENCY_ARRAY_CHANGED")
	case more:
		return c.tell(at, "DEPENDENCY_ARRAY_EXTENDED")
	case less:
		return c.tell(at, "DEPENDENCY_ARRAY_NARROWED")
	}
	return true
}

func union[V any](a, b map[string]V) []string {
	names := make([]string, 0, len(a)+len(b))
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		names = append(names, name)
	}
	return sorted(names)
}

func (c *comparison) properties(old, next *objectRules, at *place) bool {
	ok := true
	properties := at.in("properties")
	for _, name := range union(old.properties, next.properties) {
		before, now := old.properties[name], next.properties[name]
		here := properties.in(name)
		switch {
		case now == nil:
			ok = c.removed(before, next.content(), next.cover(c, name), here, "PROPERTY") && ok
		case before == nil:
			ok = c.addedProperty(now, old, next, name, here) && ok
		default:
			ok = c.pair(before, now, here, at != nil) && ok
			ok = c.required(old, next, name, at) && ok
		}
	}
	return ok
}

func (c *comparison) required(old, next *objectRules, name string, at *place) bool {
	at = at.in("required", name)
	switch {
	case old.required[name] == next.required[name]:
		return true
	case old.required[name]:
		return c.tell(at, "REQUIRED_ATTRIBUTE_REMOVED")
	case next.properties[name].hasDefault():
		return c.tell(at, "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED")
	}
	return c.tell(at, "REQUIRED_ATTRIBUTE_ADDED")
}

func (n *node) hasDefault() bool { return n.notes != nil && n.notes.byDefault != "" }

// content says what becomes of a name or place that is not listed.
type content byte

const (
	openContent content = iota
	partly              // a pattern or a schema may cover it
)

func (o *objectRules) content() content {
	if !o.additional.said() && !o.unevaluated.said() && len(o.patterns) == 0 {
		return openContent
	}
	return partly
}

// cover is the schema that a name has which is no property: that of a pattern, or of
// additional properties, or of unevaluated ones. nil: the object is closed to it.
func (o *objectRules) cover(c *comparison, name string) *node {
	for i := range o.patterns {
		if c.matches(o.patterns[i].text, name) {
			return o.patterns[i].node
		}
	}
	if o.additional.said() {
		return o.additional.schema
	}
	return o.unevaluated.schema
}

// matches runs a pattern on a name. What takes too long does not match.
func (c *comparison) matches(text, name string) bool {
	if !c.step(patternSteps) {
		return false
	}
	re, seen := c.patterns[text]
	if !seen {
		re, _ = compilePattern(text) // it compiled when the schema was parsed
		c.patterns[text] = re
	}
	return re != nil && matches(re, name)
}

func matches(re *regexp2.Regexp, name string) bool {
	ok, err := re.MatchString(name)
	return ok && err == nil
}

// removed tells what it means that a property or item is gone, by the new schema.
func (c *comparison) removed(before *node, model content, cover *node, at *place, what string) bool {
	_, never := before.body.(nothing)
	switch {
	case model == openContent:
		return c.tell(at, what+"_REMOVED_FROM_OPEN_CONTENT_MODEL")
	case cover != nil && c.quietly(before, cover):
		return c.tell(at, what+"_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
	case cover != nil:
		return c.tell(at, what+"_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
	case never:
		return c.tell(at, what+"_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
	}
	return c.tell(at, what+"_REMOVED_FROM_CLOSED_CONTENT_MODEL")
}

func (c *comparison) addedProperty(now *node, old, next *objectRules, name string, at *place) bool {
	_, empty := now.body.(anything)
	required, byDefault := next.required[name], now.hasDefault()
	if old.content() == openContent {
		switch {
		case empty:
			return c.tell(at, "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL")
		case required && byDefault:
			return c.tell(at, "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL")
		case required:
			return c.tell(at, "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL")
		}
		return c.tell(at, "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL")
	}
	ok := true
	cover := old.cover(c, name)
	if cover != nil {
		ok = c.covered(cover, now, at, "PROPERTY")
	}
	switch {
	case required && byDefault:
		return c.tell(at, "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL") && ok
	case required:
		return c.tell(at, "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL") && ok
	case cover == nil:
		return c.tell(at, "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL")
	}
	return ok
}

// covered tells whether an added property or item takes what was allowed in its place.
func (c *comparison) covered(cover, now *node, at *place, what string) bool {
	if c.quietly(cover, now) {
		return c.tell(at, what+"_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
	}
	return c.tell(at, what+"_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL")
}

func (c *comparison) arrays(old, next *arrayRules, at *place) bool {
	if !c.step(len(old.tuple) + len(next.tuple)) {
		return false
	}
	ok := c.limits(old.max, next.max, at.in("maxItems"), "MAX", "ITEMS")
	ok = c.limits(old.min, next.min, at.in("minItems"), "MIN", "ITEMS") && ok
	switch {
	case old.unique && !next.unique:
		ok = c.tell(at.in("uniqueItems"), "UNIQUE_ITEMS_REMOVED") && ok
	case !old.unique && next.unique:
		ok = c.tell(at.in("uniqueItems"), "UNIQUE_ITEMS_ADDED") && ok
	}
	ok = c.pair(old.contains, next.contains, at.in("contains"), at != nil) && ok
	ok = c.limits(old.most, next.most, at.in("maxContains"), "MAX", "CONTAINS") && ok
	ok = c.limits(old.least, next.least, at.in("minContains"), "MIN", "CONTAINS") && ok
	ok = c.pair(old.items, next.items, at.in("items"), at != nil) && ok
	ok = c.rest(old.additional, next.additional, at.in("additionalItems"), "ADDITIONAL_ITEMS") && ok
	ok = c.rest(old.unevaluated, next.unevaluated, at.in("unevaluatedItems"), "UNEVALUATED_ITEMS") && ok
	return c.tuples(old, next, at.in("items")) && ok
}

func (c *comparison) tuples(old, next *arrayRules, at *place) bool {
	ok := true
	for i := range max(len(old.tuple), len(next.tuple)) {
		here := at.in(strconv.Itoa(i))
		switch {
		case i >= len(next.tuple):
			ok = c.removed(old.tuple[i], next.content(), next.cover(), here, "ITEM") && ok
		case i >= len(old.tuple):
			ok = c.addedItem(next.tuple[i], old, here) && ok
		default:
			ok = c.pair(old.tuple[i], next.tuple[i], here, at != nil) && ok
		}
	}
	return ok
}

func (a *arrayRules) content() content {
	if !a.additional.said() && !a.unevaluated.said() && a.items == nil {
		return openContent
	}
	return partly
}

func (a *arrayRules) cover() *node {
	switch {
	case a.items != nil:
		return a.items
	case a.additional.said():
		return a.additional.schema
	}
	return a.unevaluated.schema
}

func (c *comparison) addedItem(now *node, old *arrayRules, at *place) bool {
	_, empty := now.body.(anything)
	cover := old.cover()
	switch {
	case old.content() == openContent && empty:
		return c.tell(at, "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL")
	case old.content() == openContent:
		return c.tell(at, "ITEM_ADDED_TO_OPEN_CONTENT_MODEL")
	case cover != nil:
		return c.covered(cover, now, at, "ITEM")
	}
	return c.tell(at, "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL")
}
