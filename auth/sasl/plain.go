package sasl

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/streamhouse/streamhouse/auth"
)

// Passwords say who may log in with PLAIN (RFC 4616). A password is compared in a time that
// tells neither how much of it is right nor whether there is such a user.
type Passwords struct {
	key   []byte
	byMAC map[string][sha256.Size]byte
}

// NewPasswords makes Passwords of users. key is random and stays here.
func NewPasswords(users map[string]string, key []byte) *Passwords {
	p := &Passwords{key: key, byMAC: make(map[string][sha256.Size]byte, len(users))}
	for user, password := range users {
		p.byMAC[user] = p.mac(password)
	}
	return p
}

func (p *Passwords) mac(password string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(password)) // never fails
	h.Sum(sum[:0])
	return sum
}

// check says whether a password is the user's.
func (p *Passwords) check(user, password string) bool {
	expected, known := p.byMAC[user] // zero for nobody: no password has that
	given := p.mac(password)
	return hmac.Equal(expected[:], given[:]) && known
}

// plain is a login by PLAIN: one message.
type plain struct {
	passwords *Passwords
	over      bool
}

// NewPlain begins a login by PLAIN.
func NewPlain(p *Passwords) Conversation { return &plain{passwords: p} }

// Step takes authzid, user and password, with NUL between them. The texts are Kafka's.
func (c *plain) Step(message []byte) (Outcome, error) {
	if c.over {
		return Outcome{}, errOver
	}
	c.over = true
	if len(message) > MessageMax {
		return Outcome{}, errTooLong
	}
	if n := strings.Count(string(message), "\x00") + 1; n != 3 {
		return Outcome{}, &Refusal{fmt.Sprintf("Invalid SASL/PLAIN response: expected 3 tokens, got %d", min(n, 4))} // Kafka counts no further
	}
	authzid, rest, _ := strings.Cut(string(message), "\x00")
	user, password, _ := strings.Cut(rest, "\x00")
	switch {
	case user == "":
		return Outcome{}, &Refusal{"Authentication failed: username not specified"}
	case password == "":
		return Outcome{}, &Refusal{"Authentication failed: password not specified"}
	case !c.passwords.check(user, password):
		return Outcome{}, &Refusal{"Authentication failed: Invalid username or password"}
	case authzid != "" && authzid != user:
		return Outcome{}, errForeign
	}
	return Outcome{Done: true, Principal: auth.User(user)}, nil
}
