package server

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/storage/bucket/limit"
)

// descriptors is how many files the process may have open, divided: the broker's own
// files have a share that connections cannot take, or a volume could not be rolled and
// every produce would fail.
type descriptors struct {
	limit       int
	connections int // of clients; what comes beyond is refused
	segments    int // files of a local bucket
	http        int // connections to http.listen
	requests    limit.Options
}

const (
	// descriptorsMin is with what the broker can do anything: its own share, and some for
	// clients.
	descriptorsMin = ownMin + 16
	// ownMin and ownMax bound the broker's own share. Besides what is divided below some 40
	// are for the journal, the metadata store, locks, the spool and listeners.
	ownMin, ownMax = 80, 4096
	// fewDescriptors is worth a line: a usual limit is far above.
	fewDescriptors = 1024
)

// divide gives each its share.
func divide(limitOf int) (descriptors, error) {
	if limitOf < descriptorsMin {
		return descriptors{}, fmt.Errorf("%d files may be open at a time, the broker needs %d: raise the limit (ulimit -n)", limitOf, descriptorsMin)
	}
	own := min(max(limitOf/4, ownMin), ownMax)
	return descriptors{
		limit:       limitOf,
		connections: limitOf - own,
		segments:    own/2 - 16,
		http:        min(own/8, 64),
		requests:    limit.Options{Writes: min(own/8, 32), Reads: min(own/4, 64)},
	}, nil
}

// descriptorLimit is the system's bound on open files. Go has raised it as far as it may.
func descriptorLimit() (int, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, fmt.Errorf("ask how many files may be open: %w", err)
	}
	return int(min(r.Cur, math.MaxInt32)), nil
}
