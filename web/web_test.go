package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/auth"
)

func TestWhoIsLetIn(t *testing.T) {
	const here, there = "127.0.0.1:8080", "10.0.0.5:8080"
	for _, c := range []struct {
		name                   string
		anonymous              Anonymous
		method, host, from, at string
		origin, site           string
		looks                  bool // told by the part itself
		status                 int
		detail                 string
	}{
		{name: "loopback", method: "POST", host: "localhost:8080", from: "127.0.0.1:5", at: here, status: 200},
		{name: "loopback by IPv6", method: "POST", host: "[::1]:8080", from: "[::1]:5", at: "[::1]:8080", status: 200},
		{name: "loopback, mapped", method: "POST", host: "127.0.0.1", from: "[::ffff:127.0.0.1]:5", at: "[::ffff:127.0.0.1]:8080", status: 200},
		{name: "a name that ends in localhost", method: "GET", host: "sh.localhost", from: "127.0.0.1:5", at: here, status: 200},
		{name: "rebinding", method: "GET", host: "evil.example:8080", from: "127.0.0.1:5", at: here, status: 403, detail: "Host"},
		{name: "a name that only begins so", method: "GET", host: "localhost.evil.example", from: "127.0.0.1:5", at: here, status: 403, detail: "Host"},
		{name: "an address that is not ours", method: "GET", host: "10.9.9.9", from: "127.0.0.1:5", at: here, status: 403, detail: "Host"},
		{name: "no host", method: "GET", host: "", from: "127.0.0.1:5", at: here, status: 400, detail: "Host"},
		{name: "told name", method: "GET", host: "Broker.example.:8080", from: "127.0.0.1:5", at: here, status: 200},
		{name: "from elsewhere", method: "GET", host: "10.0.0.5:8080", from: "10.0.0.9:5", at: there, status: 403, detail: "login"},
		{name: "this machine by its other address", method: "GET", host: "10.0.0.5", from: "10.0.0.5:5", at: there, status: 403, detail: "login"},
		{name: "read, looks", anonymous: Read, method: "GET", host: "10.0.0.5", from: "10.0.0.9:5", at: there, status: 200},
		{name: "read, changes", anonymous: Read, method: "PUT", host: "10.0.0.5", from: "10.0.0.9:5", at: there, status: 403, detail: "login"},
		{name: "read, a POST that looks", anonymous: Read, method: "POST", looks: true, host: "10.0.0.5", from: "10.0.0.9:5", at: there, status: 200},
		{name: "all", anonymous: All, method: "DELETE", host: "broker.example", from: "10.0.0.9:5", at: there, status: 200},
		{name: "all, rebinding", anonymous: All, method: "GET", host: "evil.example", from: "10.0.0.9:5", at: there, status: 403, detail: "Host"},
		{name: "a foreign page", method: "POST", host: "localhost", from: "127.0.0.1:5", at: here, site: "cross-site", status: 403, detail: "origin"},
		{name: "a foreign page of an old browser", method: "POST", host: "localhost", from: "127.0.0.1:5", at: here, origin: "https://evil.example", status: 403, detail: "origin"},
		{name: "its own page", method: "POST", host: "localhost:8080", from: "127.0.0.1:5", at: here, origin: "http://localhost:8080", status: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy := Policy{Anonymous: c.anonymous, Hosts: []string{"broker.example"}}
			reached := false
			m := Mount{Prefix: "/part", Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				reached = true
				if r.URL.Path != "/x y" || r.URL.EscapedPath() != "/x%20y" || Principal(r.Context()) != auth.Anonymous {
					t.Errorf("%s by %v", r.URL.EscapedPath(), Principal(r.Context()))
				}
			})}
			if c.looks {
				m.Looks = func(*http.Request) bool { return true }
			}
			at, err := net.ResolveTCPAddr("tcp", c.at)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, at), c.method, "/part/x%20y", nil)
			r.Host, r.RemoteAddr = c.host, c.from
			for k, v := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
				if v != "" {
					r.Header.Set(k, v)
				}
			}
			w := httptest.NewRecorder()
			policy.Wrap(m).ServeHTTP(w, r)
			if w.Code != c.status || reached != (c.status == 200) {
				t.Fatalf("%d, reached: %t: %s", w.Code, reached, w.Body)
			}
			if c.status == 200 {
				return
			}
			var body struct{ Detail, Hint string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || !strings.Contains(body.Detail, c.detail) || body.Hint == "" {
				t.Errorf("%s: %v", w.Body, err)
			}
		})
	}
}

// A part has errors of its own form.
func TestRefuse(t *testing.T) {
	h := Policy{}.Wrap(Mount{Handler: http.NotFoundHandler(), Refuse: func(w http.ResponseWriter, _ *http.Request, f *Fault) {
		http.Error(w, "as the part has it", f.Status)
	}})
	s := httptest.NewServer(h)
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusForbidden || string(body) != "as the part has it\n" {
		t.Errorf("%d: %s", resp.StatusCode, body)
	}
}
