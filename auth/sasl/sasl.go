// Package sasl has the server's side of logins as steps: a message in, an answer out. It
// does no I/O; nonces are handed to it.
package sasl

import (
	"errors"

	"github.com/streamhouse/streamhouse/auth"
)

// The mechanisms' names, as clients ask for them.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// Outcome is what a message leads to.
type Outcome struct {
	Answer []byte
	// Done: the client has proved to be Principal. Until then it is nobody.
	Done      bool
	Principal auth.Principal
}

// Conversation is one login of one client. It is not safe for concurrent use.
type Conversation interface {
	// Step takes the client's next message. An error ends the login, whatever comes after
	// it; a *Refusal has words for the client, any other is for the log only.
	Step(message []byte) (Outcome, error)
}

// Refusal is a login that failed in a way that the client is told.
type Refusal struct{ Text string }

// Error returns the text that the client is told, in Kafka's words.
func (r *Refusal) Error() string { return r.Text }

// errForeign: Kafka's words for a client that wants to be another one than it proves.
var errForeign = &Refusal{"Authentication failed: Client requested an authorization id that is different from username"}

// errOver: the login has ended already.
var errOver = errors.New("the login is over")

// MessageMax bounds a message in bytes, far above what a name and a proof take.
const MessageMax = 64 << 10

var errTooLong = errors.New("the message is too long")
