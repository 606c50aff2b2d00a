package program

import (
	"crypto/rand"
	"fmt"
	"time"
)

// Demands is what a client does in each case of mode demand; nil where it lacks it. Each
// returns what package clients wants to see of it.
type Demands struct {
	LargeRecord, SeekByTime, PauseAndResume, ManualCommit, LongPoll,
	RegexSubscription, CooperativeMembers, StaticMembers func() (string, error)
}

// run carries out the cases, in their order: later ones find the records of those before.
func (d Demands) run() error {
	for _, c := range []struct {
		name string
		run  func() (string, error)
	}{
		{"large record", d.LargeRecord}, {"seek by time", d.SeekByTime}, {"pause and resume", d.PauseAndResume}, {"manual commit", d.ManualCommit},
		{"long poll", d.LongPoll}, {"regex subscription", d.RegexSubscription}, {"cooperative members", d.CooperativeMembers}, {"static members", d.StaticMembers},
	} {
		if c.run == nil {
			continue
		}
		value, err := c.run()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		Emit(Event{Event: "case", Case: c.name, Value: Text(value)})
	}
	return nil
}

// MaxBatch is how large a batch the topic of mode demand takes, in bytes.
const MaxBatch = 12 << 20

// LargeValue is 10 MiB that do not compress.
func LargeValue() []byte {
	value := make([]byte, 10<<20)
	_, _ = rand.Read(value) // never fails
	return value
}

// TimeOf is the time of the n-th record of the case seek by time, a second after the one
// before.
func TimeOf(n int) time.Time {
	return time.UnixMilli(1_000_000_000_000).Add(time.Duration(n) * time.Second)
}

// Sought is the time that is looked for there, between two records.
var Sought = TimeOf(50).Add(500 * time.Millisecond)
