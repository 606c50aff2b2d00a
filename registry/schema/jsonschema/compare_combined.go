package jsonschema

import "math/bits"

// onesided compares where one schema is combined and the other is not; done: the verdict
// stands. Otherwise the kinds of both decide.
func (c *comparison) onesided(old, next *node, at *place) (ok, done bool) {
	before, was := old.body.(*combined)
	now, is := next.body.(*combined)
	switch {
	case !was && is:
		return c.taken(old, now, at)
	case was && !is:
		return c.part(before, next, at)
	}
	return false, false
}

// taken: a plain schema became several; fine if one of them takes it.
func (c *comparison) taken(old *node, now *combined, at *place) (ok, done bool) {
	if len(now.branches) == 1 {
		if branch := now.branches[0]; c.quietly(old, branch) {
			return c.pair(old, branch, at.in(string(now.criterion), "0"), at != nil), true
		}
		return false, false
	}
	if now.criterion == allOf {
		return false, false
	}
	for _, branch := range now.branches {
		if c.quietly(old, branch) {
			return c.tell(at, "SUM_TYPE_EXTENDED"), true
		}
	}
	return false, false
}

// part: several schemas became a plain one; fine if all had to match and it takes one.
func (c *comparison) part(before *combined, next *node, at *place) (ok, done bool) {
	if len(before.branches) == 1 {
		if branch := before.branches[0]; c.quietly(branch, next) {
			return c.pair(branch, next, at, at != nil), true
		}
		return false, false
	}
	if before.criterion != allOf {
		return false, false
	}
	for _, branch := range before.branches {
		if c.quietly(branch, next) {
			return c.tell(at, "PRODUCT_TYPE_NARROWED"), true
		}
	}
	return false, false
}

func (c *comparison) combined(old, next *combined, at *place) bool {
	at = at.in(string(next.criterion))
	n, m := len(old.branches), len(next.branches)
	ok := true
	if old.criterion != next.criterion {
		switch {
		case next.criterion == anyOf,
			n == 1 && (m == 1 || next.criterion == oneOf),
			old.criterion == allOf && m == 1:
			ok = c.tell(at, "COMBINED_TYPE_EXTENDED")
		default:
			return c.tell(at, "COMBINED_TYPE_CHANGED")
		}
	}
	switch {
	case n < m && next.criterion == allOf:
		ok = c.tell(at, "PRODUCT_TYPE_EXTENDED") && ok
	case n < m:
		ok = c.tell(at, "SUM_TYPE_EXTENDED") && ok
	case n > m && old.criterion == allOf:
		ok = c.tell(at, "PRODUCT_TYPE_NARROWED") && ok
	case n > m:
		ok = c.tell(at, "SUM_TYPE_NARROWED") && ok
	}
	if c.match(old.branches, next.branches) < min(n, m) {
		ok = c.tell(at, "COMBINED_TYPE_SUBSCHEMAS_CHANGED") && ok
	}
	return ok
}

// match is the size of a maximum matching of compatible branches, by augmenting paths.
func (c *comparison) match(old, next []*node) int {
	m := matching{c: c, edges: make([][]uint64, len(old)), with: make([]int, len(next))}
	for j := range m.with {
		m.with[j] = -1
	}
	words := (len(next) + 63) / 64
	for i := range old {
		if !c.step(words) {
			return 0
		}
		m.edges[i] = make([]uint64, words)
		for j := range next {
			if c.quietly(old[i], next[j]) {
				m.edges[i][j/64] |= 1 << (j % 64)
			}
			if c.err != nil {
				return 0
			}
		}
	}
	size := 0
	for i := range old {
		m.seen = make([]uint64, words)
		if m.augment(i) {
			size++
		}
	}
	return size
}

type matching struct {
	c     *comparison
	edges [][]uint64 // of each old branch, a bit for each new one
	seen  []uint64
	with  []int // the old branch of each new one
}

// augment finds a new branch for an old one, moving others. It goes at most as deep as
// there are old branches.
func (m *matching) augment(i int) bool {
	for w := range m.edges[i] {
		for {
			if !m.c.step(1) {
				return false
			}
			free := m.edges[i][w] &^ m.seen[w]
			if free == 0 {
				break
			}
			j := w*64 + bits.TrailingZeros64(free)
			m.seen[w] |= 1 << (j % 64)
			if m.with[j] < 0 || m.augment(m.with[j]) {
				m.with[j] = i
				return true
			}
		}
	}
	return false
}
