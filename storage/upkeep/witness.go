package upkeep

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Errors of CheckStore and of a Witness. Each means: do not start, or end the process.
var (
	// ErrBehind: the bucket has seen a newer metadata store than this one.
	ErrBehind = errors.New("metadata store is behind the bucket; run `streamhouse recover`")
	// ErrForeign: bucket and metadata store belong to different clusters.
	ErrForeign = errors.New("bucket and metadata store do not belong together")
	// ErrOld: the metadata store has seen a newer state of the bucket than this one.
	ErrOld = errors.New("bucket is older than the metadata store")
	// ErrTwin: another process works on the bucket with a copy of the metadata store.
	ErrTwin = errors.New("another broker works on this bucket with a copy of this data folder; only one of them may run, and this one stops")
)

// Names of the metadata store, and where the bucket keeps its side.
const (
	// witnessName has the version that the bucket may have seen, shownName the one that
	// it is known to have seen; each is an incarnation and a version, 8 bytes each.
	witnessName   = "upkeep.witness"
	shownName     = "upkeep.witness.shown"
	witnessPrefix = "witness/"
)

// Witness is the bucket's memory of how far the metadata store had come, and of the
// process that took it there.
//
// At a start, and before anything is destroyed because the store no longer needs it (a
// journal volume, an object), the store's version is raised and then written to the
// bucket, with the process's name. So a store that was set back, by a lost commit or an
// old backup, is noticed at the next start, before it renumbers records or sweeps what a
// newer one refers to; of two copies of one store the second is refused, and where both
// run the one that was overtaken stops at its next step here.
type Witness struct {
	store   Store
	bucket  bucket.Bucket
	start   metadata.Start
	process processID

	// turn is held while store and bucket are compared or moved on: two jobs that
	// advance at once would set the store back.
	turn    chan struct{}
	version uint64  // of the store
	shown   witness // the newest that the bucket is known to hold
}

// CheckStore compares the metadata store with the bucket before anything else uses
// them. ErrForeign, ErrBehind, ErrOld or ErrTwin: the broker must not start. On the first
// start it claims the bucket for the cluster, on every start for this process.
func CheckStore(ctx context.Context, store Store, b bucket.Bucket, start metadata.Start) (*Witness, error) {
	w := &Witness{store: store, bucket: b, start: start, turn: make(chan struct{}, 1)}
	_, _ = rand.Read(w.process[:]) // never fails (crypto/rand)
	stored, _, err := w.stored(ctx, witnessName)
	if err != nil {
		return nil, err
	}
	shown, told, err := w.stored(ctx, shownName)
	if err != nil {
		return nil, err
	}
	seen, keys, err := newestWitness(ctx, b)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 && told && shown.version == 0 {
		stored.version = 0 // a first start that was broken off before it came to the bucket
	}
	if err := w.admit(ctx, stored, shown, seen, len(keys) > 0); err != nil {
		return nil, err
	}
	if stored.version == 0 && !told {
		if err := w.put(ctx, shownName, witness{incarnation: start.Incarnation}); err != nil {
			return nil, err
		}
	}
	w.version, w.shown = stored.version, seen
	if err := w.raise(ctx, keys); err != nil {
		return nil, err
	}
	return w, nil
}

// admit decides whether a store whose version is stored, and which knows the bucket to
// have seen shown, may begin on a bucket whose newest witness is seen.
func (w *Witness) admit(ctx context.Context, stored, shown, seen witness, found bool) error {
	switch {
	case !found && stored.version > 0:
		return fmt.Errorf("%w: the store expects a bucket with its witness, this one has none", ErrForeign)
	case !found:
		key, err := firstKey(ctx, w.bucket, segmentPrefix)
		if err == nil && key != "" {
			err = fmt.Errorf("%w: the store is new, but the bucket holds %s", ErrBehind, key)
		}
		return err
	case seen.cluster != w.start.ClusterID:
		if stored.version == 0 {
			return fmt.Errorf("%w: the store is new, but the bucket belongs to cluster %s", ErrBehind, seen.cluster)
		}
		return fmt.Errorf("%w: bucket of cluster %s, store of cluster %s", ErrForeign, seen.cluster, w.start.ClusterID)
	case seen.incarnation < w.start.Incarnation: // recovered since: the store is newer by decree
		return nil
	case seen.incarnation > w.start.Incarnation || stored.before(seen):
		return fmt.Errorf("%w: version %s, the bucket has seen %s (%s). A newer state of this data folder, or a copy of it, has worked on the bucket since",
			ErrBehind, stored, seen, seen.author())
	case seen.before(shown):
		return fmt.Errorf("%w: its witness is %s, and %s had been written to it. The bucket was set back, or is a copy", ErrOld, seen, shown)
	}
	return nil
}

// Check fails with ErrTwin or ErrOld if the bucket does not hold what this process wrote
// to it last.
func (w *Witness) Check(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	_, err := w.look(ctx)
	return err
}

func (w *Witness) take(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *Witness) give() { <-w.turn }

// Advance raises the store's version and shows it to the bucket, unless another process
// has been there. What the store had committed before is what the bucket can hold it to
// from now on.
func (w *Witness) Advance(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	keys, err := w.look(ctx)
	if err != nil {
		return err
	}
	return w.raise(ctx, keys)
}

