package jaas_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/auth/jaas"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]map[string]string{
		jaas.Plain + ` required username="b" password="p" user_alice="secret" user_b="p";`: {"alice": "secret", "b": "p"},
		jaas.Plain + ` REQUIRED user_a=bare-word_1.$;`:                                     {"a": "bare-word_1.$"},
		jaas.Plain + ` required user_a='it is "so"' user_b="a\"b\\c\101\n";`:               {"a": `it is "so"`, "b": "a\"b\\cA\n"},
		"// c\n" + jaas.Plain + " /* x */ required\n  user_a=\"x//y=;\" // z\n ; ":         {"a": "x//y=;"},
		jaas.Plain + ` required;`:                      {},
		jaas.Plain + ` required user_a="" user_ü="ß";`: {"a": "", "ü": "ß"},
	} {
		m, err := jaas.Parse(text)
		if err != nil || m.Name != jaas.Plain || !maps.Equal(m.Users(), want) {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "login module is missing",
		"x":                                  "control flag",
		"x wanted;":                          "control flag",
		`x required user_a="hunter2"`:        "semicolon",
		`x required user_a="hunter2;`:        "not closed",
		"x required user_a=\"hunter2\n\";":   "not closed",
		`x required user_a;`:                 "no value",
		`x required user_a=;`:                "the value of user_a is missing",
		`x required user_a="1" hunter2 ;`:    "not said here",
		`x required user_a="1" user_a="2";`:  "twice",
		`x required; y required;`:            "one login module",
		`x required user_a=hunter2/x;`:       "needs quotes",
		`x required /* user_a="1";`:          "comment",
		strings.Repeat("x", jaas.TextMax+1):  "at most",
		`x required ="hunter2";`:             "name is missing",
		`x required user_a="1" ; trailing x`: "behind the semicolon",
	} {
		m, err := jaas.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40s: %v, %v, want %q", text, m, err, want)
		}
	}
}

// FuzzParse: whatever it is, it is read or refused.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{jaas.Plain + ` required user_a="\1\37\377\8";`, `x required a='`, "//", "/*", `x required a="\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := jaas.Parse(text)
		if (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}
