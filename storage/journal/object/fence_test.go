package object

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
	"github.com/streamhouse/streamhouse/storage/pack"
)

var bg = context.Background()

func open(t testing.TB, b bucket.Bucket) (*Journal, []uint64) {
	t.Helper()
	j := New(config(b))
	seqs, err := replay(j)
	if err != nil {
		t.Fatal(err)
	}
	return j, seqs
}

func replay(j *Journal) (seqs []uint64, err error) {
	err = j.Replay(bg, func(r journal.Ref, _ *pack.Index) error {
		seqs = append(seqs, r.Seq)
		return nil
	})
	return seqs, err
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// appendAll appends packs first to last at once and returns their errors.
func appendAll(j *Journal, rng *rand.Rand, first, last uint64) []error {
	errs := make([]error, last-first+1)
	var writers sync.WaitGroup
	for i := range errs {
		c := journaltest.Make(rng, 2, 2, 300)
		writers.Go(func() { _, errs[i] = j.Append(bg, first+uint64(i), c.Bufs) })
	}
	writers.Wait()
	return errs
}

// acked returns the last pack of a run without an error, and fails on an
// acknowledgement behind an error.
func acked(t *testing.T, first uint64, errs []error) uint64 {
	t.Helper()
	last, failed := first-1, false
	for i, err := range errs {
		if err == nil && failed {
			t.Fatalf("pack %d was acknowledged behind a failed one: %v", first+uint64(i), errs)
		}
		if failed = failed || err != nil; !failed {
			last = first + uint64(i)
		}
	}
	return last
}

// A fence comes while eight packs are on their way, one of which is held up: what
// stands behind the gap is void although it exists.
func TestFenceAgainstEightInFlightWithAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		f := faults.New(m, 1)
		old, _ := open(t, f)
		if errs := appendAll(old, newRand(1), 1, 3); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		gap := old.key(1, 6)
		f.Add(faults.Rule{Op: faults.Create, Prefix: gap, Fault: faults.Fault{Kind: faults.Stall}})
		result := make(chan []error)
		go func() { result <- appendAll(old, newRand(2), 4, 11) }()
		synctest.Wait() // seven of eight exist
		if _, err := m.Stat(bg, old.key(1, 11)); err != nil {
			t.Fatal(err)
		}
		young, seqs := open(t, m)
		if len(seqs) != 5 {
			t.Fatalf("replayed %v", seqs)
		}
		f.Clear()
		errs := <-result
		if last := acked(t, 4, errs); last != 5 {
			t.Fatalf("acknowledged up to %d: %v", last, errs)
		}
		if !errors.Is(errs[2], journal.ErrFenced) {
			t.Fatalf("pack in the gap: %v", errs[2])
		}
		if err := old.Roll(bg, 5); !errors.Is(err, journal.ErrFenced) {
			t.Fatalf("roll of a fenced journal: %v", err)
		}
		if _, err := old.Append(bg, 6, journaltest.Make(newRand(3), 1, 1, 1).Bufs); !errors.Is(err, journal.ErrFenced) {
			t.Fatalf("append to a fenced journal: %v", err)
		}
		if errs := appendAll(young, newRand(4), 6, 8); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		if _, seqs := open(t, m); len(seqs) != 8 {
			t.Fatalf("replayed %v", seqs)
		}
	})
}

