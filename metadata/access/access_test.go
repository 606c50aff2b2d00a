package access_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/access"
	"github.com/streamhouse/streamhouse/metadata/mem"
)

var everything = auth.Filter{Type: auth.AnyResource, Pattern: auth.AnyPattern, Operation: auth.AnyOperation, Permission: auth.AnyPermission}

func acl(name string) auth.ACL {
	return auth.ACL{Type: auth.Topic, Pattern: auth.Literal, Name: name, Principal: "User:a", Host: "*", Operation: auth.Read, Permission: auth.Allow}
}

func store(t *testing.T) *mem.Store {
	s := mem.New(time.Now)
	if _, err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, s access.Store) *access.Access {
	a, err := access.Open(t.Context(), s, auth.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func names(v *auth.View) (out []string) {
	v.Each(&everything, func(a *auth.ACL) bool { out = append(out, a.Name); return true })
	return out
}

func TestChanges(t *testing.T) {
	s := store(t)
	a := open(t, s)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Create(t.Context(), []auth.ACL{acl("x"), acl("y"), acl("x")}))
	version := a.View().Version
	must(a.Create(t.Context(), []auth.ACL{acl("x")})) // is there: nothing changes
	if a.View().Version != version {
		t.Error("a change without an ACL made a new view")
	}
	must(a.Create(t.Context(), []auth.ACL{acl("z"), acl("y")}))
	x := "x"
	one := everything
	one.Name = &x
	chosen, err := a.Delete(t.Context(), []auth.Filter{one, everything, one})
	must(err)
	if len(chosen[0]) != 1 || len(chosen[1]) != 3 || len(chosen[2]) != 1 || a.View().Len() != 0 {
		t.Errorf("%v, %d left", chosen, a.View().Len())
	}
	must(a.Create(t.Context(), []auth.ACL{acl("x")})) // again, after its tombstone
	if got := names(open(t, s).View()); !slices.Equal(got, []string{"x"}) {
		t.Errorf("after a start: %v", got)
	}
}

func TestDeleteHasABound(t *testing.T) {
	a := open(t, store(t))
	var list []auth.ACL
	for i := range access.MaxDeleted + 1 {
		list = append(list, acl(fmt.Sprint(i)))
	}
	if err := a.Create(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Delete(t.Context(), []auth.Filter{everything}); !errors.Is(err, access.ErrTooMany) || a.View().Len() != len(list) {
		t.Errorf("%v, %d left", err, a.View().Len())
	}
	name := "7"
	one := everything
	one.Name = &name
	if _, err := a.Delete(t.Context(), []auth.Filter{one}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Delete(t.Context(), []auth.Filter{everything}); err != nil || a.View().Len() != 0 {
		t.Errorf("%v, %d left", err, a.View().Len())
	}
}

// lossy answers a change with an error, before or after it was made.
type lossy struct {
	*mem.Store
	fail func() (before, after bool)
}

var errLost = errors.New("the answer is lost")

func (l *lossy) ChangeSecurity(ctx context.Context, writer [16]byte, rows metadata.SecurityRows) (int64, error) {
	before, after := l.fail()
	if before {
		return 0, errLost
	}
	version, err := l.Store.ChangeSecurity(ctx, writer, rows)
	if after {
		return 0, errLost
	}
	return version, err
}

// TestTwoBrokersAndFailures: two change the same ACLs over one store that fails and loses
// answers. What is in force is what is stored, after each change and after each start.
func TestTwoBrokersAndFailures(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := &lossy{Store: store(t), fail: func() (bool, bool) { return r.IntN(8) == 0, r.IntN(8) == 0 }}
	brokers := []*access.Access{open(t, s), open(t, s)}
	changed, failed := 0, 0
	for range 2000 {
		n := r.IntN(len(brokers))
		b := brokers[n]
		name := fmt.Sprint(r.IntN(20))
		var err error
		if r.IntN(2) == 0 {
			if err = b.Create(t.Context(), []auth.ACL{acl(name), acl(fmt.Sprint(r.IntN(20)))}); err == nil && !slices.Contains(names(b.View()), name) {
				t.Fatalf("%s was created and is not in force", name)
			}
		} else {
			one := everything
			one.Name = &name
			if _, err = b.Delete(t.Context(), []auth.Filter{one}); err == nil && slices.Contains(names(b.View()), name) {
				t.Fatalf("%s was deleted and is in force", name)
			}
		}
		if changed++; err != nil {
			failed++
		}
		if r.IntN(20) == 0 {
			brokers[n] = open(t, s)
		}
	}
	if failed < changed/10 || failed > changed/2 {
		t.Errorf("%d of %d failed", failed, changed)
	}
	s.fail = func() (bool, bool) { return false, false }
	for _, b := range brokers { // a change catches up with the other's
		if err := b.Create(t.Context(), []auth.ACL{acl("last"), acl("last of all")}); err != nil {
			t.Fatal(err)
		}
	}
	if want, got := names(open(t, s).View()), names(brokers[1].View()); !slices.Equal(got, want) {
		t.Errorf("%v, stored are %v", got, want)
	}
}
