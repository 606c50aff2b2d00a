package server

import (
	"context"
	"crypto/pbkdf2"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/streamhouse/streamhouse/auth/sasl"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/metadata/users"
)

// ErrUserExists: there is such a user already.
var ErrUserExists = errors.New("the user exists already: --replace gives another password")

// CreateUser writes a user of a mechanism of SCRAM into the data folder of a broker that
// does not run, which may be a new one. replace is content with one who exists.
func CreateUser(ctx context.Context, dir, user, mechanism, password string, iterations int32, replace bool) (err error) {
	number := int8(0)
	for n, name := range users.Mechanisms {
		if name == mechanism {
			number = n
		}
	}
	switch {
	case number == 0:
		return fmt.Errorf("there is no mechanism %q", mechanism)
	case iterations < sasl.IterationsMin || iterations > sasl.IterationsMax:
		return fmt.Errorf("%d iterations are not from %d to %d", iterations, sasl.IterationsMin, sasl.IterationsMax)
	}
	newHash := sasl.NewHash(mechanism)
	salt := sasl.Salt([sasl.SaltSize]byte(random(sasl.SaltSize)))
	salted, err := pbkdf2.Key(newHash, password, salt, int(iterations), newHash().Size())
	if err != nil {
		return err
	}
	folder, err := lockDataFolder(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(folder.path, "metadata.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := store.Identity(ctx); err != nil { // makes the cluster if there is none
		return err
	}
	known, err := users.Open(ctx, store)
	if err != nil {
		return err
	}
	if _, exists := known.Verifier(mechanism, user); exists && !replace {
		return ErrUserExists
	}
	return known.Change(ctx, []users.Change{{User: user, Mechanism: number, Verifier: sasl.VerifierOf(mechanism, salt, salted, iterations)}})
}
