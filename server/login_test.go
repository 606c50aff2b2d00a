package server

import (
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/metadata/users"
)

// TestLoginSettings: what cannot be used stops the start, names setting and remedy, and
// repeats no secret.
func TestLoginSettings(t *testing.T) {
	known, err := users.Open(t.Context(), mem.New(nil))
	if err != nil {
		t.Fatal(err)
	}
	const line = "listener.name.out.plain.sasl.jaas.config"
	const module = "org.apache.kafka.common.security.plain.PlainLoginModule required "
	for what, c := range map[string]struct {
		set  map[string]string
		want string
	}{
		"PLAIN":           {map[string]string{"sasl.enabled.mechanisms": "PLAIN", line: module + `user_a="hunter2";`}, ""},
		"SCRAM, no line":  {map[string]string{"sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512"}, ""},
		"only here":       {map[string]string{"sasl.enabled.mechanisms": "GSSAPI", "listener.name.out.sasl.enabled.mechanisms": "SCRAM-SHA-512"}, ""},
		"the default":     {map[string]string{}, "GSSAPI is not built; these are: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
		"none":            {map[string]string{"sasl.enabled.mechanisms": ""}, "at least one is needed"},
		"unknown":         {map[string]string{"sasl.enabled.mechanisms": "plain"}, "plain is not built"},
		"PLAIN, no line":  {map[string]string{"sasl.enabled.mechanisms": "PLAIN"}, line + ": nobody could log in"},
		"PLAIN, no users": {map[string]string{"sasl.enabled.mechanisms": "PLAIN", line: module + `username="hunter2" password="hunter2";`}, "nobody could log in"},
		"no semicolon":    {map[string]string{"sasl.enabled.mechanisms": "PLAIN", line: module + `user_a="hunter2"`}, line + ": the semicolon"},
		"two modules":     {map[string]string{"sasl.enabled.mechanisms": "PLAIN", line: module + `user_a="hunter2"; ` + module + ";"}, "one login module"},
		"another module":  {map[string]string{"sasl.enabled.mechanisms": "PLAIN", line: `ScramLoginModule required user_a="hunter2";`}, "the login module of PLAIN is"},
		"of another listener": {map[string]string{"sasl.enabled.mechanisms": "PLAIN", "listener.name.in.plain.sasl.jaas.config": module + `user_a="hunter2";`},
			"nobody could log in"},
	} {
		l, err := newLogin(config.NewBroker(1, c.set), "OUT", known)
		switch {
		case c.want == "" && (err != nil || l.Begin(l.Mechanisms[0]) == nil):
			t.Errorf("%s: %v", what, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}
