package users_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/auth/sasl"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/metadata/users"
)

func open(t *testing.T, store *mem.Store) *users.Users {
	t.Helper()
	u, err := users.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func set(user string, n byte) users.Change {
	return users.Change{User: user, Mechanism: 1, Verifier: sasl.Verifier{Salt: []byte{n}, StoredKey: []byte{n}, ServerKey: []byte{n}, Iterations: 4096}}
}

// TestUsers: what is changed is in force at once and after a start; what the store refuses
// is not, and what others wrote is.
func TestUsers(t *testing.T) {
	store := mem.New(nil)
	u := open(t, store)
	change := func(list ...users.Change) error { return u.Change(t.Context(), list) }
	if err := change(set("a", 1), set("b", 1)); err != nil {
		t.Fatal(err)
	}
	if err := change(set("a", 2), users.Change{User: "b", Mechanism: 1}); err != nil {
		t.Fatal(err)
	}
	if err := change(set("c", 1), users.Change{User: "b", Mechanism: 1}); !errors.Is(err, metadata.ErrNotFound) {
		t.Errorf("removing nobody: %v", err)
	}
	again := open(t, store)
	for _, now := range []*users.Users{u, again} {
		v, ok := now.Verifier(sasl.ScramSHA256, "a")
		_, b := now.Verifier(sasl.ScramSHA256, "b")
		_, c := now.Verifier(sasl.ScramSHA256, "c")
		_, other := now.Verifier(sasl.ScramSHA512, "a")
		if !ok || v.StoredKey[0] != 2 || b || c || other || len(now.List()) != 1 {
			t.Errorf("%v, %t %t %t, %v", v, b, c, other, now.List())
		}
	}
	if !bytes.Equal(u.Secret(), again.Secret()) || len(u.Secret()) != 32 {
		t.Error("made-up salts change with a start")
	}
	if err := again.Change(t.Context(), []users.Change{set("a", 3)}); err != nil {
		t.Fatal(err)
	}
	if err := change(set("a", 4)); !errors.Is(err, metadata.ErrConflict) {
		t.Errorf("written over what another one wrote: %v", err)
	}
	if v, _ := u.Verifier(sasl.ScramSHA256, "a"); v.StoredKey[0] != 3 {
		t.Errorf("after a conflict %v", v)
	}
	if err := change(set("b", 5)); err != nil {
		t.Errorf("a user who was removed is not made again: %v", err)
	}
}
