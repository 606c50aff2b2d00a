package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestNear(t *testing.T) {
	names := []string{"create", "list", "describe", "delete"}
	for word, want := range map[string]string{
		"crate": "create", "craete": "create", "lst": "list", "desc": "", "deltee": "delete",
		"frobnicate": "", "": "", "listing-of-everything": "",
	} {
		if got := Near(word, names); got != want {
			t.Errorf("near %q is %q, want %q", word, got, want)
		}
	}
}

func TestFaultsHaveTheirKind(t *testing.T) {
	for _, c := range []struct {
		err  error
		said string
		kind Kind
		text string
	}{
		{kerr.TopicAlreadyExists, "", Conflict, "act: TOPIC_ALREADY_EXISTS"},
		{fmt.Errorf("wrapped: %w", kerr.InvalidConfig), "a setting\nis wrong", Invalid, "act: a setting is wrong"},
		{&kadm.AuthError{Err: kerr.TopicAuthorizationFailed}, "", NotAllowed, "TOPIC_AUTHORIZATION_FAILED"},
		{kerr.CorruptMessage, "", Other, "CORRUPT_MESSAGE"},
		{context.DeadlineExceeded, "", NotReached, "no answer in time"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "nowhere", IsNotFound: true}}, "", NotReached, "there is no host nowhere"},
		{errors.New("something else"), "", Other, "act: something else"},
		{&Fault{Kind: Partly, What: "half"}, "", Partly, "half"},
	} {
		err := fault("act", c.err, c.said)
		if KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v became %q of kind %d, want %q of kind %d", c.err, err, KindOf(err), c.text, c.kind)
		}
		cause := c.err
		if auth, ok := errors.AsType[*kadm.AuthError](cause); ok {
			cause = auth.Err
		}
		if c.kind != Partly && !errors.Is(err, cause) {
			t.Errorf("%v lost its cause", c.err)
		}
	}
	for i, k := range Kinds() {
		if want := []int{1, 2, 3, 4, 5, 6, 7}[i]; k.Kind.Exit() != want {
			t.Errorf("kind %d ends with %d, want %d", k.Kind, k.Kind.Exit(), want)
		}
	}
}
