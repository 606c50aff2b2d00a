package sasl

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/streamhouse/streamhouse/auth"
)

// Verifier is what is kept of a user for a mechanism of SCRAM (RFC 5802).
type Verifier struct {
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int32
}

// Bounds of iterations (KIP-554).
const (
	IterationsMin = 4096
	IterationsMax = 16384
)

// Users finds users for SCRAM.
type Users interface {
	// Verifier is that of a user for a mechanism.
	Verifier(mechanism, user string) (Verifier, bool)
}

// NewHash returns the hash of a mechanism; nil for one that is none of SCRAM's.
func NewHash(mechanism string) func() hash.Hash {
	switch mechanism {
	case ScramSHA256:
		return sha256.New
	case ScramSHA512:
		return sha512.New
	}
	return nil
}

// VerifierOf makes a verifier of a salted password, as clients send it (KIP-554).
func VerifierOf(mechanism string, salt, salted []byte, iterations int32) Verifier {
	newHash := NewHash(mechanism)
	mac := func(text string) []byte {
		h := hmac.New(newHash, salted)
		h.Write([]byte(text)) // never fails
		return h.Sum(nil)
	}
	h := newHash()
	h.Write(mac("Client Key"))
	return Verifier{Salt: salt, StoredKey: h.Sum(nil), ServerKey: mac("Server Key"), Iterations: iterations}
}

// Scram makes logins by one of SCRAM's mechanisms.
type Scram struct {
	mechanism string
	users     Users
	secret    []byte
	nonce     func() string
	factory   scram.HashGeneratorFcn
}

// NewScram makes logins for users. secret stays the same for as long as the cluster lives:
// of it the salts are made that those are told who are no users. nonce returns a new random
// text without commas.
func NewScram(mechanism string, users Users, secret []byte, nonce func() string) *Scram {
	s := &Scram{mechanism: mechanism, users: users, secret: secret, nonce: nonce, factory: scram.SHA256}
	if mechanism == ScramSHA512 {
		s.factory = scram.SHA512
	}
	return s
}

// Begin begins a login.
func (s *Scram) Begin() Conversation { return &conversation{scram: s} }

// conversation is a login by SCRAM: two messages. RFC 5802's own rules are the library's.
type conversation struct {
	scram *Scram
	steps *scram.ServerConversation
	known bool // the user exists
	over  bool
}

// Step takes the client's first or last message.
func (c *conversation) Step(message []byte) (Outcome, error) {
	switch {
	case c.over:
		return Outcome{}, errOver
	case len(message) > MessageMax:
		c.over = true
		return Outcome{}, errTooLong
	case c.steps == nil:
		return c.first(string(message))
	}
	c.over = true
	answer, err := c.steps.Step(string(message))
	switch {
	case err != nil:
		return Outcome{}, errors.New("the client's proof is wrong") // the library's words may repeat parts of it
	case !c.steps.Valid() || !c.known: // done is not valid
		return Outcome{}, errors.New("the client has proved nothing")
	}
	return Outcome{Answer: []byte(answer), Done: true, Principal: auth.User(c.steps.Username())}, nil
}

func (c *conversation) first(message string) (Outcome, error) {
	server, err := c.scram.factory.NewServer(c.lookup)
	if err != nil {
		return Outcome{}, err
	}
	c.steps = server.WithNonceGenerator(c.scram.nonce).NewConversation()
	answer, err := c.steps.Step(message)
	switch name, authzid := c.steps.Username(), c.steps.AuthzID(); {
	case err != nil:
		err = errors.New("the client's first message is none")
	case authzid != "" && authzid != name:
		err = errForeign
	case name == "":
		err = errors.New("no user is named")
	case tokenAuth(message):
		err = errors.New("delegation tokens are not built")
	}
	if err != nil {
		c.over = true
		return Outcome{}, err
	}
	return Outcome{Answer: []byte(answer)}, nil
}

// tokenAuth says whether the user is the id of a delegation token (KIP-48).
func tokenAuth(message string) bool {
	for _, extension := range strings.Split(message, ",")[4:] {
		if strings.EqualFold(extension, "tokenauth=true") {
			return true
		}
	}
	return false
}

// lookup finds the user, or makes one up whose proof nobody can give.
func (c *conversation) lookup(user string) (scram.StoredCredentials, error) {
	v, ok := c.scram.users.Verifier(c.scram.mechanism, user)
	c.known = ok
	if made := c.scram.madeUp(user); !ok { // made in either case: it takes the same time
		v = made
	}
	if v.Iterations < IterationsMin {
		return scram.StoredCredentials{}, fmt.Errorf("%d iterations are too few", v.Iterations)
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(v.Salt), Iters: int(v.Iterations)},
		StoredKey:  v.StoredKey, ServerKey: v.ServerKey,
	}, nil
}

// SaltSize is the length of the salts that Kafka's tools and ours make.
const SaltSize = 26

// saltLetters are those of Kafka's salts: numbers to the base of 36.
const saltLetters = "0123456789abcdefghijklmnopqrstuvwxyz"

// Salt makes a salt of random bytes, one for each of its letters.
func Salt(random [SaltSize]byte) []byte {
	out := make([]byte, SaltSize)
	for i, b := range random {
		out[i] = saltLetters[int(b)%len(saltLetters)]
	}
	return out
}

// madeUp is the same whenever the same name is asked for, and looks like what Kafka's tools
// make of a user.
func (s *Scram) madeUp(user string) Verifier {
	h := hmac.New(sha512.New, s.secret)
	h.Write([]byte(s.mechanism + "\x00" + user)) // never fails
	sum := h.Sum(nil)
	size := NewHash(s.mechanism)().Size()
	return Verifier{Salt: Salt([SaltSize]byte(sum)), StoredKey: make([]byte, size), ServerKey: make([]byte, size), Iterations: IterationsMin}
}
