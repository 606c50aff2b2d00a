package partition

import "github.com/streamhouse/streamhouse/storage/pack"

// txnEntry is the entry of a transactional batch of n records, in leader epoch 2.
func txnEntry(base int64, n int32, producer int64, epoch int16, seq int32) pack.Entry {
	e := entry(base, n, 2, producer, epoch, seq)
	e.Flags |= pack.FlagTransactional
	return e
}

// markerEntry is the entry of an end marker, in leader epoch 2.
func markerEntry(base int64, producer int64, epoch int16, coordinator int32, commit bool) pack.Entry {
	e := entry(base, 1, 2, producer, epoch, -1)
	e.CoordinatorEpoch = coordinator
	e.Flags |= pack.FlagTransactional | pack.FlagControl
	if commit {
		e.Flags |= pack.FlagMarkerCommit
	} else {
		e.Flags |= pack.FlagMarkerAbort
	}
	return e
}
