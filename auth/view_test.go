package auth_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/auth"
)

var (
	alice = auth.User("alice")
	home  = netip.MustParseAddr("10.0.0.1")
)

// rule writes an ACL in short: "+r t:foo", "-d t:foo*" (a prefix), "+A t:*"; then, where
// they differ, principal and host.
func rule(t testing.TB, text string) auth.ACL {
	f := strings.Fields(text)
	a := auth.ACL{Permission: auth.Allow, Principal: "User:alice", Host: "*", Pattern: auth.Literal}
	if f[0][0] == '-' {
		a.Permission = auth.Deny
	}
	ops := map[string]auth.Operation{"A": auth.All, "r": auth.Read, "w": auth.Write, "d": auth.Describe, "D": auth.Delete, "a": auth.Alter, "c": auth.AlterConfigs, "x": auth.DescribeConfigs}
	kinds := map[string]auth.ResourceType{"t": auth.Topic, "g": auth.Group}
	kind, name, _ := strings.Cut(f[1], ":")
	if a.Operation, a.Type = ops[f[0][1:]], kinds[kind]; a.Operation == 0 || a.Type == 0 {
		t.Fatal(text)
	}
	if prefix, ok := strings.CutSuffix(name, "*"); ok && prefix != "" {
		a.Pattern, name = auth.Prefixed, prefix
	}
	a.Name = name
	if len(f) > 2 {
		a.Principal = f[2]
	}
	if len(f) > 3 {
		a.Host = f[3]
	}
	return a
}

func rules(t testing.TB, texts ...string) (list []auth.ACL) {
	for _, s := range texts {
		list = append(list, rule(t, s))
	}
	return list
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name string
		acls []string
		op   auth.Operation
		open bool // with allow.everyone.if.no.acl.found
		want bool
	}{
		{"nothing", nil, auth.Read, false, false},
		{"nothing, open", nil, auth.Read, true, true},
		{"another's ACL closes it", []string{"+r t:foo User:bob"}, auth.Read, true, false},
		{"a prefix of another closes it", []string{"+r t:f* User:bob"}, auth.Read, true, false},
		{"an ACL of all names closes it", []string{"-w t:* User:bob"}, auth.Read, true, false},
		{"another type leaves it open", []string{"+r g:foo"}, auth.Read, true, true},
		{"a longer name leaves it open", []string{"-r t:fooo"}, auth.Read, true, true},
		{"literal", []string{"+r t:foo"}, auth.Read, false, true},
		{"a longer prefix", []string{"+r t:fooo*"}, auth.Read, false, false},
		{"prefix", []string{"+r t:fo*"}, auth.Read, false, true},
		{"the whole name as a prefix", []string{"+r t:foo*"}, auth.Read, false, true},
		{"all names", []string{"+r t:*"}, auth.Read, false, true},
		{"everybody", []string{"+r t:foo User:*"}, auth.Read, false, true},
		{"everybody of another type", []string{"+r t:foo Role:*"}, auth.Read, false, false},
		{"case counts", []string{"+r t:foo User:Alice", "+r t:Foo"}, auth.Read, false, false},
		{"all operations", []string{"+A t:foo"}, auth.Read, false, true},
		{"another operation", []string{"+w t:foo"}, auth.Read, false, false},
		{"read implies describe", []string{"+r t:foo"}, auth.Describe, false, true},
		{"write implies describe", []string{"+w t:foo"}, auth.Describe, false, true},
		{"delete implies describe", []string{"+D t:foo"}, auth.Describe, false, true},
		{"alter implies describe", []string{"+a t:foo"}, auth.Describe, false, true},
		{"alter configs implies describe configs", []string{"+c t:foo"}, auth.DescribeConfigs, false, true},
		{"alter configs does not imply describe", []string{"+c t:foo"}, auth.Describe, false, false},
		{"describe implies nothing", []string{"+d t:foo"}, auth.Read, false, false},
		{"deny read leaves describe", []string{"-r t:foo", "+d t:foo"}, auth.Describe, false, true},
		{"deny all", []string{"-A t:foo", "+d t:foo"}, auth.Describe, false, false},
		{"deny beats allow", []string{"+r t:foo", "-r t:foo"}, auth.Read, false, false},
		{"deny of a prefix beats allow", []string{"+r t:foo", "-r t:f*"}, auth.Read, false, false},
		{"deny of all names beats allow", []string{"+r t:foo", "-r t:*"}, auth.Read, false, false},
		{"deny of everybody beats allow", []string{"+r t:foo", "-r t:foo User:*"}, auth.Read, false, false},
		{"deny of another", []string{"+r t:foo", "-r t:foo User:bob"}, auth.Read, false, true},
		{"deny, open", []string{"-r t:foo"}, auth.Read, true, false},
		{"host", []string{"+r t:foo User:alice 10.0.0.1"}, auth.Read, false, true},
		{"another host", []string{"+r t:foo User:alice 10.0.0.2"}, auth.Read, false, false},
		{"deny from another host", []string{"+r t:foo", "-r t:foo User:alice 10.0.0.2"}, auth.Read, false, true},
		{"network", []string{"+r t:foo User:alice 10.0.0.0/24"}, auth.Read, false, true},
		{"network by one of its hosts", []string{"+r t:foo User:alice 10.0.0.77/24"}, auth.Read, false, true},
		{"another network", []string{"+r t:foo User:alice 10.0.1.0/24"}, auth.Read, false, false},
		{"mapped address", []string{"+r t:foo User:alice ::ffff:10.0.0.1"}, auth.Read, false, true},
		{"mapped network", []string{"+r t:foo User:alice ::ffff:10.0.0.0/120"}, auth.Read, false, true},
		{"no address", []string{"+r t:foo User:alice localhost"}, auth.Read, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &auth.Policy{OpenIfNone: c.open, Supers: map[auth.Principal]bool{auth.User("root"): true}}
			v := new(auth.View).With(1, rules(t, c.acls...), nil)
			who := p.Who(alice, home)
			if d := p.Decide(v, &who, c.op, auth.Topic, "foo"); d.Allowed != c.want {
				t.Errorf("%v: %s", d.Allowed, d.Reason())
			}
			who = p.Who(auth.User("root"), home)
			if d := p.Decide(v, &who, c.op, auth.Topic, "foo"); !d.Allowed || d.Reason() != "super user" {
				t.Errorf("a super user: %v, %s", d.Allowed, d.Reason())
			}
		})
	}
}

