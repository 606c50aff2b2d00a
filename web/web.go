// Package web stands before every handler that is served over HTTP, but for health and
// metrics: it says from which names a browser may come, who asks, and whether that is
// enough. A handler behind it finds out who asks by Principal.
//
// Nobody can log in yet. Without a login the broker answers the machine that it runs on;
// others by http.anonymous.
package web

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/auth"
)

// Anonymous is what who did not log in may do from another machine: http.anonymous.
type Anonymous string

// The values of http.anonymous.
const (
	None Anonymous = "none" // nothing
	Read Anonymous = "read" // what changes nothing
	All  Anonymous = "all"
)

// Policy is what the settings say.
type Policy struct {
	Anonymous Anonymous
	// Hosts are the names by which clients may ask, besides those of this machine itself
	// (loopback, the address that was connected to): http.hosts, and the names that the
	// broker is told by. Without ports.
	Hosts []string
}

// Mount is a part of the API.
type Mount struct {
	// Prefix is where it lies, without a slash at its end: "/schema-registry"; empty for
	// a port of its own.
	Prefix string
	// Handler sees paths without the prefix.
	Handler http.Handler
	// Looks says whether a request changes nothing. nil: GET, HEAD and OPTIONS do not.
	Looks func(*http.Request) bool
	// Refuse answers in the form of errors that clients of this part know. nil: as RFC
	// 9457 has it (application/problem+json).
	Refuse func(w http.ResponseWriter, r *http.Request, fault *Fault)
}

// Fault is why a request was not let in.
type Fault struct {
	Status int    // 400 or 403
	Detail string // what is wrong
	Hint   string // and what to do about it
}

// Wrap puts the checks before a part.
func (p Policy) Wrap(m Mount) http.Handler {
	h := m.Handler
	if m.Prefix != "" {
		h = http.StripPrefix(m.Prefix, h)
	}
	if m.Looks == nil {
		m.Looks = looks
	}
	if m.Refuse == nil {
		m.Refuse = problem
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := p.check(r, m.Looks); f != nil {
			m.Refuse(w, r, f)
			return
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, auth.Anonymous)))
	})
}

// foreign keeps pages of other origins from changing anything through a browser.
var foreign = http.NewCrossOriginProtection()

func (p Policy) check(r *http.Request, looks func(*http.Request) bool) *Fault {
	if f := p.host(r); f != nil {
		return f
	}
	if err := foreign.Check(r); err != nil {
		return &Fault{http.StatusForbidden, "a page of another origin asks: " + err.Error(), "use a client, or a page that this broker serves"}
	}
	if p.Anonymous == All || local(r) || p.Anonymous == Read && looks(r) {
		return nil
	}
	return &Fault{
		http.StatusForbidden, "without a login this is answered on the broker's own machine only",
		"set http.anonymous to read or all, where everybody who reaches this address may use it",
	}
}

// host refuses names that are not this broker's: a page can make a browser ask it by a
// name that the page's owner points here (DNS rebinding), and would be of its origin then.
func (p Policy) host(r *http.Request) *Fault {
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if name == "" {
		return &Fault{http.StatusBadRequest, "the request has no Host", "send one"}
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.IsLoopback() || addr.Unmap() == localAddr(r) {
			return nil
		}
	} else if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return nil
	}
	if slices.ContainsFunc(p.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
		return nil
	}
	return &Fault{http.StatusForbidden, "the broker is not known by the name in Host", "add the name to http.hosts"}
}

// local says whether the request came from this machine itself.
func local(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback() && localAddr(r).IsLoopback()
}

// localAddr is the address that was connected to.
func localAddr(r *http.Request) netip.Addr {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if at == nil {
		return netip.Addr{}
	}
	ap, _ := netip.ParseAddrPort(at.String())
	return ap.Addr().Unmap()
}

func looks(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

func problem(w http.ResponseWriter, _ *http.Request, f *Fault) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Hint   string `json:"hint"`
	}{http.StatusText(f.Status), f.Status, f.Detail, f.Hint})
}

type principalKey struct{}

// Principal is who asks. A request that did not come through Wrap is a mistake of the
// program, and panics.
func Principal(ctx context.Context) auth.Principal {
	return ctx.Value(principalKey{}).(auth.Principal)
}
