// Package auth is the rules of who a client is and what it may do. It is pure: it is
// handed names, certificates' subjects and the time, and does no I/O.
package auth

import (
	"errors"
	"strings"
)

// UserType is the type of principals that log in.
const UserType = "User"

// Principal is who is at the other end of a connection, as Kafka writes it: "User:alice".
// Two are the same if they are equal, with case.
type Principal struct {
	Type string // "User"
	Name string // "alice", or a certificate's subject: "CN=alice,O=x"
}

// Anonymous is who did not log in: clients of a plain listener, and of a TLS listener
// without a certificate.
var Anonymous = Principal{UserType, "ANONYMOUS"}

// User is the principal of a user.
func User(name string) Principal { return Principal{UserType, name} }

// String returns type and name with a colon between them.
func (p Principal) String() string { return p.Type + ":" + p.Name }

// ErrPrincipal is wrapped by the errors of ParsePrincipal.
var ErrPrincipal = errors.New("a principal is written Type:name")

// ParsePrincipal reads what String writes. The name may hold colons; type and name may
// not be empty.
func ParsePrincipal(text string) (Principal, error) {
	kind, name, ok := strings.Cut(text, ":")
	if !ok || kind == "" || name == "" {
		return Principal{}, ErrPrincipal
	}
	return Principal{kind, name}, nil
}
