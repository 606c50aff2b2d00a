package protobuf

import "strconv"

// oneofs compares what excludes what. Members that were independent of each other, each
// alone or in another oneof, may not come to exclude each other: both may be in one record.
func (c *comparison) oneofs(at string, old, next *message) {
	before, now := memberships(old), memberships(next)
	had, has := oneofNames(old), oneofNames(next)
	here := func(name string) string { return at + "/" + name }
	for i := range next.oneofs {
		o := &next.oneofs[i]
		if had[o.name] {
			c.addedMembers(at, o, before)
		} else {
			c.tell("ONEOF_ADDED", here(o.name))
		}
		c.joined(at, o, before)
	}
	for i := range old.oneofs {
		o := &old.oneofs[i]
		if !has[o.name] {
			c.tell("ONEOF_REMOVED", here(o.name))
		}
		c.removedMembers(at, o, now)
	}
}

func oneofNames(m *message) map[string]bool {
	out := map[string]bool{}
	for i := range m.oneofs {
		out[m.oneofs[i].name] = true
	}
	return out
}

// memberships has the oneof of each field of a message by number; "": none.
func memberships(m *message) map[int]string {
	out := map[int]string{}
	for _, f := range m.all() {
		out[f.tag] = ""
	}
	for i := range m.oneofs {
		for _, tag := range m.oneofs[i].tags() {
			out[tag] = m.oneofs[i].name
		}
	}
	return out
}

func (o *oneof) tags() []int {
	var out []int
	for _, f := range o.fields {
		out = append(out, f.tag)
	}
	for _, g := range o.groups {
		out = append(out, g.tag)
	}
	return out
}

func (c *comparison) addedMembers(at string, o *oneof, before map[int]string) {
	for _, tag := range o.tags() {
		if _, ok := before[tag]; !ok {
			c.tell("ONEOF_FIELD_ADDED", at+"/"+strconv.Itoa(tag))
		}
	}
}

// joined tells of members that come from different places.
func (c *comparison) joined(at string, o *oneof, before map[int]string) {
	var alone, others []int
	first := ""
	for _, tag := range o.tags() {
		switch was, ok := before[tag]; {
		case !ok:
		case was == "":
			alone = append(alone, tag)
		case first == "":
			first = was
		case was != first:
			others = append(others, tag)
		}
	}
	if first == "" && len(alone) > 1 {
		c.tell("MULTIPLE_FIELDS_MOVED_TO_ONEOF", at+"/"+o.name)
	}
	if first == "" {
		return
	}
	for _, tag := range append(alone, others...) {
		c.tell("FIELD_MOVED_TO_EXISTING_ONEOF", at+"/"+strconv.Itoa(tag))
	}
}

// removedMembers tells of members that are gone while others are left, and of those that
// are no members any more.
func (c *comparison) removedMembers(at string, o *oneof, now map[int]string) {
	survives := false
	for _, tag := range o.tags() {
		_, ok := now[tag]
		survives = survives || ok
	}
	for _, tag := range o.tags() {
		where, ok := now[tag]
		switch {
		case !ok && survives:
			c.tell("ONEOF_FIELD_REMOVED", at+"/"+strconv.Itoa(tag))
		case ok && where == "":
			c.tell("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", at+"/"+strconv.Itoa(tag))
		}
	}
}
