package server

import (
	"os"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
)

// Seams are where something can stand between the broker and its machine: a clock that
// jumps, a disk that fails. The zero value is the machine itself, and nothing but a
// caller of RunOn can give another: no setting and no variable leads here.
type Seams struct {
	// Now is the clock; nil: time.Now. Like that one its times have a wall clock, which
	// may jump, and a monotonic one, which may not. Deadlines of connections and pauses
	// of loops are timers of the runtime and pass this by.
	Now func() time.Time
	// Descriptors is how many files may be open; 0: what the system says.
	Descriptors int
	// JournalDisk is given the folder of the file journal and returns what stands in
	// front of it. Nil: nothing.
	JournalDisk func(journalfile.Disk) journalfile.Disk
	// Bucket is given the store and returns what stands in front of it, behind the
	// meter, retries and limits. Nil: nothing.
	Bucket func(bucket.Bucket) bucket.Bucket
	// Reload has certificates looked at now, as SIGHUP does. Nil: only time does.
	Reload <-chan os.Signal
}

func (s Seams) filled() Seams {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Bucket == nil {
		s.Bucket = func(b bucket.Bucket) bucket.Bucket { return b }
	}
	return s
}
