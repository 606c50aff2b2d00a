package metadatatest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/metadata"
)

// acl is one about a topic.
func acl(name string, change func(a *metadata.ACL)) metadata.ACL {
	a := metadata.ACL{ACL: auth.ACL{
		Type: auth.Topic, Pattern: auth.Literal, Name: name, Principal: "User:a", Host: "*", Operation: auth.Read, Permission: auth.Allow,
	}}
	if change != nil {
		change(&a)
	}
	return a
}

// testACLs: every value of an ACL is part of its key, and what was deleted can be made again.
func testACLs(t *testing.T, h *Harness) {
	change := func(writer byte, list ...metadata.ACL) error {
		_, err := h.Store.ChangeSecurity(t.Context(), secWriter(writer), metadata.SecurityRows{ACLs: list})
		return err
	}
	one := acl("t", nil)
	all := []metadata.ACL{one}
	for _, differs := range []func(a *metadata.ACL){
		func(a *metadata.ACL) { a.Type = auth.Group }, func(a *metadata.ACL) { a.Pattern = auth.Prefixed }, func(a *metadata.ACL) { a.Name = "T" },
		func(a *metadata.ACL) { a.Name = "ü \x01'" }, func(a *metadata.ACL) { a.Principal = "User:A" }, func(a *metadata.ACL) { a.Host = "::1" },
		func(a *metadata.ACL) { a.Operation = auth.Write }, func(a *metadata.ACL) { a.Permission = auth.Deny }, func(a *metadata.ACL) { a.Type = 101 },
	} {
		all = append(all, acl("t", differs))
	}
	if err := change(1, all...); err != nil {
		t.Fatal(err)
	}
	gone := one
	gone.Version, gone.Deleted = 1, true
	if err := change(2, gone); err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string][]metadata.ACL{
		"made twice": {all[1]}, "deleted twice": {gone}, "of two, the second stands": {acl("u", nil), all[2]}, "one twice": {acl("u", nil), acl("u", nil)},
	} {
		if err := change(3, list...); !errors.Is(err, metadata.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	show := func(s metadata.Store, since int64) (lines []string) {
		rows, err := s.LoadSecurity(t.Context(), since)
		if err != nil || !slices.IsSortedFunc(rows.ACLs, func(a, b metadata.ACL) int { return a.Compare(&b.ACL) }) {
			t.Fatal(rows.ACLs, err)
		}
		for i := range rows.ACLs {
			a := &rows.ACLs[i]
			lines = append(lines, fmt.Sprintf("%+v v%d w%d c%d %t", a.ACL, a.Version, a.Writer[15], a.Changed, a.Deleted))
		}
		return sorted(lines)
	}
	line := func(a *metadata.ACL, row string) string { return fmt.Sprintf("%+v %s", a.ACL, row) }
	want := []string{line(&one, "v2 w2 c2 true")}
	for i := range all[1:] {
		want = append(want, line(&all[1+i], "v1 w1 c1 false"))
	}
	for s := range beforeAndAfter(t, h) {
		if got := show(s, 0); !slices.Equal(got, sorted(want)) {
			t.Errorf("%q, want %q", got, want)
		}
		if got := show(s, 1); !slices.Equal(got, want[:1]) {
			t.Errorf("%q, want %q", got, want[:1])
		}
	}
	if err := change(4, one); err != nil {
		t.Fatal(err)
	}
	gone.Version = 3
	if err := change(5, gone); err != nil {
		t.Fatal(err)
	}
	if err := h.Store.ForgetSecurity(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if err := h.Store.ForgetSecurity(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if got := show(h.Store, 0); !slices.Equal(got, sorted(want[1:])) {
		t.Errorf("%q after its tombstone was forgotten", got)
	}
}
