// Package journaltest is the suite that every kind of journal passes: what the port
// promises, and random histories of appends, failures and kills in which nothing
// acknowledged may be lost and nothing voided may come back.
package journaltest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Storage is where a journal lives: it outlives the processes that use it.
type Storage interface {
	// Open makes a journal over the storage, as a new process would.
	Open() (journal.Journal, error)
	// Kill ends the process that has j, at once.
	Kill(j journal.Journal)
}

// Run runs the conformance suite. fresh makes empty storage.
func Run(t *testing.T, fresh func(t *testing.T) Storage) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *process)
	}{
		{"AppendKillReplay", testAppendKillReplay},
		{"CleanStop", testCleanStop},
		{"RollAndRelease", testRollAndRelease},
		{"ReleaseOutOfOrder", testReleaseOutOfOrder},
		{"RestartsLeaveNothing", testRestartsLeaveNothing},
		{"WrongSequence", testWrongSequence},
		{"NotOpen", testNotOpen},
		{"Readers", testReaders},
		{"InFlight", testInFlight},
		{"ReplayErrorIsReturned", testReplayError},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, &process{t: t, storage: fresh(t), rng: rand.New(rand.NewPCG(7, 7)), sums: map[uint64]uint32{}})
		})
	}
}

// process is one journal after another over the same storage.
type process struct {
	t       *testing.T
	storage Storage
	rng     *rand.Rand
	j       journal.Journal
	last    uint64
	sums    map[uint64]uint32 // of the packs that are durable
	refs    []journal.Ref     // of this process, replayed ones included
}

var ctx = context.Background()

