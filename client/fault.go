package client

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kind sorts faults by what can be done about them.
type Kind int

// The kinds, each with its exit code.
const (
	Other      Kind = iota // 1: none of the others
	Invalid                // 2: what was asked for cannot be: a bad name, a refused setting
	NotFound               // 3: a topic or group that is not there
	NotAllowed             // 4: login or right is missing
	Conflict               // 5: exists already, a group that has members
	NotReached             // 6: no broker, or none that answers in time
	Partly                 // 7: some of it was done, and some was not
)

// Exit returns the exit code of a command that ends with a fault of this kind.
func (k Kind) Exit() int {
	if k == Other {
		return 1
	}
	return int(k) + 1
}

// Kinds are all kinds with the words that explain them, in the order of their codes.
func Kinds() []struct {
	Kind    Kind
	Meaning string
} {
	return []struct {
		Kind    Kind
		Meaning string
	}{
		{Other, "another fault"},
		{Invalid, "what was asked for cannot be: an unknown command or flag, a bad name, a refused setting"},
		{NotFound, "a topic or group that is not there"},
		{NotAllowed, "login or right is missing"},
		{Conflict, "it exists already, or is in use"},
		{NotReached, "no broker, or none that answers in time"},
		{Partly, "some of it was done, some was not: each is told"},
	}
}

// Fault is an error that tells a person what, why and what next, in one line.
type Fault struct {
	Kind Kind
	What string // what could not be done
	Why  string // empty if What says it
	Next string // what to do about it; empty if nobody knows
	Err  error  // the error behind it; nil if there is none
}

func (f *Fault) Error() string {
	s := f.What
	if f.Why != "" {
		s += ": " + f.Why
	}
	if f.Next != "" {
		s += "; " + f.Next
	}
	return oneLine(s)
}

func (f *Fault) Unwrap() error { return f.Err }

// oneLine joins lines, since what a broker or a library says may have several.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// KindOf returns the kind of a fault, and Other for what is none.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Kind
	}
	return Other
}

// kinds says what an error code of the protocol means to a person.
var kinds = map[*kerr.Error]Kind{
	kerr.UnknownTopicOrPartition:            NotFound,
	kerr.UnknownTopicID:                     NotFound,
	kerr.GroupIDNotFound:                    NotFound,
	kerr.OffsetOutOfRange:                   NotFound,
	kerr.TopicAlreadyExists:                 Conflict,
	kerr.NonEmptyGroup:                      Conflict,
	kerr.InvalidTopicException:              Invalid,
	kerr.InvalidPartitions:                  Invalid,
	kerr.InvalidReplicationFactor:           Invalid,
	kerr.InvalidConfig:                      Invalid,
	kerr.InvalidRequest:                     Invalid,
	kerr.InvalidGroupID:                     Invalid,
	kerr.MessageTooLarge:                    Invalid,
	kerr.RecordListTooLarge:                 Invalid,
	kerr.InvalidRecord:                      Invalid,
	kerr.InvalidTimestamp:                   Invalid,
	kerr.PolicyViolation:                    Invalid,
	kerr.TopicDeletionDisabled:              NotAllowed,
	kerr.TopicAuthorizationFailed:           NotAllowed,
	kerr.GroupAuthorizationFailed:           NotAllowed,
	kerr.ClusterAuthorizationFailed:         NotAllowed,
	kerr.TransactionalIDAuthorizationFailed: NotAllowed,
	kerr.SaslAuthenticationFailed:           NotAllowed,
	kerr.UnsupportedSaslMechanism:           NotAllowed,
	kerr.IllegalSaslState:                   NotAllowed,
	kerr.RequestTimedOut:                    NotReached,
	kerr.CoordinatorNotAvailable:            NotReached,
	kerr.CoordinatorLoadInProgress:          NotReached,
	kerr.NotCoordinator:                     NotReached,
	kerr.LeaderNotAvailable:                 NotReached,
	kerr.BrokerNotAvailable:                 NotReached,
}

// fault says what became of an act. said is the broker's own message, where it gives one.
func fault(what string, err error, said string) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if auth, ok := errors.AsType[*kadm.AuthError](err); ok {
		err = auth.Err
	}
	code, ok := errors.AsType[*kerr.Error](err)
	switch {
	case ok && said != "":
		return &Fault{Kind: kinds[code], What: what, Why: said, Err: err}
	case ok:
		return &Fault{Kind: kinds[code], What: what, Why: code.Message + " (" + code.Description + ")", Err: err}
	case unreachable(err):
		return notReached(what, err)
	}
	return &Fault{Kind: Other, What: what, Why: err.Error(), Err: err}
}

// unreachable tells whether an error is about the way to the brokers.
func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, kgo.ErrRecordRetries)
}

// notReached is the fault of a cluster that does not answer.
func notReached(what string, err error) error {
	f := &Fault{Kind: NotReached, What: what, Why: err.Error(), Err: err}
	switch {
	case errors.Is(err, context.Canceled):
		f.Why = "interrupted"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Why = "connection refused"
		f.Next = `start one with "streamhouse server", or say where it is with --bootstrap-server HOST:PORT`
	case errors.Is(err, context.DeadlineExceeded):
		f.Why = "no answer in time"
		f.Next = "check that the address is a Kafka listener and that nothing is in the way"
	default:
		f.Next = "check the address with --bootstrap-server HOST:PORT, and that security.protocol (--command-config, -X) is the listener's"
	}
	if ne, ok := errors.AsType[*net.DNSError](err); ok {
		f.Why = "there is no host " + ne.Name
	}
	return f
}
