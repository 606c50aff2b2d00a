package file

import (
	"math/rand/v2"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
)

// folder is a real folder.
type folder struct {
	dir    string
	ledger *journaltest.Ledger
}

func (f folder) Open() (journal.Journal, error) {
	return Open(Config{Dir: f.dir, ClusterID: "c", Broker: 1, VolumeBytes: 1 << 20, Ledger: f.ledger})
}

// Kill closes the files as the kernel does, and nothing else.
func (f folder) Kill(j journal.Journal) { abandon(j.(*Journal)) }

func abandon(j *Journal) {
	if j.out != nil {
		j.out.Close()
		j.out = nil
	}
	for _, v := range append(j.volumes, j.leaving...) {
		v.retire()
	}
	if j.lock != nil {
		j.lock.Close()
		j.lock = nil
	}
}

func TestConformance(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Storage { return folder{t.TempDir(), &journaltest.Ledger{}} })
}

// simulated is a simDisk under random histories.
type simulated struct {
	d     *simDisk
	rng   *rand.Rand
	chaos bool
}

func (s *simulated) Open() (journal.Journal, error) {
	s.d.revive()
	if s.chaos && s.rng.IntN(3) == 0 {
		s.d.endAfter = 1 + s.rng.IntN(60)
	}
	return newJournal(Config{ClusterID: "c", Broker: 1, VolumeBytes: 64 << 10, Ledger: s.d.ledger}, s.d), nil
}

func (s *simulated) Kill(j journal.Journal) {
	if s.rng.IntN(2) == 0 {
		s.d.powerCut()
	}
}

func (s *simulated) Chaos(on bool) {
	s.chaos = on
	s.d.chaos = 0
	if on {
		s.d.chaos = 0.01
	}
}

func (s *simulated) Crashed() bool { return s.d.ended }

func TestHistories(t *testing.T) {
	n := 1500
	if testing.Short() {
		n = 200
	}
	journaltest.Histories(t, 1, n, 60, func(seed uint64) journaltest.Faulty {
		return &simulated{d: newSimDisk(seed), rng: rand.New(rand.NewPCG(seed, 3))}
	})
}

func TestConformanceOnSimulatedDisk(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Storage {
		return &simulated{d: newSimDisk(1), rng: rand.New(rand.NewPCG(1, 3))}
	})
}
