package upkeep

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Errors of CheckStore. Each means: do not start, and run `streamhouse recover`.
var (
	// ErrBehind: the bucket has seen a newer metadata store than this one.
	ErrBehind = errors.New("metadata store is behind the bucket; run `streamhouse recover`")
	// ErrForeign: bucket and metadata store belong to different clusters.
	ErrForeign = errors.New("bucket and metadata store do not belong together")
)

// witnessName is where the metadata store keeps the version that the bucket may
// have seen, witnessPrefix where the bucket does.
const (
	witnessName   = "upkeep.witness"
	witnessPrefix = "witness/"
)

// Witness is the bucket's memory of how far the metadata store had come.
//
// Before anything is destroyed because the store no longer needs it (a journal
// volume, an object), the store's version is raised and then written to the bucket.
// So a store that was set back, by a lost commit or an old backup, is noticed at the
// next start, before it renumbers records or sweeps what a newer one refers to.
type Witness struct {
	store  Store
	bucket bucket.Bucket
	start  metadata.Start

	// turn is held while store and bucket are compared or moved on: two jobs that
	// advance at once would set the store back.
	turn    chan struct{}
	version uint64 // of the store
	shown   string // key of the last witness written
}

// witness is what an object under witnessPrefix says.
type witness struct {
	cluster     string
	incarnation int64
	version     uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const witnessMagic = "SHWITNS1"

func (w witness) key() string {
	return fmt.Sprintf("%s%016x-%016x", witnessPrefix, uint64(w.incarnation), w.version)
}

func (w witness) encode() []byte {
	be := binary.BigEndian
	b := append([]byte(nil), witnessMagic...)
	b = be.AppendUint64(b, uint64(w.incarnation))
	b = be.AppendUint64(b, w.version)
	b = be.AppendUint16(b, uint16(len(w.cluster)))
	b = append(b, w.cluster...)
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

const witnessBytesMax = 512

func decodeWitness(b []byte) (witness, error) {
	be := binary.BigEndian
	const fixed = len(witnessMagic) + 8 + 8 + 2
	if len(b) < fixed+4 || string(b[:len(witnessMagic)]) != witnessMagic ||
		len(b) != fixed+int(be.Uint16(b[fixed-2:]))+4 ||
		crc32.Checksum(b[:len(b)-4], castagnoli) != be.Uint32(b[len(b)-4:]) {
		return witness{}, fmt.Errorf("witness of %d bytes does not check", len(b))
	}
	return witness{
		cluster:     string(b[fixed : len(b)-4]),
		incarnation: int64(be.Uint64(b[8:])),
		version:     be.Uint64(b[16:]),
	}, nil
}

// CheckStore compares the metadata store with the bucket before anything else uses
// them. ErrForeign or ErrBehind: the broker must not start. On the first start it
// claims the bucket for the cluster.
func CheckStore(ctx context.Context, store Store, b bucket.Bucket, start metadata.Start) (*Witness, error) {
	w := &Witness{store: store, bucket: b, start: start, turn: make(chan struct{}, 1)}
	incarnation, version, err := w.stored(ctx)
	if err != nil {
		return nil, err
	}
	seen, keys, err := newestWitness(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := w.compare(ctx, seen, len(keys) > 0, incarnation, version); err != nil {
		return nil, err
	}
	w.version = version
	if len(keys) > 0 {
		w.shown = keys[len(keys)-1]
		for _, old := range keys[:len(keys)-1] { // left by a crash
			if err := b.Delete(ctx, old); err != nil {
				return nil, fmt.Errorf("delete old witness: %w", err)
			}
		}
	}
	if version == 0 || incarnation != start.Incarnation {
		if err := w.Advance(ctx); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *Witness) compare(ctx context.Context, seen witness, found bool, incarnation int64, version uint64) error {
	switch {
	case !found && version > 0:
		return fmt.Errorf("%w: the store expects a bucket with its witness, this one has none", ErrForeign)
	case !found:
		key, err := firstKey(ctx, w.bucket, segmentPrefix)
		if err == nil && key != "" {
			err = fmt.Errorf("%w: the store is new, but the bucket holds %s", ErrBehind, key)
		}
		return err
	case seen.cluster != w.start.ClusterID:
		if version == 0 {
			return fmt.Errorf("%w: the store is new, but the bucket belongs to cluster %s", ErrBehind, seen.cluster)
		}
		return fmt.Errorf("%w: bucket of cluster %s, store of cluster %s", ErrForeign, seen.cluster, w.start.ClusterID)
	case seen.incarnation < w.start.Incarnation: // recovered since: the store is newer by decree
		return nil
	case seen.incarnation > w.start.Incarnation || incarnation < seen.incarnation || version < seen.version:
		return fmt.Errorf("%w: version %d.%d, the bucket has seen %d.%d", ErrBehind,
			incarnation, version, seen.incarnation, seen.version)
	}
	return nil
}

// Check fails with ErrBehind if the bucket has seen a newer store since: another
// process works on the same bucket.
func (w *Witness) Check(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	seen, keys, err := newestWitness(ctx, w.bucket)
	if err != nil {
		return err
	}
	return w.compare(ctx, seen, len(keys) > 0, w.start.Incarnation, w.version)
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

// Advance raises the store's version and shows it to the bucket. What the store had
// committed before is what the bucket can hold it to from now on.
func (w *Witness) Advance(ctx context.Context) error {
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	next := witness{w.start.ClusterID, w.start.Incarnation, w.version + 1}
	be := binary.BigEndian
	value := be.AppendUint64(be.AppendUint64(nil, uint64(next.incarnation)), next.version)
	if err := w.store.Put(ctx, witnessName, value); err != nil {
		return fmt.Errorf("raise the witness in the metadata store: %w", err)
	}
	w.version = next.version
	if err := w.show(ctx, next); err != nil {
		return err
	}
	old := w.shown
	w.shown = next.key()
	if old == "" {
		return nil
	}
	if err := w.bucket.Delete(ctx, old); err != nil {
		return fmt.Errorf("delete old witness: %w", err)
	}
	return nil
}

// show writes a witness. One that is there already is ours if it says the same: an
// attempt whose outcome was not known.
func (w *Witness) show(ctx context.Context, next witness) error {
	err := w.bucket.Create(ctx, next.key(), bucket.Bytes(next.encode()))
	if errors.Is(err, bucket.ErrExists) {
		var have []byte
		if have, err = bucket.ReadAll(ctx, w.bucket, next.key(), witnessBytesMax); err == nil && !bytes.Equal(have, next.encode()) {
			err = fmt.Errorf("%w: another process writes the same versions", ErrForeign)
		}
	}
	if err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	return nil
}

// stored reads what the store says; version 0: it never had a witness.
func (w *Witness) stored(ctx context.Context) (incarnation int64, version uint64, err error) {
	b, err := w.store.Get(ctx, witnessName)
	if errors.Is(err, metadata.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the witness in the metadata store: %w", err)
	}
	if len(b) != 16 {
		return 0, 0, fmt.Errorf("the witness in the metadata store has %d bytes", len(b))
	}
	return int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]), nil
}

// newestWitness reads the newest witness in the bucket and lists all their keys,
// oldest first.
func newestWitness(ctx context.Context, b bucket.Bucket) (witness, []string, error) {
	var keys []string
	err := b.List(ctx, witnessPrefix, "", func(i bucket.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		return witness{}, nil, fmt.Errorf("list witnesses: %w", err)
	}
	if len(keys) == 0 {
		return witness{}, nil, nil
	}
	key := keys[len(keys)-1]
	data, err := bucket.ReadAll(ctx, b, key, witnessBytesMax)
	if err != nil {
		return witness{}, nil, err
	}
	seen, err := decodeWitness(data)
	if err != nil {
		return witness{}, nil, fmt.Errorf("%s: %w", key, err)
	}
	return seen, keys, nil
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