// A create fails, the object is looked for and not found, the writer gives up, and
// then the object lands: before the fence or behind it.
func TestCreateLandsAfterNotFound(t *testing.T) {
	for _, when := range []string{"before the fence", "after the fence", "never"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := mem.New()
				f := faults.New(m, 1)
				j, _ := open(t, f)
				if errs := appendAll(j, newRand(1), 1, 2); errors.Join(errs...) != nil {
					t.Fatal(errs)
				}
				f.Add(faults.Rule{Op: faults.Create, Prefix: j.key(1, 3), Fault: faults.Fault{Kind: faults.Late}})
				if _, err := j.Append(bg, 3, journaltest.Make(newRand(2), 1, 1, 100).Bufs); err == nil {
					t.Fatal("pack was acknowledged, its object does not exist")
				}
				f.Clear()
				land := func() {
					if n, err := f.Land(); err != nil {
						t.Fatal(n, err)
					}
				}
				if when == "before the fence" {
					land()
				}
				if err := j.Roll(bg, 2); err != nil {
					t.Fatal(err)
				}
				if when == "after the fence" {
					land()
				}
				c := journaltest.Make(newRand(9), 1, 1, 50)
				if _, err := j.Append(bg, 3, c.Bufs); err != nil {
					t.Fatal(err)
				}
				again, seqs := open(t, m)
				if len(seqs) != 3 {
					t.Fatalf("replayed %v", seqs)
				}
				v := again.Volumes()
				src, err := again.OpenSource(journal.Ref{Volume: v[1].ID, Seq: 3, Len: v[1].Bytes})
				if err != nil {
					t.Fatal(err)
				}
				b := make([]byte, v[1].Bytes)
				if _, err := src.ReadAt(b, 0); err != nil || journaltest.SumOf([][]byte{b}) != c.Sum {
					t.Fatalf("pack 3 is not the one that was acknowledged (%v)", err)
				}
			})
		})
	}
}

// Every reply to a create is lost, or every first attempt fails after its effect: the
// content tells that the pack is durable.
func TestLostRepliesAreFoundByContent(t *testing.T) {
	for _, kind := range []faults.Kind{faults.LoseReply, faults.FailAfter} {
		synctest.Test(t, func(t *testing.T) {
			f := faults.New(mem.New(), 1)
			f.Add(faults.Rule{Op: faults.Create, Fault: faults.Fault{Kind: kind}})
			j, _ := open(t, f)
			if errs := appendAll(j, newRand(1), 1, 8); errors.Join(errs...) != nil {
				t.Fatal(errs)
			}
			if err := j.Roll(bg, 8); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// An object that nobody can read stands in the next slot.
func TestUndecodableSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		j, _ := open(t, m)
		if errs := appendAll(j, newRand(1), 1, 2); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		if err := m.Create(bg, j.key(1, 3), bucket.Bytes([]byte("what is this?"))); err != nil {
			t.Fatal(err)
		}
		_, err := j.Append(bg, 3, journaltest.Make(newRand(2), 1, 1, 100).Bufs)
		if !errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrFenced) || !strings.Contains(err.Error(), j.key(1, 3)) {
			t.Fatalf("append to a taken slot: %v", err)
		}
		// Whoever starts now cannot know whether it was an acknowledged pack.
		if _, err := replay(New(config(copyOf(t, m)))); !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), j.key(1, 3)) {
			t.Fatalf("replay: %v", err)
		}
		// The writer knows, and closes the epoch through the next one's slot 0.
		if err := j.Roll(bg, 2); err != nil {
			t.Fatal(err)
		}
		if errs := appendAll(j, newRand(3), 3, 4); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		if _, seqs := open(t, m); len(seqs) != 4 {
			t.Fatalf("replayed %v", seqs)
		}
	})
}

func copyOf(t *testing.T, m *mem.Bucket) *mem.Bucket {
	t.Helper()
	c := mem.New()
	err := m.List(bg, "", "", func(i bucket.Info) error {
		b, err := bucket.ReadAll(bg, m, i.Key, 1<<30)
		if err != nil {
			return err
		}
		return c.Create(bg, i.Key, bucket.Bytes(b))
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A writer and a second process race at every speed. What the writer was told is
// durable is what the second one reads; nothing is acknowledged after its start.
func TestTakeoverRaces(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 60
	}
	fencedAt := map[uint64]int{}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			rng := newRand(seed)
			f := faults.New(mem.New(), seed)
			defer f.Close()
			old, _ := open(t, f)
			f.SetChaos(faults.Chaos{
				FailBefore: 0.03, FailAfter: 0.03, Late: 0.03, LateMax: 3 * time.Second,
				Delay: time.Duration(1+rng.IntN(200)) * time.Millisecond,
			})
			took := make(chan struct{})
			ackedUpTo := make(chan uint64)
			go func() { ackedUpTo <- write(t, old, newRand(seed+1000), took) }()
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			young := New(config(f))
			seqs, err := replay(young)
			for err != nil {
				if errors.Is(err, journal.ErrDamaged) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				young = New(config(f))
				seqs, err = replay(young)
			}
			close(took)
			last := <-ackedUpTo
			if uint64(len(seqs)) < last {
				t.Fatalf("seed %d: the writer was told that packs up to %d are durable, the other read %d", seed, last, len(seqs))
			}
			fencedAt[last]++
			f.SetChaos(faults.Chaos{})
			if errs := appendAll(young, rng, uint64(len(seqs))+1, uint64(len(seqs))+4); errors.Join(errs...) != nil {
				t.Fatalf("seed %d: %v", seed, errs)
			}
		})
	}
	if len(fencedAt) < 10 {
		t.Fatalf("the races all went alike: %v", fencedAt)
	}
}

