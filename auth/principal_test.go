package auth_test

import (
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/auth"
)

func TestParsePrincipal(t *testing.T) {
	for text, want := range map[string]auth.Principal{
		"User:alice": auth.User("alice"), "User:CN=a,O=b:c": auth.User("CN=a,O=b:c"), "Role:x": {Type: "Role", Name: "x"},
		"User:ANONYMOUS": auth.Anonymous,
	} {
		got, err := auth.ParsePrincipal(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "alice", ":alice", "User:"} {
		if got, err := auth.ParsePrincipal(text); !errors.Is(err, auth.ErrPrincipal) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
