package jsonschema

import (
	"math/big"
	"slices"
	"strings"

	"github.com/dlclark/regexp2/v2"

	"github.com/streamhouse/streamhouse/registry/schema"
)

const (
	// pairSteps is what a pair of schemas counts that is kept: a pair takes memory too.
	pairSteps = 16
	// depthMax is how many pairs may lie within each other.
	depthMax = 10_000
	// toldMax is how many bytes of paths are listed; what is beyond does not change the verdict.
	toldMax = 1 << 20
)

// compare returns the differences between two schemas, compatible ones too, in the order of
// a walk over the new one. A pair that is met again is listed once. The error is
// schema.ErrTooMuch.
func compare(old, next *node, policy schema.Policy, w *schema.Work) ([]difference, error) {
	c := &comparison{policy: policy, work: w, failing: map[pairKey]bool{}, patterns: map[string]*regexp2.Regexp{}}
	// Pairs within themselves are taken as compatible until they are found not to be. Each
	// round knows more that are not, until the last finds nothing new.
	for known := -1; known < len(c.failing) && c.err == nil; {
		known = len(c.failing)
		c.memo = map[pairKey]state{}
		c.wrong = false
		c.pair(old, next, nil, false)
		if !c.wrong {
			break
		}
	}
	c.told = map[pairKey]bool{}
	c.pair(old, next, &place{}, true)
	return c.found, c.err
}

type comparison struct {
	policy schema.Policy
	work   *schema.Work
	err    error
	depth  int

	memo    map[pairKey]state
	failing map[pairKey]bool // pairs that other rounds found not to be compatible
	wrong   bool             // a pair was taken as compatible in this round, and is not

	told     map[pairKey]bool
	found    []difference
	foundLen int

	patterns map[string]*regexp2.Regexp
}

type pairKey uint64

type state byte

const (
	unknown state = iota
	open          // is being compared
	assumed       // is being compared, and was met within itself
	good
	bad
)

// place is where a walk is; its text is made when something is to be told.
type place struct {
	up   *place
	name string
}

func (p *place) in(names ...string) *place {
	if p == nil {
		return nil
	}
	for _, name := range names {
		p = &place{p, name}
	}
	return p
}

func (p *place) String() string {
	var names []string
	for ; p.up != nil; p = p.up {
		names = append(names, strings.NewReplacer("~", "~0", "/", "~1").Replace(p.name))
	}
	slices.Reverse(names)
	return strings.Join(append([]string{"#"}, names...), "/")
}

func (c *comparison) step(n int) bool {
	if c.err == nil {
		c.err = c.work.Step(n)
	}
	return c.err == nil
}

// tell says whether a difference is compatible, and lists it where the walk is told to.
func (c *comparison) tell(at *place, kind string) bool {
	if at != nil && c.foundLen < toldMax {
		d := difference{kind, at.String()}
		c.found = append(c.found, d)
		c.foundLen += len(d.kind) + len(d.pointer)
	}
	return compatible(kind, c.policy)
}

// quietly says whether two schemas are compatible and tells nothing.
func (c *comparison) quietly(old, next *node) bool { return c.pair(old, next, nil, false) }

// pair compares two schemas, either of which may be missing. With loud, differences are
// listed at the place.
func (c *comparison) pair(old, next *node, at *place, loud bool) bool {
	switch {
	case c.err != nil:
		return false
	case old == nil && next == nil:
		return true
	case old == nil:
		return c.tell(at, "SCHEMA_ADDED")
	case next == nil:
		return c.tell(at, "SCHEMA_REMOVED")
	case !old.composite() && !next.composite():
		return c.step(1) && c.differ(old, next, at)
	}
	key := pairKey(old.index)<<32 | pairKey(next.index)
	if s := c.memo[key]; !loud && s != unknown {
		return c.recall(key, s)
	}
	if loud && c.told[key] {
		return c.quietly(old, next)
	}
	if c.depth++; c.depth > depthMax {
		c.err = schema.ErrTooMuch
	}
	ok := c.step(pairSteps) && c.kept(key, old, next, at, loud)
	c.depth--
	return ok
}