// write appends with eight in flight until it is fenced. It returns the last pack
// that it was told is durable.
func write(t *testing.T, j *Journal, rng *rand.Rand, took chan struct{}) (last uint64) {
	for {
		var before bool
		select {
		case <-took:
			before = true
		default:
		}
		errs := appendAll(j, rng, last+1, last+8)
		now := acked(t, last+1, errs)
		if before && now > last {
			t.Errorf("packs %d to %d were acknowledged after the fence", last+1, now)
		}
		last = now
		if errors.Is(errors.Join(errs...), journal.ErrFenced) {
			return last
		}
		for errors.Join(errs...) != nil {
			err := j.Roll(bg, last)
			if errors.Is(err, journal.ErrFenced) {
				return last
			}
			if err == nil {
				break
			}
		}
	}
}

// Two processes start at once: at most one gets the journal.
func TestTwoStartsAtOnce(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			f := faults.New(mem.New(), seed)
			first, _ := open(t, f)
			if errs := appendAll(first, newRand(seed), 1, 4); errors.Join(errs...) != nil {
				t.Fatal(errs)
			}
			f.SetChaos(faults.Chaos{Delay: 50 * time.Millisecond})
			var errs [2]error
			var js [2]*Journal
			var starts sync.WaitGroup
			for i := range js {
				js[i] = New(config(f))
				starts.Go(func() { _, errs[i] = replay(js[i]) })
			}
			starts.Wait()
			won := 0
			for i, j := range js {
				switch {
				case errs[i] == nil:
					if _, err := j.Append(bg, 5, journaltest.Make(newRand(seed+uint64(i)), 1, 1, 64).Bufs); err == nil {
						won++
					}
				case !errors.Is(errs[i], journal.ErrFenced):
					t.Fatal(errs[i])
				}
			}
			if won != 1 {
				t.Fatalf("seed %d: %d processes have the journal: %v", seed, won, errs)
			}
		})
	}
}

// A process that slept through fence, next epoch and release of its epoch wakes up.
func TestSleeperAfterRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		sleeper, _ := open(t, m)
		if errs := appendAll(sleeper, newRand(1), 1, 3); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		young, _ := open(t, m)
		if errs := appendAll(young, newRand(2), 4, 5); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		if err := young.Roll(bg, 5); err != nil {
			t.Fatal(err)
		}
		for _, v := range young.Volumes()[:2] {
			if err := young.Release(bg, v.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := sleeper.Append(bg, 4, journaltest.Make(newRand(3), 1, 1, 64).Bufs); !errors.Is(err, journal.ErrFenced) {
			t.Fatalf("append into a released epoch: %v", err)
		}
		if err := sleeper.Roll(bg, 3); !errors.Is(err, journal.ErrFenced) {
			t.Fatalf("roll of a released epoch: %v", err)
		}
		// Slot 0, fence and mark of two epochs; slot 0 of the third.
		if n := m.Len(); n != 7 {
			t.Fatalf("%d objects are left", n)
		}
	})
}