func TestDecideAny(t *testing.T) {
	for _, c := range []struct {
		name string
		acls []string
		want bool
	}{
		{"nothing", nil, false},
		{"literal", []string{"+w t:foo"}, true},
		{"all names", []string{"+w t:*"}, true},
		{"prefix", []string{"+w t:f*"}, true},
		{"what implies it does not", []string{"+r t:foo"}, false},
		{"all operations", []string{"+A t:foo"}, true},
		{"another's", []string{"+w t:foo User:bob"}, false},
		{"another host", []string{"+w t:foo User:alice 10.0.0.2"}, false},
		{"another type", []string{"+w g:foo"}, false},
		{"denied all", []string{"+w t:foo", "-w t:*"}, false},
		{"denied all, by everybody", []string{"+w t:foo", "-A t:* User:*"}, false},
		{"denied another operation", []string{"+w t:foo", "-r t:*"}, true},
		{"denied the same", []string{"+w t:foo", "-w t:foo"}, false},
		{"denied a prefix", []string{"+w t:foo", "-w t:f*"}, false},
		{"denied itself as a prefix", []string{"+w t:foo", "-w t:foo*"}, false},
		{"denied a longer prefix", []string{"+w t:foo", "-w t:fooo*"}, true},
		{"prefix, denied a name of it", []string{"+w t:f*", "-w t:foo"}, true},
		{"prefix, denied literally the same", []string{"+w t:f*", "-w t:f"}, true},
		{"prefix, denied the same", []string{"+w t:f*", "-w t:f*"}, false},
		{"one is left", []string{"+w t:foo", "+w t:bar", "-w t:f*"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &auth.Policy{}
			v := new(auth.View).With(1, rules(t, c.acls...), nil)
			who := p.Who(alice, home)
			if d := p.DecideAny(v, &who, auth.Write, auth.Topic); d.Allowed != c.want {
				t.Errorf("%v: %s", d.Allowed, d.Reason())
			}
		})
	}
}

