package object

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	filebucket "github.com/streamhouse/streamhouse/storage/bucket/file"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

func config(b bucket.Bucket) Config {
	return Config{
		Bucket: b, ClusterID: "c", Broker: 1,
		AttemptMax: time.Second, GiveUpAfter: 4 * time.Second, RetryPause: 10 * time.Millisecond,
	}
}

// newLedger knows that what is older than the oldest epoch found was released.
func newLedger() *journaltest.Ledger {
	return &journaltest.Ledger{Memory: journal.Memory{Released: true}}
}

// store is a bucket and the journals in it.
type store struct {
	b      bucket.Bucket
	ledger *journaltest.Ledger
}

func (s store) Open() (journal.Journal, error) {
	c := config(s.b)
	c.Ledger = s.ledger
	return New(c), nil
}

func (s store) Kill(journal.Journal) {}

func TestConformance(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Storage { return store{mem.New(), newLedger()} })
}

// chaotic is a bucket that fails before and after the effect, stalls, loses replies,
// damages transfers and lets creates land late.
type chaotic struct {
	mem *mem.Bucket
	f   *faults.Bucket
	rng *rand.Rand
	// ledger never fails here: a start is the only one that needs it.
	ledger *journaltest.Ledger
}

func (s *chaotic) Open() (journal.Journal, error) {
	c := config(s.f)
	c.Ledger = s.ledger
	return New(c), nil
}

func (s *chaotic) Kill(journal.Journal) {
	if s.rng.IntN(2) == 0 {
		time.Sleep(time.Duration(s.rng.IntN(8000)) * time.Millisecond) // what is late lands meanwhile
	}
}

func (s *chaotic) Chaos(on bool) {
	if !on {
		s.f.SetChaos(faults.Chaos{})
		return
	}
	s.f.SetChaos(faults.Chaos{
		FailBefore: 0.05, FailAfter: 0.05, Late: 0.05, Corrupt: 0.02, Cut: 0.02,
		LateMax: 10 * time.Second, Delay: 1300 * time.Millisecond,
	})
}

func (s *chaotic) Crashed() bool { return false }

func TestConformanceOnFolder(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Storage {
		b, err := filebucket.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return store{b, newLedger()}
	})
}

func TestHistories(t *testing.T) {
	n := 400
	if testing.Short() {
		n = 80
	}
	synctest.Test(t, func(t *testing.T) {
		journaltest.Histories(t, 1, n, 50, func(seed uint64) journaltest.Faulty {
			m := mem.New()
			return &chaotic{mem: m, f: faults.New(m, seed), rng: rand.New(rand.NewPCG(seed, 3)), ledger: newLedger()}
		})
		time.Sleep(time.Minute) // until all that is late has landed
	})
}
