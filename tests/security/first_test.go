package security

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// streamhouse runs a command of ours.
func streamhouse(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	binary, err := peers.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	return peers.Command{Path: binary, Args: args}.Run(ctx, input)
}

// TestFirstUser: a user is made in a folder before a broker was ever started on it, logs in,
// and makes others; and the folder of a broker that runs is left alone.
func TestFirstUser(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		if out, err := streamhouse(t, "first secret\n", "user", "create", "admin", "--mechanism", mechanism, "--password-file", "-", "--data", data); err != nil ||
			out != "created user \"admin\" with "+mechanism+"\n" {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if _, err := streamhouse(t, "x\n", "user", "create", "admin", "--password-file", "-", "--data", data); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("made twice: %v", err)
	}
	set := settings("IN", "sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512")
	b := start(t, peers.Options{Listeners: map[string]string{"IN": "SASL_PLAINTEXT"}, Settings: set, DataDir: data})
	for name, way := range logins("admin", "first secret") {
		if err := ping(t, b.AddrOf("IN"), way, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := streamhouse(t, "x\n", "user", "create", "bob", "--password-file", "-", "--data", data); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("beside a broker: %v", err)
	}
	if out, err := streamhouse(t, "bob-secret\n", "user", "create", "bob", "--password-file", "-", "-b", b.Addr()); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := ping(t, b.AddrOf("IN"), scram.Auth{User: "bob", Pass: "bob-secret"}.AsSha512Mechanism(), nil); err != nil {
		t.Errorf("bob: %v", err)
	}
	out, err := streamhouse(t, "", "user", "list", "-b", b.Addr())
	if want := "USER   MECHANISM      ITERATIONS\nadmin  SCRAM-SHA-256  4096\nadmin  SCRAM-SHA-512  4096\nbob    SCRAM-SHA-512  4096\n"; err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := streamhouse(t, "", "user", "delete", "bob", "--yes", "-b", b.Addr()); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := ping(t, b.AddrOf("IN"), scram.Auth{User: "bob", Pass: "bob-secret"}.AsSha512Mechanism(), nil); err == nil {
		t.Error("bob was deleted and logs in")
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ping(t, b.AddrOf("IN"), scram.Auth{User: "admin", Pass: "first secret"}.AsSha512Mechanism(), nil); err != nil {
		t.Errorf("admin after a restart: %v", err)
	}
}