func TestCheckACL(t *testing.T) {
	good := auth.ACL{Type: auth.Topic, Pattern: auth.Literal, Name: "t", Principal: "User:a", Host: "*", Operation: auth.Read, Permission: auth.Allow}
	for what, change := range map[string]func(a *auth.ACL){
		"type unknown": func(a *auth.ACL) { a.Type = 0 }, "type any": func(a *auth.ACL) { a.Type = auth.AnyResource }, "type of ours": func(a *auth.ACL) { a.Type = 101 },
		"pattern any": func(a *auth.ACL) { a.Pattern = auth.AnyPattern }, "pattern match": func(a *auth.ACL) { a.Pattern = auth.Match },
		"operation any": func(a *auth.ACL) { a.Operation = auth.AnyOperation }, "operation beyond": func(a *auth.ACL) { a.Operation = 16 },
		"permission any": func(a *auth.ACL) { a.Permission = auth.AnyPermission }, "no name": func(a *auth.ACL) { a.Name = "" },
		"another cluster": func(a *auth.ACL) { a.Type = auth.Cluster }, "principal": func(a *auth.ACL) { a.Principal = "alice" },
		"no host": func(a *auth.ACL) { a.Host = "" }, "network": func(a *auth.ACL) { a.Host = "10.0.0.0/33" }, "no network": func(a *auth.ACL) { a.Host = "10.0/8" },
	} {
		bad := good
		if change(&bad); bad.Check() == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	for _, ok := range []auth.ACL{good, {Type: auth.Cluster, Pattern: auth.Literal, Name: auth.ClusterName, Principal: "a:b", Host: "anything", Operation: auth.All, Permission: auth.Deny}} {
		if err := ok.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestParseSupers(t *testing.T) {
	got, err := auth.ParseSupers(" User:a ; User:CN=b,O=c;;User:ANONYMOUS")
	if want := (map[auth.Principal]bool{auth.User("a"): true, auth.User("CN=b,O=c"): true, auth.Anonymous: true}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := auth.ParseSupers("User:a,b;c"); err == nil {
		t.Errorf("%v", got)
	}
}

// model is what the rules say, asked of every ACL.
type model map[auth.ACL]bool

func (m model) decide(p *auth.Policy, who auth.Principal, host string, op auth.Operation, on auth.ResourceType, name string) bool {
	if p.Supers[who] {
		return true
	}
	covered, allowed := false, false
	for a := range m {
		if a.Type != on || !(a.Name == name && a.Pattern == auth.Literal || a.Pattern == auth.Literal && a.Name == "*" || a.Pattern == auth.Prefixed && strings.HasPrefix(name, a.Name)) {
			continue
		}
		covered = true
		if a.Principal != "User:*" && a.Principal != who.String() || a.Host != "*" && a.Host != host && !strings.HasSuffix(a.Host, "/8") {
			continue // the only network has all hosts
		}
		same := a.Operation == op || a.Operation == auth.All
		if a.Permission == auth.Deny && same {
			return false
		}
		allowed = allowed || a.Permission == auth.Allow && (same || op == auth.Describe && (a.Operation == auth.Read || a.Operation == auth.Write))
	}
	return allowed || !covered && p.OpenIfNone
}

func (m model) chosen(f *auth.Filter) (out []auth.ACL) {
	for a := range m {
		byName := f.Name == nil || *f.Name == a.Name ||
			f.Pattern == auth.Match && (a.Pattern == auth.Prefixed && strings.HasPrefix(*f.Name, a.Name) || a.Pattern == auth.Literal && a.Name == "*")
		if byName && (f.Pattern <= auth.Match || f.Pattern == a.Pattern) && (f.Type == auth.AnyResource || f.Type == a.Type) &&
			(f.Principal == nil || *f.Principal == a.Principal) && (f.Permission == auth.AnyPermission || f.Permission == a.Permission) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b auth.ACL) int { return a.Compare(&b) })
	return out
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// name is one of few letters, so that many are prefixes of others.
func name(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(4))
	for i := range b {
		b[i] = "ab\xff"[r.IntN(3)]
	}
	return string(b)
}

func randomACL(r *rand.Rand) auth.ACL {
	a := auth.ACL{
		Type: pick(r, auth.Topic, auth.Group), Pattern: pick(r, auth.Literal, auth.Prefixed), Name: name(r),
		Principal: pick(r, "User:a", "User:b", "User:*"), Host: pick(r, "*", "*", "10.0.0.1", "10.0.0.0/8"),
		Operation: pick(r, auth.Read, auth.Write, auth.Describe, auth.All), Permission: pick(r, auth.Allow, auth.Allow, auth.Deny),
	}
	if r.IntN(20) == 0 {
		a.Pattern, a.Name = pick(r, auth.Literal, auth.Prefixed), "*"
	}
	return a
}

// TestAgainstModel makes 100,000 random steps: changes, questions, filters.
func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	p := &auth.Policy{Supers: map[auth.Principal]bool{auth.User("s"): true}}
	m, v := model{}, new(auth.View)
	asked, allowed, versions := 0, 0, []*auth.View{}
	for step := range 100_000 {
		switch r.IntN(10) {
		case 0:
			var add, remove []auth.ACL
			for range r.IntN(4) {
				add = append(add, randomACL(r))
			}
			for a := range m {
				if len(remove) > len(m)/40+r.IntN(3) {
					break
				}
				remove = append(remove, a)
			}
			if r.IntN(100) == 0 {
				remove = slices.Collect(maps.Keys(m)) // and all the tree goes
			}
			remove = append(remove, randomACL(r)) // hardly there
			for _, a := range remove {
				delete(m, a)
			}
			for _, a := range add {
				m[a] = true
			}
			if v = v.With(int64(step), add, remove); v.Len() != len(m) {
				t.Fatalf("step %d: %d ACLs, want %d", step, v.Len(), len(m))
			}
			versions = append(versions, v)
		case 1:
			f := &auth.Filter{
				Type: pick(r, auth.AnyResource, auth.Topic, auth.Group), Pattern: pick(r, auth.AnyPattern, auth.Match, auth.Literal, auth.Prefixed),
				Operation: auth.AnyOperation, Permission: pick(r, auth.AnyPermission, auth.Deny),
			}
			if r.IntN(2) == 0 {
				f.Name = new(string)
				*f.Name = pick(r, name(r), "*")
			}
			var got []auth.ACL
			v.Each(f, func(a *auth.ACL) bool { got = append(got, *a); return true })
			slices.SortFunc(got, func(a, b auth.ACL) int { return a.Compare(&b) })
			if want := m.chosen(f); !slices.Equal(got, want) {
				t.Fatalf("step %d, %+v: %v, want %v", step, f, got, want)
			}
			if a := randomACL(r); v.Has(&a) != m[a] {
				t.Fatalf("step %d: has %v", step, a)
			}
		default:
			p.OpenIfNone = r.IntN(2) == 0
			user, host := auth.User(pick(r, "a", "b", "c", "s")), pick(r, "10.0.0.1", "10.0.0.2")
			op, on, what := pick(r, auth.Read, auth.Write, auth.Describe, auth.Alter), pick(r, auth.Topic, auth.Group, auth.Cluster), pick(r, name(r), "*")
			who := p.Who(user, netip.MustParseAddr(host))
			d := p.Decide(v, &who, op, on, what)
			if want := m.decide(p, user, host, op, on, what); d.Allowed != want {
				t.Fatalf("step %d: %v %v %v %v %q: %v (%s), want %v of %v", step, user, host, op, on, what, d.Allowed, d.Reason(), want, m)
			}
			asked++
			if d.Allowed {
				allowed++
			}
		}
	}
	if asked < 70_000 || allowed < asked/5 || allowed > asked*4/5 {
		t.Errorf("%d asked, %d allowed", asked, allowed)
	}
	for i, old := range versions[:len(versions)-1] { // none was touched by those after it
		n := 0
		old.Each(&auth.Filter{Type: auth.AnyResource, Pattern: auth.AnyPattern, Operation: auth.AnyOperation, Permission: auth.AnyPermission}, func(*auth.ACL) bool { n++; return true })
		if n != old.Len() {
			t.Fatalf("view %d has %d ACLs, had %d", i, n, old.Len())
		}
	}
}

// crowd is 100,000 ACLs of 1,000 users: names of their own, prefixes, and one for all.
func crowd() (list []auth.ACL) {
	for u := range 1000 {
		for i := range 100 {
			a := auth.ACL{
				Type: auth.Topic, Pattern: auth.Literal, Name: fmt.Sprintf("team-%d.topic-%d", u%50, i), Principal: fmt.Sprintf("User:u%d", u),
				Host: "*", Operation: auth.Operation(3 + i%2), Permission: auth.Allow,
			}
			switch {
			case i == 0:
				a.Name = auth.Wildcard
			case i < 10:
				a.Pattern, a.Name = auth.Prefixed, fmt.Sprintf("team-%d.topic-%d", u, i)
			}
			list = append(list, a)
		}
	}
	return list
}

func BenchmarkDecide(b *testing.B) {
	v, p := new(auth.View).With(1, crowd(), nil), &auth.Policy{}
	who := p.Who(auth.User("u500"), home)
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("team-%d.topic-%d", i%60, i%130)
	}
	b.Run("name", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			p.Decide(v, &who, auth.Read, auth.Topic, names[i%1000])
		}
	})
	b.Run("any", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			p.DecideAny(v, &who, auth.Create, auth.Topic)
		}
	})
	b.Run("change", func(b *testing.B) {
		one := []auth.ACL{{Type: auth.Topic, Pattern: auth.Literal, Name: "*", Principal: "User:u7", Host: "*", Operation: auth.Alter, Permission: auth.Deny}}
		for range b.N {
			v.With(2, one, nil)
		}
	})
}

// TestDecideAllocatesNothing: it is asked for each topic of each produce.
func TestDecideAllocatesNothing(t *testing.T) {
	list := crowd()[:5000]
	slices.SortFunc(list, func(a, b auth.ACL) int { return -cmp.Compare(a.Name, b.Name) })
	v, p := new(auth.View).With(1, list, nil), &auth.Policy{}
	who := p.Who(auth.User("u5"), home)
	if n := testing.AllocsPerRun(100, func() {
		if d := p.Decide(v, &who, auth.Write, auth.Topic, "team-5.topic-11"); !d.Allowed {
			t.Error("denied")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
