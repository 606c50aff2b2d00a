package auth_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/auth"
)

// TestAsKafka: subjects are written as Java writes them, and rules make of them what Apache
// Kafka's class makes. The recording is made by: go test ./tests/security -run Mapping -record
func TestAsKafka(t *testing.T) {
	var r struct {
		Subjects []struct {
			DER  []byte
			Name string
		}
		Rules []struct {
			Rules      string
			Principals []*string
		}
	}
	body, err := os.ReadFile("testdata/mapping.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Subjects {
		if got, err := auth.DN(s.DER); err != nil || got != s.Name {
			t.Errorf("%x: %q, %v, want %q", s.DER, got, err, s.Name)
		}
	}
	compared, none := 0, 0
	for _, rules := range r.Rules {
		m, err := auth.ParseMapping(rules.Rules)
		if (err != nil) != (rules.Principals == nil) {
			t.Errorf("%s: %v, Kafka takes it: %t", rules.Rules, err, rules.Principals != nil)
			continue
		}
		for i, want := range rules.Principals {
			got, err := m.Name(r.Subjects[i].Name)
			compared++
			switch {
			case want == nil:
				none++
				if err == nil {
					t.Errorf("%s: %q: %q, Kafka has none", rules.Rules, r.Subjects[i].Name, got)
				}
			case err != nil || got != *want:
				t.Errorf("%s: %q: %q, %v, want %q", rules.Rules, r.Subjects[i].Name, got, err, *want)
			}
		}
	}
	if len(r.Subjects) < 40 || compared < 1000 || none < 100 {
		t.Errorf("%d subjects, %d principals, %d of them none", len(r.Subjects), compared, none)
	}
}

// TestRulesOfJavaOnly: what Go's regular expressions do not have stops the start.
func TestRulesOfJavaOnly(t *testing.T) {
	for _, rules := range []string{`RULE:^CN=(?=a).*$/x/`, `RULE:^CN=(a)\1$/x/`, `RULE:^CN=a++$/x/`, `RULE:(/x/`} {
		if _, err := auth.ParseMapping(rules); err == nil || !strings.Contains(err.Error(), "RULE:") {
			t.Errorf("%s: %v", rules, err)
		}
	}
}

// FuzzDN: whatever a certificate holds, it is written or refused.
func FuzzDN(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		dn, err := auth.DN(raw)
		if err != nil && dn != "" {
			t.Errorf("%q, %v", dn, err)
		}
	})
}

// FuzzMapping: whatever rules and subjects are, there is an answer.
func FuzzMapping(f *testing.F) {
	f.Add("RULE:(.*?)/$1/L,DEFAULT", "CN=a")
	f.Add(`RULE:^(a*)(b*)$/$2$1$3\$/`, "ab")
	f.Fuzz(func(t *testing.T, rules, dn string) {
		if len(rules) > 200 || len(dn) > 200 {
			return
		}
		m, err := auth.ParseMapping(rules)
		if err != nil {
			return
		}
		if name, err := m.Name(dn); err != nil && name != "" {
			t.Errorf("%q, %v", name, err)
		}
	})
}