// look returns the keys of all witnesses, of which the newest is this process's own.
func (w *Witness) look(ctx context.Context) ([]string, error) {
	seen, keys, err := newestWitness(ctx, w.bucket)
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, fmt.Errorf("%w: it has no witness any more, and %s had been written to it", ErrOld, w.shown)
	case seen.cluster != w.start.ClusterID:
		return nil, fmt.Errorf("%w: it belongs to cluster %s by now", ErrForeign, seen.cluster)
	case seen.before(w.shown):
		return nil, fmt.Errorf("%w: its witness is %s, and %s had been written to it", ErrOld, seen, w.shown)
	case seen.process != w.process: // ours may be above what is known to be shown: a reply was lost
		return nil, fmt.Errorf("%w: %s, at version %s", ErrTwin, seen.author(), seen)
	}
	return keys, nil
}

// raise is Advance once somebody has looked and found the witnesses at keys.
func (w *Witness) raise(ctx context.Context, keys []string) error {
	next := witness{
		cluster: w.start.ClusterID, incarnation: w.start.Incarnation, version: w.version + 1,
		process: w.process, start: w.start.Epoch,
	}
	if err := w.put(ctx, witnessName, next); err != nil {
		return err
	}
	w.version = next.version
	if err := w.show(ctx, next); err != nil {
		return err
	}
	w.shown = next
	if err := w.put(ctx, shownName, next); err != nil {
		return err
	}
	for _, old := range keys {
		if old == next.key() { // of an attempt whose reply was lost
			continue
		}
		if err := w.bucket.Delete(ctx, old); err != nil {
			return fmt.Errorf("delete old witness: %w", err)
		}
	}
	return nil
}

// show writes a witness. One that is there already is ours if it says the same: an
// attempt whose outcome was not known. Whoever has been held up since it looked may
// write a key that a twin wrote and deleted meanwhile, so it looks again.
func (w *Witness) show(ctx context.Context, next witness) error {
	err := w.bucket.Create(ctx, next.key(), bucket.Bytes(next.encode()))
	if errors.Is(err, bucket.ErrExists) {
		var have []byte
		if have, err = bucket.ReadAll(ctx, w.bucket, next.key(), witnessBytesMax); err == nil && !bytes.Equal(have, next.encode()) {
			return fmt.Errorf("%w: version %s has been written by it", ErrTwin, next)
		}
	}
	if err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	keys, err := witnessKeys(ctx, w.bucket)
	if err == nil && (len(keys) == 0 || keys[len(keys)-1] != next.key()) {
		err = fmt.Errorf("%w: %s is not the newest witness right after it was written", ErrTwin, next.key())
	}
	return err
}

// stored reads a version from the metadata store; false, and version 0: it has none.
func (w *Witness) stored(ctx context.Context, name string) (at witness, found bool, err error) {
	b, err := w.store.Get(ctx, name)
	if errors.Is(err, metadata.ErrNotFound) {
		return witness{}, false, nil
	}
	if err != nil {
		return witness{}, false, fmt.Errorf("read the witness in the metadata store: %w", err)
	}
	if len(b) != 16 {
		return witness{}, false, fmt.Errorf("the witness in the metadata store (%s) has %d bytes", name, len(b))
	}
	be := binary.BigEndian
	return witness{incarnation: int64(be.Uint64(b)), version: be.Uint64(b[8:])}, true, nil
}

func (w *Witness) put(ctx context.Context, name string, at witness) error {
	be := binary.BigEndian
	value := be.AppendUint64(be.AppendUint64(nil, uint64(at.incarnation)), at.version)
	if err := w.store.Put(ctx, name, value); err != nil {
		return fmt.Errorf("raise the witness in the metadata store: %w", err)
	}
	return nil
}

// newestWitness reads the newest witness in the bucket and lists all their keys,
// oldest first.
func newestWitness(ctx context.Context, b bucket.Bucket) (witness, []string, error) {
	for try := 1; ; try++ {
		keys, err := witnessKeys(ctx, b)
		if err != nil || len(keys) == 0 {
			return witness{}, nil, err
		}
		key := keys[len(keys)-1]
		data, err := bucket.ReadAll(ctx, b, key, witnessBytesMax)
		if errors.Is(err, bucket.ErrNotFound) && try < listTries {
			continue // a twin has moved on meanwhile
		}
		if err != nil {
			return witness{}, nil, err
		}
		seen, err := decodeWitness(data)
		if err == nil && seen.key() != key {
			err = fmt.Errorf("it is the witness of %s", seen)
		}
		if err != nil && try < listTries {
			continue // a transfer can damage what is good where it lies
		}
		if err != nil {
			return witness{}, nil, fmt.Errorf("%s: %w", key, err)
		}
		return seen, keys, nil
	}
}

// listTries bounds how often the witnesses are listed anew when the newest one has gone or
// does not check.
const listTries = 5

// witnessKeys lists the keys of all witnesses, oldest first.
func witnessKeys(ctx context.Context, b bucket.Bucket) (keys []string, err error) {
	err = b.List(ctx, witnessPrefix, "", func(i bucket.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list witnesses: %w", err)
	}
	return slices.Clip(keys), nil
}

var errFound = errors.New("found")

// firstKey returns the first key under prefix, or "".
func firstKey(ctx context.Context, b bucket.Bucket, prefix string) (key string, err error) {
	err = b.List(ctx, prefix, "", func(i bucket.Info) error {
		key = i.Key
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return "", fmt.Errorf("list %s: %w", prefix, err)
	}
	return key, nil
}
