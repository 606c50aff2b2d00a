package metadata

import (
	"context"

	"github.com/streamhouse/streamhouse/auth"
)

// Row is what each row of Security carries beside its values.
type Row struct {
	// Version is the row's own: 1 when it is made, raised by each write, and never counted
	// anew, since a deleted row stays behind as a tombstone.
	Version int64
	// Writer is a random id of the change that wrote it last, so that who lost an answer can
	// see whether the change was made.
	Writer [16]byte
	// Changed is SecurityRows.Version as that change left it.
	Changed int64
	// Deleted marks a tombstone: a row that was there. It keeps its key and Row, nothing else.
	Deleted bool
}

// Credential proves a user in one mechanism of SCRAM (RFC 5802): no password, and nothing
// that logs in.
type Credential struct {
	User       string
	Mechanism  int8 // Kafka's ScramMechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
	Salt       []byte
	StoredKey  []byte // H(ClientKey)
	ServerKey  []byte
	Iterations int32
	Row
}

// ACL is a right or a denial. All of auth.ACL is its key: there is one of a kind, and a
// tombstone keeps it.
type ACL struct {
	auth.ACL
	Row
}

// SecurityRows are rows of who may connect and what they may do.
type SecurityRows struct {
	// Version counts the changes of all rows, from 0.
	Version     int64
	Credentials []Credential // by user and mechanism
	ACLs        []ACL        // in their own order
}

// Security keeps who may connect and what they may do.
type Security interface {
	// LoadSecurity returns the rows whose Changed is above since, tombstones too, all at
	// one moment. With since 0 these are all.
	LoadSecurity(ctx context.Context, since int64) (SecurityRows, error)
	// ChangeSecurity writes rows, all or none, and returns the new Version. A row is
	// written if the one that stands has the Version given, which is 0 where there is none
	// or a tombstone; else ErrConflict, and nothing is done. Deleted makes a tombstone.
	// Writer is the caller's, one for the change; Version and Changed are counted by the
	// store. A change without rows changes nothing.
	ChangeSecurity(ctx context.Context, writer [16]byte, rows SecurityRows) (int64, error)
	// ForgetSecurity removes the tombstones whose Changed is at most seen: every broker has
	// taken note of them.
	ForgetSecurity(ctx context.Context, seen int64) error
}