// recall is the verdict of a pair that was met in this round.
func (c *comparison) recall(key pairKey, s state) bool {
	if s == open || s == assumed {
		if c.failing[key] {
			return false
		}
		c.memo[key] = assumed
		return true
	}
	return s == good
}

// kept compares a pair and keeps the verdict.
func (c *comparison) kept(key pairKey, old, next *node, at *place, loud bool) bool {
	if loud {
		c.told[key] = true
		ok := c.quietly(old, next)
		c.differ(old, next, at)
		return ok
	}
	c.memo[key] = open
	ok := c.differ(old, next, nil)
	if ok {
		c.memo[key] = good
		return true
	}
	if c.memo[key] == assumed {
		c.failing[key] = true
		c.wrong = true
	}
	c.memo[key] = bad
	return false
}

// differ compares two schemas that are there.
func (c *comparison) differ(old, next *node, at *place) bool {
	_, all := next.body.(anything)
	_, none := old.body.(nothing)
	if (all || none) && !sameKind(old, next) {
		return true
	}
	if ok, done := c.onesided(old, next, at); done {
		return ok
	}
	if !sameKind(old, next) {
		return c.tell(at, "TYPE_CHANGED")
	}
	ok := c.notes(old.notes, next.notes, at)
	switch o := old.body.(type) {
	case constant:
		if o != next.body.(constant) {
			return c.tell(at, "ENUM_ARRAY_CHANGED") && ok
		}
	case enum:
		return c.enum(o, next.body.(enum), at) && ok
	case *not:
		return c.not(o, next.body.(*not), at) && ok
	case *stringRules:
		return c.strings(o, next.body.(*stringRules), at) && ok
	case *numberRules:
		return c.numbers(o, next.body.(*numberRules), at) && ok
	case *objectRules:
		return c.objects(o, next.body.(*objectRules), at) && ok
	case *arrayRules:
		return c.arrays(o, next.body.(*arrayRules), at) && ok
	case *combined:
		return c.combined(o, next.body.(*combined), at) && ok
	}
	return ok
}

func sameKind(a, b *node) bool {
	kind := func(n *node) int {
		switch n.body.(type) {
		case anything:
			return 0
		case nothing:
			return 1
		case boolean:
			return 2
		case null:
			return 3
		case constant:
			return 4
		case enum:
			return 5
		case *not:
			return 6
		case *stringRules:
			return 7
		case *numberRules:
			return 8
		case *objectRules:
			return 9
		case *arrayRules:
			return 10
		}
		return 11
	}
	return kind(a) == kind(b)
}

func (c *comparison) notes(old, next *notes, at *place) bool {
	if at == nil {
		return true // they decide nothing
	}
	if old == nil {
		old = &notes{}
	}
	if next == nil {
		next = &notes{}
	}
	for _, d := range []struct{ old, next, keyword, kind string }{
		{old.id, next.id, "$id", "ID_CHANGED"},
		{old.title, next.title, "title", "TITLE_CHANGED"},
		{old.description, next.description, "description", "DESCRIPTION_CHANGED"},
		{old.byDefault, next.byDefault, "default", "DEFAULT_CHANGED"},
	} {
		if d.old != d.next {
			c.tell(at.in(d.keyword), d.kind)
		}
	}
	return true
}

func (c *comparison) enum(old, next enum, at *place) bool {
	if !c.step(len(old) + len(next)) {
		return false
	}
	more, less := beyond(next, old), beyond(old, next)
	switch {
	case more && less:
		return c.tell(at.in("enum"), "ENUM_ARRAY_CHANGED")
	case more:
		return c.tell(at.in("enum"), "ENUM_ARRAY_EXTENDED")
	case less:
		return c.tell(at.in("enum"), "ENUM_ARRAY_NARROWED")
	}
	return true
}