// A release that is cut short anywhere is no loss for the next start.
func TestReleaseCutShort(t *testing.T) {
	for cut := range 12 {
		synctest.Test(t, func(t *testing.T) {
			f := faults.New(mem.New(), 1)
			j, _ := open(t, f)
			if errs := appendAll(j, newRand(1), 1, 6); errors.Join(errs...) != nil {
				t.Fatal(errs)
			}
			if err := j.Roll(bg, 6); err != nil {
				t.Fatal(err)
			}
			if errs := appendAll(j, newRand(2), 7, 8); errors.Join(errs...) != nil {
				t.Fatal(errs)
			}
			f.Add(faults.Rule{Op: faults.Any, Skip: cut, Fault: faults.Fault{Kind: faults.FailBefore}})
			_ = j.Release(bg, j.Volumes()[0].ID) // fails
			f.Clear()
			j, seqs := open(t, f)
			if n := len(seqs); n != 2 && n != 8 {
				t.Fatalf("cut after %d calls: replayed %v", cut, seqs)
			}
			for _, v := range j.Volumes() {
				if v.Closed {
					if err := j.Release(bg, v.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, seqs = open(t, f); len(seqs) != 0 {
				t.Fatalf("replayed %v after all was released", seqs)
			}
		})
	}
}

// A damaged object is refused with its name, a damaged transfer is not.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		j, _ := open(t, m)
		if errs := appendAll(j, newRand(1), 1, 6); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		f := faults.New(m, 1)
		f.Add(faults.Rule{Op: faults.Get, Prefix: j.key(1, 4), Times: 2, Fault: faults.Fault{Kind: faults.Corrupt}})
		if _, seqs := open(t, f); len(seqs) != 6 {
			t.Fatalf("replayed %v", seqs)
		}
		for _, key := range []string{j.key(1, 4), j.key(1, 0)} {
			f.Clear()
			f.Add(faults.Rule{Op: faults.Get, Prefix: key, Fault: faults.Fault{Kind: faults.Corrupt}})
			if _, err := replay(New(config(f))); !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), key) {
				t.Fatalf("damaged %s: %v", key, err)
			}
		}
		for _, slot := range []uint64{0, 3} {
			missing := copyOf(t, m)
			if err := missing.Delete(bg, j.key(1, slot)); err != nil {
				t.Fatal(err)
			}
			if _, err := replay(New(config(missing))); !errors.Is(err, journal.ErrDamaged) {
				t.Fatalf("slot %d is missing: %v", slot, err)
			}
		}
	})
}

func TestOtherCluster(t *testing.T) {
	m := mem.New()
	open(t, m)
	c := config(m)
	c.ClusterID = "other"
	if _, err := replay(New(c)); err == nil || !strings.Contains(err.Error(), `"c"`) {
		t.Fatalf("journal of another cluster: %v", err)
	}
}

func BenchmarkAppend2MiB(b *testing.B) {
	j, _ := open(b, mem.New())
	c := journaltest.Make(newRand(1), 16, 256, 16<<10)
	n := int64(0)
	for _, buf := range c.Bufs {
		n += int64(len(buf))
	}
	b.SetBytes(n)
	seq := uint64(0)
	for b.Loop() {
		seq++
		if _, err := j.Append(bg, seq, c.Bufs); err != nil {
			b.Fatal(err)
		}
		if seq%64 == 0 {
			if err := j.Roll(bg, seq); err != nil {
				b.Fatal(err)
			}
			if err := j.Release(bg, j.Volumes()[0].ID); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Slot 0 of the next epoch lands after a Roll has given up: the next Roll takes it as
// its own.
func TestNextEpochLandsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faults.New(mem.New(), 1)
		j, _ := open(t, f)
		if errs := appendAll(j, newRand(1), 1, 2); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		f.Add(faults.Rule{Op: faults.Create, Prefix: j.key(2, 0), Fault: faults.Fault{Kind: faults.Late}})
		if err := j.Roll(bg, 2); err == nil {
			t.Fatal("rolled without a next epoch")
		}
		if _, err := j.Append(bg, 3, journaltest.Make(newRand(2), 1, 1, 9).Bufs); err == nil {
			t.Fatal("appended to an epoch that may have ended")
		}
		f.Clear()
		if n, err := f.Land(); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := j.Roll(bg, 2); err != nil {
			t.Fatal(err)
		}
		if errs := appendAll(j, newRand(3), 3, 5); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
	})
}