func (p *process) start() {
	p.t.Helper()
	j, err := p.storage.Open()
	if err != nil {
		p.t.Fatal(err)
	}
	p.j, p.refs = j, nil
	err = j.Replay(ctx, func(ref journal.Ref, x *pack.Index) error {
		p.refs = append(p.refs, ref)
		if x.Header.Seq != ref.Seq || x.Header.Volume != uint64(ref.Volume) || x.Header.Size() != ref.Len {
			return fmt.Errorf("%+v has header %+v", ref, x.Header)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for i, ref := range p.refs {
		if i > 0 && ref.Seq != p.refs[i-1].Seq+1 {
			p.t.Fatalf("replayed %d after %d", ref.Seq, p.refs[i-1].Seq)
		}
	}
	p.verify(p.refs)
}

func (p *process) restart() {
	p.t.Helper()
	p.storage.Kill(p.j)
	p.start()
}

// wantReplayed checks which packs the last start has replayed.
func (p *process) wantReplayed(first, last uint64) {
	p.t.Helper()
	if uint64(len(p.refs)) != last-first+1 || (len(p.refs) > 0 && p.refs[0].Seq != first) {
		p.t.Fatalf("replayed %+v, want %d to %d", p.refs, first, last)
	}
}

func (p *process) append(n int) {
	p.t.Helper()
	for range n {
		c := Make(p.rng, 4, 1+p.rng.IntN(20), 3000)
		ref, err := p.j.Append(ctx, p.last+1, c.Bufs)
		if err != nil {
			p.t.Fatal(err)
		}
		if ref.Seq != p.last+1 || ref.Len != length(c.Bufs) {
			p.t.Fatalf("appended pack %d of %d bytes, got %+v", p.last+1, length(c.Bufs), ref)
		}
		p.last++
		p.sums[p.last] = c.Sum
		p.refs = append(p.refs, ref)
	}
}

func length(bufs [][]byte) (n int64) {
	for _, b := range bufs {
		n += int64(len(b))
	}
	return n
}

func (p *process) roll() {
	p.t.Helper()
	if err := p.j.Roll(ctx, p.last); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) release(id journal.VolumeID) {
	p.t.Helper()
	if err := p.j.Release(ctx, id); err != nil {
		p.t.Fatal(err)
	}
}

// verify reads packs back.
func (p *process) verify(refs []journal.Ref) {
	p.t.Helper()
	for _, ref := range refs {
		if err := check(p.j, ref, p.sums[ref.Seq]); err != nil {
			p.t.Fatal(err)
		}
	}
}

func check(j journal.Journal, ref journal.Ref, want uint32) error {
	src, err := j.OpenSource(ref)
	if err != nil {
		return err
	}
	sum, err := sumAt(src, ref.Pos, ref.Len)
	if err == nil && sum != want {
		err = fmt.Errorf("pack %d of volume %d at %d: other content than was appended", ref.Seq, ref.Volume, ref.Pos)
	}
	return errors.Join(err, src.Close())
}

func testAppendKillReplay(t *testing.T, p *process) {
	p.start()
	p.wantReplayed(1, 0)
	for _, n := range []int{1, 9, 3} {
		p.append(n)
		p.verify(p.refs)
		p.restart()
		p.wantReplayed(1, p.last)
	}
}

func testCleanStop(t *testing.T, p *process) {
	p.start()
	p.append(5)
	for range 3 {
		if err := p.j.Close(ctx); err != nil {
			t.Fatal(err)
		}
		p.start()
		p.wantReplayed(1, p.last)
		p.append(1)
	}
	p.roll()
	if err := p.j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.wantReplayed(1, p.last)
}

func testRollAndRelease(t *testing.T, p *process) {
	p.start()
	p.append(3)
	p.roll()
	p.append(4)
	p.roll()
	p.append(2)
	v := p.j.Volumes()
	want := [][2]uint64{{1, 3}, {4, 7}, {8, 9}}
	if len(v) != len(want) {
		t.Fatalf("volumes %+v", v)
	}
	var bytes int64
	for i := range v {
		if v[i].FirstSeq != want[i][0] || v[i].LastSeq != want[i][1] || v[i].Closed != (i < 2) ||
			v[i].Created.IsZero() || (i > 0 && v[i].ID <= v[i-1].ID) {
			t.Errorf("volume %d: %+v", i, v[i])
		}
		bytes += v[i].Bytes
	}
	for _, ref := range p.refs {
		bytes -= ref.Len
	}
	if bytes < 0 {
		t.Errorf("volumes have %d bytes less than their packs", -bytes)
	}
	if err := p.j.Release(ctx, v[2].ID); err == nil {
		t.Fatal("the open volume was released")
	}
	p.restart()
	p.wantReplayed(1, 9)
	after := p.j.Volumes()
	for i := range 2 {
		if after[i] != v[i] {
			t.Errorf("volume %d was %+v, is %+v after a restart", i, v[i], after[i])
		}
	}
	gone := p.refs[0]
	p.release(v[0].ID)
	p.release(v[0].ID)
	if _, err := p.j.OpenSource(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("source of a released volume: %v", err)
	}
	p.restart()
	p.wantReplayed(4, 9)
	p.append(1)
	p.restart()
	p.wantReplayed(4, 10)
}

func testReleaseOutOfOrder(t *testing.T, p *process) {
	p.start()
	for range 4 {
		p.append(2)
		p.roll()
	}
	v := p.j.Volumes()
	first := p.refs[:2]
	for _, i := range []int{2, 1} {
		p.release(v[i].ID)
	}
	for _, info := range p.j.Volumes() {
		if info.ID == v[1].ID || info.ID == v[2].ID {
			t.Fatalf("released volume %d is still listed", info.ID)
		}
	}
	p.verify(first)
	p.release(v[0].ID)
	p.restart()
	p.wantReplayed(7, 8)
}

func testRestartsLeaveNothing(t *testing.T, p *process) {
	p.start()
	p.append(1)
	for i := range 20 {
		if i%2 == 0 {
			p.restart()
		} else {
			if err := p.j.Close(ctx); err != nil {
				t.Fatal(err)
			}
			p.start()
		}
		p.roll() // of an empty volume: does nothing
	}
	if v := p.j.Volumes(); len(v) > 2 {
		t.Fatalf("%d volumes after restarts without appends: %+v", len(v), v)
	}
	p.wantReplayed(1, 1)
	p.append(1)
	p.restart()
	p.wantReplayed(1, 2)
}

func testWrongSequence(t *testing.T, p *process) {
	p.start()
	p.append(2)
	if _, err := p.j.Append(ctx, 2, Make(p.rng, 1, 1, 10).Bufs); err == nil {
		t.Fatal("pack 2 was appended twice")
	}
	for _, seq := range []uint64{1, 3} {
		if err := p.j.Roll(ctx, seq); err == nil {
			t.Fatalf("rolled after pack %d, the last is 2", seq)
		}
	}
	p.append(1)
	p.restart()
	p.wantReplayed(1, 3)
}

func testNotOpen(t *testing.T, p *process) {
	j, err := p.storage.Open()
	if err != nil {
		t.Fatal(err)
	}
	c := Make(p.rng, 1, 1, 10)
	if _, err := j.Append(ctx, 1, c.Bufs); err == nil {
		t.Fatal("append before replay")
	}
	if err := j.Roll(ctx, 0); err == nil {
		t.Fatal("roll before replay")
	}
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.append(1)
	if err := p.j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := p.j.Append(ctx, 2, c.Bufs); err == nil {
		t.Fatal("append after close")
	}
	p.start()
	p.wantReplayed(1, 1)
}

// testReaders reads from many goroutines while packs are appended, volumes rolled and
// released.
func testReaders(t *testing.T, p *process) {
	p.start()
	var mu sync.Mutex
	var known []journal.Ref
	sums := map[uint64]uint32{}
	released := journal.VolumeID(0)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				if len(known) == 0 {
					mu.Unlock()
					continue
				}
				ref := known[rng.IntN(len(known))]
				sum := sums[ref.Seq]
				mu.Unlock()
				err := check(p.j, ref, sum)
				mu.Lock()
				gone := ref.Volume <= released
				mu.Unlock()
				if err != nil && !(gone && errors.Is(err, fs.ErrNotExist)) {
					t.Errorf("read of %+v (released up to %d): %v", ref, released, err)
					return
				}
			}
		})
	}
	for i := range 120 {
		p.append(1)
		mu.Lock()
		known = append(known, p.refs[len(p.refs)-1])
		sums[p.last] = p.sums[p.last]
		mu.Unlock()
		if i%10 == 9 {
			p.roll()
		}
		if i%20 == 19 {
			oldest := p.j.Volumes()[0].ID
			mu.Lock()
			released = oldest
			mu.Unlock()
			p.release(oldest)
		}
	}
	close(stop)
	readers.Wait()
}

// testInFlight appends from as many goroutines as the journal takes.
func testInFlight(t *testing.T, p *process) {
	p.start()
	n := p.j.InFlightMax()
	for range 10 {
		contents := make([]Content, n)
		for i := range contents {
			contents[i] = Make(p.rng, 3, 5, 500)
		}
		refs := make([]journal.Ref, n)
		var writers sync.WaitGroup
		for _, i := range p.rng.Perm(n) {
			writers.Go(func() {
				var err error
				if refs[i], err = p.j.Append(ctx, p.last+1+uint64(i), contents[i].Bufs); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		for i := range contents {
			p.last++
			p.sums[p.last] = contents[i].Sum
		}
		p.verify(refs)
	}
	p.restart()
	p.wantReplayed(1, p.last)
}

func testReplayError(t *testing.T, p *process) {
	p.start()
	p.append(3)
	p.storage.Kill(p.j)
	j, err := p.storage.Open()
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := j.Replay(ctx, func(journal.Ref, *pack.Index) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("replay: %v", err)
	}
	p.storage.Kill(j)
	p.start()
	p.wantReplayed(1, 3)
}
