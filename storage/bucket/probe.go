package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrUnfit: the store does not do what the log depends on.
var ErrUnfit = errors.New("bucket: the store does not support create-if-absent")

// ProbePrefix is where Probe makes its objects. It deletes them; those of a process
// that was killed meanwhile mean nothing.
const ProbePrefix = "probe/"

// Probe proves, on an object of its own, that a second create of a key fails and
// leaves the first one's bytes in place: the journal's commits, the fences and the
// identity of a bucket depend on it. An error wrapping ErrUnfit says that the store
// cannot be used; any other that it could not be asked.
func Probe(ctx context.Context, b Bucket) error {
	key := ProbePrefix + rand.Text()
	first, second := []byte("first "+key), []byte("second "+key)
	if err := b.Create(ctx, key, Bytes(first)); err != nil && !errors.Is(err, ErrExists) {
		// ErrExists: a retried attempt met its own object. The key is random.
		return fmt.Errorf("probe: write an object: %w", err)
	}
	err := probe(ctx, b, key, first, second)
	if derr := b.Delete(ctx, key); derr != nil && err == nil {
		err = fmt.Errorf("probe: delete an object: %w", derr)
	}
	return err
}

func probe(ctx context.Context, b Bucket, key string, first, second []byte) error {
	err := b.Create(ctx, key, Bytes(second))
	if err == nil {
		return fmt.Errorf("%w: a second create of %s was accepted", ErrUnfit, key)
	}
	if !errors.Is(err, ErrExists) {
		return fmt.Errorf("probe: write an object twice: %w", err)
	}
	have, err := ReadAll(ctx, b, key, 1<<10)
	if err != nil {
		return fmt.Errorf("probe: read an object: %w", err)
	}
	if !bytes.Equal(have, first) {
		return fmt.Errorf("%w: a second create of %s was refused and changed the object", ErrUnfit, key)
	}
	return nil
}
