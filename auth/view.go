package auth

import (
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// entry is an ACL as it is looked up.
type entry struct {
	ACL
	hosts netip.Prefix // not valid: none, or all if Host is the wildcard
}

func newEntry(a ACL) *entry {
	e := &entry{ACL: a}
	if p, err := netip.ParsePrefix(a.Host); err == nil {
		if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
		}
		e.hosts = p.Masked()
	} else if addr, err := netip.ParseAddr(a.Host); err == nil {
		addr = addr.Unmap().WithZone("")
		e.hosts = netip.PrefixFrom(addr, addr.BitLen())
	}
	return e
}

func (e *entry) fromHost(host netip.Addr) bool {
	return e.Host == Wildcard || e.hosts.IsValid() && e.hosts.Contains(host)
}

// View is a set of ACLs at one moment. It never changes: With makes another one that
// shares nearly all of it, so that a change costs what it changes and not what there is.
// The zero view is empty.
type View struct {
	// Version counts the changes, as whoever makes the view does.
	Version int64

	size   int
	names  map[ResourceType]*node // by name; a leaf has what is exactly so called, and what begins so
	owners *node                  // by principal, in the leaf's first list
}

// Len is the number of ACLs.
func (v *View) Len() int { return v.size }

// With returns the view after ACLs were removed and others added, in that order. Those
// that are not there are not removed, and those that are there are not added again.
func (v *View) With(version int64, add, remove []ACL) *View {
	out := &View{Version: version, size: v.size, owners: v.owners, names: make(map[ResourceType]*node, len(v.names)+1)}
	for t, n := range v.names {
		out.names[t] = n
	}
	changes := make([]change, 0, len(add)+len(remove))
	for i := range remove {
		changes = append(changes, change{newEntry(remove[i]), true})
	}
	for i := range add {
		changes = append(changes, change{newEntry(add[i]), false})
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.Compare(&b.ACL) })
	for same := range chunks(changes, func(a, b *entry) bool { return a.Type == b.Type && a.Name == b.Name && a.Pattern == b.Pattern }) {
		e := same[0]
		out.names[e.Type] = orNew(out.names[e.Type]).with(e.Name, func(l leaf) leaf {
			list := &l.literal
			if e.Pattern == Prefixed {
				list = &l.prefixed
			}
			before := len(*list)
			*list = merge(*list, same, (*ACL).compareEntry)
			out.size += len(*list) - before
			return l
		})
	}
	slices.SortStableFunc(changes, func(a, b change) int { return strings.Compare(a.Principal, b.Principal) })
	for same := range chunks(changes, func(a, b *entry) bool { return a.Principal == b.Principal }) {
		out.owners = orNew(out.owners).with(same[0].Principal, func(l leaf) leaf {
			l.literal = merge(l.literal, same, (*ACL).Compare)
			return l
		})
	}
	return out
}

// change is an entry that comes or goes.
type change struct {
	*entry
	gone bool
}

// chunks hands out runs of what is the same.
func chunks(list []change, same func(a, b *entry) bool) func(yield func([]change) bool) {
	return func(yield func([]change) bool) {
		for len(list) > 0 {
			n := 1
			for n < len(list) && same(list[0].entry, list[n].entry) {
				n++
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// merge applies changes, in order, to a list that order keeps. Both are sorted by it.
func merge(list []*entry, changes []change, order func(a, b *ACL) int) []*entry {
	out := make([]*entry, 0, len(list)+len(changes))
	for len(changes) > 0 {
		at := sort.Search(len(list), func(i int) bool { return order(&list[i].ACL, &changes[0].ACL) >= 0 })
		out, list = append(out, list[:at]...), list[at:]
		var standing *entry
		if len(list) > 0 && list[0].ACL == changes[0].ACL {
			standing, list = list[0], list[1:]
		}
		key := changes[0].ACL
		for len(changes) > 0 && changes[0].ACL == key {
			switch {
			case changes[0].gone:
				standing = nil
			case standing == nil:
				standing = changes[0].entry
			}
			changes = changes[1:]
		}
		if standing != nil {
			out = append(out, standing)
		}
	}
	return append(out, list...)
}

// Each calls yield with the ACLs that a filter chooses, by resource, until it says no.
func (v *View) Each(f *Filter, yield func(*ACL) bool) {
	types := make([]ResourceType, 0, len(v.names))
	for t := range v.names {
		if f.Type == AnyResource || f.Type == t {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	for _, t := range types {
		if !v.names[t].each(func(e *entry) bool { return !f.Fits(&e.ACL) || yield(&e.ACL) }) {
			return
		}
	}
}

// Has says whether an ACL is there.
func (v *View) Has(a *ACL) bool {
	l := v.owners.find(a.Principal).literal
	at := sort.Search(len(l), func(i int) bool { return l[i].Compare(a) >= 0 })
	return at < len(l) && l[at].ACL == *a
}

// of returns the entries of a principal in a list that is sorted by it.
func of(list []*entry, principal string) []*entry {
	from := sort.Search(len(list), func(i int) bool { return list[i].Principal >= principal })
	list = list[from:]
	return list[:sort.Search(len(list), func(i int) bool { return list[i].Principal > principal })]
}
