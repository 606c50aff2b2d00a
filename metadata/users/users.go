// Package users keeps who may log in with SCRAM in memory, over the store's port.
package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/auth/sasl"
	"github.com/streamhouse/streamhouse/metadata"
)

// Mechanisms are SCRAM's by Kafka's number of them.
var Mechanisms = map[int8]string{1: sasl.ScramSHA256, 2: sasl.ScramSHA512}

// Store is what users need of a metadata store.
type Store interface {
	metadata.Security
	metadata.Cluster
}

// key is what there is one credential of.
type key struct {
	user      string
	mechanism string
}

// Users are those in force. Its methods can be called from any goroutine.
type Users struct {
	store  Store
	secret []byte

	mu   sync.Mutex // one change at a time
	view atomic.Pointer[map[key]metadata.Credential]
}

// secretName is where the secret lies of which the salts of those are made who do not exist.
const secretName = "scram.secret"

// Open reads all users.
func Open(ctx context.Context, store Store) (*Users, error) {
	u := &Users{store: store}
	var err error
	if u.secret, err = secret(ctx, store); err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return u, u.load(ctx)
}

// secret reads the secret, and makes it the first time.
func secret(ctx context.Context, store metadata.Cluster) ([]byte, error) {
	b, err := store.Get(ctx, secretName)
	if !errors.Is(err, metadata.ErrNotFound) {
		return b, err
	}
	b = make([]byte, 32)
	rand.Read(b) // never fails, see its documentation
	return b, store.Put(ctx, secretName, b)
}

func (u *Users) load(ctx context.Context) error {
	rows, err := u.store.LoadSecurity(ctx, 0)
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	view := make(map[key]metadata.Credential, len(rows.Credentials))
	for _, c := range rows.Credentials {
		if mechanism, ok := Mechanisms[c.Mechanism]; ok {
			view[key{c.User, mechanism}] = c
		}
	}
	u.view.Store(&view)
	return nil
}

// Secret is of what made-up salts are made.
func (u *Users) Secret() []byte { return u.secret }

// Verifier is that of a user for a mechanism.
func (u *Users) Verifier(mechanism, user string) (sasl.Verifier, bool) {
	c, ok := (*u.view.Load())[key{user, mechanism}]
	if !ok || c.Deleted {
		return sasl.Verifier{}, false
	}
	return sasl.Verifier{Salt: c.Salt, StoredKey: c.StoredKey, ServerKey: c.ServerKey, Iterations: c.Iterations}, true
}

// Credential is what may be told of one.
type Credential struct {
	Mechanism  int8
	Iterations int32
}

// List returns the users with their credentials, by name and mechanism.
func (u *Users) List() map[string][]Credential {
	out := make(map[string][]Credential)
	for _, c := range *u.view.Load() {
		if !c.Deleted {
			out[c.User] = append(out[c.User], Credential{c.Mechanism, c.Iterations})
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b Credential) int { return int(a.Mechanism) - int(b.Mechanism) })
	}
	return out
}

// Change is one credential that is set, or with a zero Verifier removed.
type Change struct {
	User      string
	Mechanism int8
	Verifier  sasl.Verifier
}

func (c *Change) removes() bool { return c.Verifier.StoredKey == nil }

// Change makes all changes durable together; they are in force when it returns. A user
// that is to be removed and is not there is metadata.ErrNotFound.
func (u *Users) Change(ctx context.Context, list []Change) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	now := *u.view.Load()
	var rows metadata.SecurityRows
	for i := range list {
		c := &list[i]
		standing := now[key{c.User, Mechanisms[c.Mechanism]}]
		row := metadata.Credential{
			User: strings.Clone(c.User), Mechanism: c.Mechanism, Salt: c.Verifier.Salt, StoredKey: c.Verifier.StoredKey,
			ServerKey: c.Verifier.ServerKey, Iterations: c.Verifier.Iterations,
		}
		if !standing.Deleted {
			row.Version = standing.Version
		}
		if row.Deleted = c.removes(); row.Deleted && row.Version == 0 {
			return fmt.Errorf("user %q: %w", c.User, metadata.ErrNotFound)
		}
		rows.Credentials = append(rows.Credentials, row)
	}
	var writer [16]byte
	rand.Read(writer[:]) // never fails
	_, err := u.store.ChangeSecurity(ctx, writer, rows)
	// Whatever became of it, what the store has is in force.
	return errors.Join(err, u.load(ctx))
}
