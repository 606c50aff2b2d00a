package auth

import (
	"slices"
	"sort"
	"strings"
)

// node is one of a radix tree of names. It is never changed once others can see it: with
// copies the way to what it changes.
type node struct {
	label string // what leads here from the node above
	leaf
	kids []*node // by the first byte of their labels, which differ; in order
}

// leaf is what a name has.
type leaf struct {
	literal  []*entry // of exactly this name
	prefixed []*entry // of all that begin so
}

func (l *leaf) empty() bool { return len(l.literal)+len(l.prefixed) == 0 }

func orNew(n *node) *node {
	if n == nil {
		return &node{}
	}
	return n
}

// kid finds the one whose label begins with b, or where it would be.
func (n *node) kid(b byte) (at int, ok bool) {
	at = sort.Search(len(n.kids), func(i int) bool { return n.kids[i].label[0] >= b })
	return at, at < len(n.kids) && n.kids[at].label[0] == b
}

// with returns the tree in which what key has is changed. key is what is left of the name
// below n.
func (n *node) with(key string, change func(leaf) leaf) *node {
	out := &node{label: n.label, leaf: n.leaf, kids: n.kids}
	if key == "" {
		out.leaf = change(n.leaf)
		return out
	}
	at, ok := n.kid(key[0])
	if !ok {
		out.kids = slices.Insert(slices.Clone(n.kids), at, &node{label: key, leaf: change(leaf{})})
		return out.without(at)
	}
	out.kids = slices.Clone(n.kids)
	kid := n.kids[at]
	common := commonPrefix(kid.label, key)
	if common < len(kid.label) {
		lower := &node{label: kid.label[common:], leaf: kid.leaf, kids: kid.kids}
		kid = &node{label: key[:common], kids: []*node{lower}}
	}
	out.kids[at] = kid.with(key[common:], change)
	return out.without(at)
}

// without takes a kid out that has nothing, or joins it with the only one below. n is
// seen by nobody yet.
func (n *node) without(at int) *node {
	kid := n.kids[at]
	switch {
	case !kid.empty():
	case len(kid.kids) == 0:
		n.kids = slices.Delete(n.kids, at, at+1)
	case len(kid.kids) == 1:
		below := kid.kids[0]
		n.kids[at] = &node{label: kid.label + below.label, leaf: below.leaf, kids: below.kids}
	}
	return n
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// covering hands out the lists of all that covers a name, but for the wildcard's: of the
// prefixes of it, and of the name itself. It stops when yield says so.
func (n *node) covering(name string, yield func([]*entry) bool) {
	for n != nil {
		if len(n.prefixed) > 0 && !yield(n.prefixed) {
			return
		}
		if name == "" {
			if len(n.literal) > 0 {
				yield(n.literal)
			}
			return
		}
		at, ok := n.kid(name[0])
		if !ok || !strings.HasPrefix(name, n.kids[at].label) {
			return
		}
		n = n.kids[at]
		name = name[len(n.label):]
	}
}

// find returns what a name has.
func (n *node) find(name string) leaf {
	for n != nil && name != "" {
		at, ok := n.kid(name[0])
		if !ok || !strings.HasPrefix(name, n.kids[at].label) {
			return leaf{}
		}
		n = n.kids[at]
		name = name[len(n.label):]
	}
	if n == nil {
		return leaf{}
	}
	return n.leaf
}

// each calls yield with all entries, in the order of names, until it says no.
func (n *node) each(yield func(*entry) bool) bool {
	for _, list := range [][]*entry{n.literal, n.prefixed} {
		for _, e := range list {
			if !yield(e) {
				return false
			}
		}
	}
	for _, k := range n.kids {
		if !k.each(yield) {
			return false
		}
	}
	return true
}
