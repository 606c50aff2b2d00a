package metadatatest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
)

// credential is one whose values follow from its key and n.
func credential(user string, mechanism int8, n byte) metadata.Credential {
	return metadata.Credential{
		User: user, Mechanism: mechanism, Salt: []byte{n, 0, 255}, StoredKey: bytes.Repeat([]byte{n}, 32), ServerKey: bytes.Repeat([]byte{n, 1}, 16),
		Iterations: 4096 + int32(n),
	}
}

func secWriter(n byte) [16]byte { return [16]byte{15: n, 0: 1} }

// put writes credentials and returns the version.
func put(t *testing.T, s metadata.Store, writer byte, list ...metadata.Credential) int64 {
	t.Helper()
	v, err := s.ChangeSecurity(t.Context(), secWriter(writer), metadata.SecurityRows{Credentials: list})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// security loads what changed since and says it in a line a row.
func security(t *testing.T, s metadata.Store, since int64) (version int64, lines []string) {
	t.Helper()
	rows, err := s.LoadSecurity(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rows.Credentials {
		lines = append(lines, fmt.Sprintf("%s/%d %x %x %x %d v%d w%d c%d %t", c.User, c.Mechanism, c.Salt, c.StoredKey[:min(2, len(c.StoredKey))],
			c.ServerKey[:min(2, len(c.ServerKey))], c.Iterations, c.Version, c.Writer[15], c.Changed, c.Deleted))
	}
	return rows.Version, lines
}

func testCredentials(t *testing.T, h *Harness) {
	if v, lines := security(t, h.Store, 0); v != 0 || len(lines) > 0 {
		t.Fatalf("a new store has version %d, %q", v, lines)
	}
	odd := "Ünï,=\x00 'quote\""
	put(t, h.Store, 1, credential("alice", 1, 1), credential("alice", 2, 2), credential(odd, 1, 3))
	changed := credential("alice", 2, 4)
	changed.Version = 1
	put(t, h.Store, 2, changed)
	gone := metadata.Credential{User: odd, Mechanism: 1, Row: metadata.Row{Version: 1, Deleted: true}}
	if v := put(t, h.Store, 3, gone); v != 3 {
		t.Errorf("version %d after three changes", v)
	}
	if v := put(t, h.Store, 4); v != 3 {
		t.Errorf("version %d after a change without rows", v)
	}
	all := []string{
		"alice/1 0100ff 0101 0101 4097 v1 w1 c1 false", "alice/2 0400ff 0404 0401 4100 v2 w2 c2 false", odd + "/1    0 v2 w3 c3 true",
	}
	for s := range beforeAndAfter(t, h) {
		for since, from := range []int{0, 1, 2, 3} {
			want := all[from:]
			if v, lines := security(t, s, int64(since)); v != 3 || !slices.Equal(sorted(lines), sorted(want)) {
				t.Errorf("since %d: version %d, %q, want %q", since, v, lines, want)
			}
		}
	}
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// testSecurityConflicts: what changed meanwhile is not written over, and a change is made
// whole or not at all.
func testSecurityConflicts(t *testing.T, h *Harness) {
	put(t, h.Store, 1, credential("a", 1, 1), credential("b", 1, 1))
	_, before := security(t, h.Store, 0)
	with := func(c metadata.Credential, version int64, deleted bool) metadata.Credential {
		c.Version, c.Deleted = version, deleted
		return c
	}
	for what, list := range map[string][]metadata.Credential{
		"made twice":           {credential("a", 1, 2)},
		"of a later version":   {with(credential("a", 1, 2), 2, false)},
		"change of none":       {with(credential("c", 1, 2), 1, false)},
		"deletion of none":     {with(credential("c", 1, 2), 0, true)},
		"second row refused":   {credential("c", 1, 2), credential("b", 1, 2)},
		"one row twice":        {credential("c", 1, 2), credential("c", 1, 3)},
		"deleted, old version": {with(credential("a", 1, 2), 0, true)},
	} {
		if _, err := h.Store.ChangeSecurity(t.Context(), secWriter(9), metadata.SecurityRows{Credentials: list}); !errors.Is(err, metadata.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
		if v, after := security(t, h.Store, 0); v != 1 || !slices.Equal(before, after) {
			t.Fatalf("%s changed something: version %d, %q", what, v, after)
		}
	}
}

// testSecurityTombstones: what was deleted can be made again, its version goes on, and it
// is forgotten only when everybody has seen it.
func testSecurityTombstones(t *testing.T, h *Harness) {
	put(t, h.Store, 1, credential("a", 1, 1), credential("b", 1, 1))
	gone := func(user string) metadata.Credential {
		return metadata.Credential{User: user, Mechanism: 1, Row: metadata.Row{Version: 1, Deleted: true}}
	}
	put(t, h.Store, 2, gone("a"))
	put(t, h.Store, 3, gone("b"))
	if err := h.Store.ForgetSecurity(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	h.Store = h.Reopen(t)
	if v, lines := security(t, h.Store, 0); v != 3 || !slices.Equal(lines, []string{"b/1    0 v2 w3 c3 true"}) {
		t.Errorf("version %d, %q", v, lines)
	}
	put(t, h.Store, 4, credential("b", 1, 5), credential("a", 1, 6))
	want := []string{"a/1 0600ff 0606 0601 4102 v1 w4 c4 false", "b/1 0500ff 0505 0501 4101 v3 w4 c4 false"}
	if err := h.Store.ForgetSecurity(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	for s := range beforeAndAfter(t, h) {
		if v, lines := security(t, s, 3); v != 4 || !slices.Equal(lines, want) {
			t.Errorf("version %d, %q", v, lines)
		}
	}
}

// testSecurityLostAnswer: who does not know whether a change was made finds its writer.
func testSecurityLostAnswer(t *testing.T, h *Harness) {
	put(t, h.Store, 7, credential("a", 1, 1))
	h.Store = h.Reopen(t)
	rows, err := h.Store.LoadSecurity(t.Context(), 0)
	if err != nil || len(rows.Credentials) != 1 || rows.Credentials[0].Writer != secWriter(7) {
		t.Errorf("%v, %v", rows, err)
	}
	rows.Credentials[0].StoredKey[0]++ // what was handed out is the caller's
	if again, err := h.Store.LoadSecurity(t.Context(), 0); err != nil || again.Credentials[0].StoredKey[0] != 1 {
		t.Errorf("%v, %v", again, err)
	}
}