// beyond says whether sorted a has what sorted b has not.
func beyond(a, b []string) bool {
	for _, v := range a {
		if _, ok := slices.BinarySearch(b, v); !ok {
			return true
		}
	}
	return false
}

// not compares the other way round: who excludes less takes more.
func (c *comparison) not(old, next *not, at *place) bool {
	if !c.quietly(next.node, old.node) {
		return c.tell(at.in("not"), "NOT_TYPE_EXTENDED")
	}
	if !c.quietly(old.node, next.node) {
		return c.tell(at.in("not"), "NOT_TYPE_NARROWED")
	}
	return true
}

func (c *comparison) strings(old, next *stringRules, at *place) bool {
	ok := c.limits(old.max, next.max, at.in("maxLength"), "MAX", "LENGTH")
	ok = c.limits(old.min, next.min, at.in("minLength"), "MIN", "LENGTH") && ok
	switch {
	case old.hasPattern && !next.hasPattern:
		ok = c.tell(at.in("pattern"), "PATTERN_REMOVED") && ok
	case !old.hasPattern && next.hasPattern:
		ok = c.tell(at.in("pattern"), "PATTERN_ADDED") && ok
	case old.pattern != next.pattern:
		ok = c.tell(at.in("pattern"), "PATTERN_CHANGED") && ok
	}
	return ok
}

func (c *comparison) numbers(old, next *numberRules, at *place) bool {
	ok := true
	for _, l := range []struct {
		old, next         *big.Rat
		keyword, side, of string
	}{
		{old.max, next.max, "maximum", "MAX", "IMUM"},
		{old.min, next.min, "minimum", "MIN", "IMUM"},
		{old.below, next.below, "exclusiveMaximum", "MAX", "EXCLUSIVE"},
		{old.above, next.above, "exclusiveMinimum", "MIN", "EXCLUSIVE"},
	} {
		ok = c.limit(order(l.old, l.next), l.old != nil, l.next != nil, at.in(l.keyword), bound(l.side, l.of)) && ok
	}
	ok = c.multiples(old.multipleOf, next.multipleOf, at.in("multipleOf")) && ok
	switch {
	case old.integer && !next.integer:
		ok = c.tell(at, "TYPE_EXTENDED") && ok
	case !old.integer && next.integer:
		ok = c.tell(at, "TYPE_NARROWED") && ok
	}
	return ok
}

// order is negative if the new value is less.
func order(old, next *big.Rat) int {
	if old == nil || next == nil {
		return 0
	}
	return next.Cmp(old)
}

func (c *comparison) limits(old, next *int, at *place, side, of string) bool {
	sign := 0
	if old != nil && next != nil {
		sign = *next - *old
	}
	return c.limit(sign, old != nil, next != nil, at, bound(side, of))
}

// limit tells how a limit changed; sign is that of new minus old.
func (c *comparison) limit(sign int, had, has bool, at *place, name string) bool {
	switch {
	case had && !has:
		return c.tell(at, name+"_REMOVED")
	case !had && has:
		return c.tell(at, name+"_ADDED")
	case sign > 0:
		return c.tell(at, name+"_INCREASED")
	case sign < 0:
		return c.tell(at, name+"_DECREASED")
	}
	return true
}

func (c *comparison) multiples(old, next *big.Rat, at *place) bool {
	switch {
	case old == nil && next == nil:
		return true
	case next == nil:
		return c.tell(at, "MULTIPLE_OF_REMOVED")
	case old == nil:
		return c.tell(at, "MULTIPLE_OF_ADDED")
	case old.Cmp(next) == 0:
		return true
	case divides(old, next):
		return c.tell(at, "MULTIPLE_OF_EXPANDED")
	case divides(next, old):
		return c.tell(at, "MULTIPLE_OF_REDUCED")
	}
	return c.tell(at, "MULTIPLE_OF_CHANGED")
}

func divides(d, v *big.Rat) bool {
	return d.Sign() != 0 && new(big.Rat).Quo(v, d).IsInt()
}
