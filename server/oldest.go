package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
)

// oldestEpochName is the named value in the metadata store that says with which epoch an
// object journal begins, in decimal: the ones below are released.
const oldestEpochName = "journal.oldest"

// namedValues is what keeps it.
type namedValues interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
}

// oldestEpoch returns 0 if none was kept yet: the whole journal is listed then.
func oldestEpoch(ctx context.Context, store namedValues) (journal.VolumeID, error) {
	value, err := store.Get(ctx, oldestEpochName)
	if errors.Is(err, metadata.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s from the metadata store: %w", oldestEpochName, err)
	}
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s in the metadata store: %w", oldestEpochName, err)
	}
	return journal.VolumeID(n), nil
}

func keepOldestEpoch(store namedValues) func(context.Context, journal.VolumeID) error {
	return func(ctx context.Context, oldest journal.VolumeID) error {
		return store.Put(ctx, oldestEpochName, strconv.AppendUint(nil, uint64(oldest), 10))
	}
}
