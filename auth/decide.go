package auth

import (
	"fmt"
	"net/netip"
	"strings"
)

// Everybody is the principal of ACLs that hold for all users.
const Everybody = UserType + ":*"

// Policy is how ACLs are read.
type Policy struct {
	// Supers may do everything.
	Supers map[Principal]bool
	// OpenIfNone: what no ACL of anybody covers is everybody's.
	OpenIfNone bool
}

// Who asks: a principal at an address, prepared for many questions.
type Who struct {
	Principal Principal
	Host      netip.Addr // unmapped, without zone

	super bool
	text  string
}

// Who prepares somebody.
func (p *Policy) Who(principal Principal, host netip.Addr) Who {
	return Who{Principal: principal, Host: host.Unmap().WithZone(""), super: p.Supers[principal], text: principal.String()}
}

// Decision is an answer, and why.
type Decision struct {
	Allowed bool
	By      *ACL // that decided; nil: none did
	Super   bool
}

// Reason says why in a few words, for the log.
func (d *Decision) Reason() string {
	switch {
	case d.Super:
		return "super user"
	case d.By != nil:
		return d.By.String()
	case d.Allowed:
		return "no ACL is about it, and allow.everyone.if.no.acl.found"
	}
	return "no ACL allows it"
}

// implied are the operations whose ALLOW allows another one as well. A DENY denies what it
// says and nothing more.
func implied(allowed, asked Operation) bool {
	switch asked {
	case Describe:
		return allowed == Read || allowed == Write || allowed == Delete || allowed == Alter
	case DescribeConfigs:
		return allowed == AlterConfigs
	}
	return false
}

// Decide says whether somebody may do op with the resource called name. It allocates
// nothing.
//
// Of the ACLs that cover the name (it, a prefix of it, or all) and fit who asks, from
// where and what for, any DENY denies, else any ALLOW allows. Else nothing is allowed, but
// for what no ACL of anybody covers: there Policy.OpenIfNone decides.
func (p *Policy) Decide(v *View, who *Who, op Operation, on ResourceType, name string) Decision {
	if who.super {
		return Decision{Allowed: true, Super: true}
	}
	s := search{who: who, op: op}
	root := v.names[on]
	if all := root.find(Wildcard).literal; len(all) > 0 && name != Wildcard {
		s.list(all)
	}
	if s.denied == nil {
		root.covering(name, s.list)
	}
	switch {
	case s.denied != nil:
		return Decision{By: s.denied}
	case s.allowed != nil:
		return Decision{Allowed: true, By: s.allowed}
	}
	return Decision{Allowed: p.OpenIfNone && !s.any}
}

// search looks for what decides a question.
type search struct {
	who             *Who
	op              Operation
	any             bool // some ACL covers the name
	denied, allowed *ACL
}

// list looks through the ACLs of a resource; false: it is decided.
func (s *search) list(all []*entry) bool {
	s.any = true
	for _, principal := range [2]string{s.who.text, Everybody} {
		for _, e := range of(all, principal) {
			switch {
			case !e.fromHost(s.who.Host):
			case e.Permission == Deny && (e.Operation == s.op || e.Operation == All):
				s.denied = &e.ACL
				return false
			case e.Permission == Allow && (e.Operation == s.op || e.Operation == All || implied(e.Operation, s.op)):
				s.allowed = &e.ACL
			}
		}
	}
	return true
}

// madeUp is a name of Kafka's making, to ask whether somebody may do something with any
// resource at all.
const madeUp = "hardcode"

// DecideAny says whether somebody may do op with any resource of a type: with one of a
// made-up name; or, unless all are denied, by an ALLOW of just this operation or of all
// that no DENY covers whole.
func (p *Policy) DecideAny(v *View, who *Who, op Operation, on ResourceType) Decision {
	if d := p.Decide(v, who, op, on, madeUp); d.Allowed {
		return d
	}
	root := v.names[on]
	denied := func(list []*entry) (by *ACL) {
		for _, principal := range [2]string{who.text, Everybody} {
			for _, e := range of(list, principal) {
				if e.Permission == Deny && (e.Operation == op || e.Operation == All) && e.fromHost(who.Host) {
					return &e.ACL
				}
			}
		}
		return nil
	}
	if by := denied(root.find(Wildcard).literal); by != nil {
		return Decision{By: by}
	}
	for _, principal := range [2]string{who.text, Everybody} {
		for _, e := range v.owners.find(principal).literal {
			if e.Type != on || e.Permission != Allow || e.Operation != op && e.Operation != All || !e.fromHost(who.Host) {
				continue
			}
			if e.Pattern == Literal && e.Name == Wildcard {
				return Decision{Allowed: true, By: &e.ACL}
			}
			var by *ACL
			root.covering(e.Name, func(list []*entry) bool {
				if list[0].Pattern == Prefixed || e.Pattern == Literal {
					by = denied(list)
				}
				return by == nil
			})
			if by == nil {
				return Decision{Allowed: true, By: &e.ACL}
			}
		}
	}
	return Decision{}
}

// ParseSupers reads super.users: principals between semicolons, since names of
// certificates have commas. Spaces around them are not theirs.
func ParseSupers(text string) (map[Principal]bool, error) {
	supers := map[Principal]bool{}
	for _, one := range strings.Split(text, ";") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		p, err := ParsePrincipal(one)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", one, err)
		}
		supers[p] = true
	}
	return supers, nil
}
