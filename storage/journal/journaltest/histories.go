package journaltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Faulty is storage that fails at random while it is told to.
type Faulty interface {
	Storage
	// Chaos turns faults on or off. Damage that was done stays.
	Chaos(on bool)
	// Crashed says whether a fault has ended the process: nothing it does has an
	// effect any more.
	Crashed() bool
}

// Histories runs n random histories of steps operations each over storage that
// fails, and reports what they came to. seed begins the row of seeds; a failure names
// its own, which repeats it.
func Histories(t *testing.T, seed uint64, n, steps int, fresh func(seed uint64) Faulty) {
	t.Helper()
	var total Tally
	for s := seed; s < seed+uint64(n); s++ {
		h := &history{storage: fresh(s), rng: rand.New(rand.NewPCG(s, 99)), content: map[uint64]uint32{}, open: map[uint64]uint32{}}
		if err := h.run(steps); err != nil {
			t.Fatalf("history with seed %d: %v\n%s", s, err, h.trace())
		}
		total.add(h.Tally)
	}
	t.Logf("seeds %d to %d: %+v", seed, seed+uint64(n)-1, total)
	if total.Acked < n || total.Failed == 0 || total.Kills < n || total.Rolls == 0 || total.Revived == 0 {
		t.Fatalf("histories did not try what they are for: %+v", total)
	}
}

// Tally counts what happened in histories.
type Tally struct {
	Acked, Failed, Kills, Rolls, FailedRolls, Released, Replays, FailedReplays int
	Revived                                                                    int // packs whose outcome was open and that a replay found
}

func (t *Tally) add(o Tally) {
	t.Acked += o.Acked
	t.Failed += o.Failed
	t.Kills += o.Kills
	t.Rolls += o.Rolls
	t.FailedRolls += o.FailedRolls
	t.Released += o.Released
	t.Replays += o.Replays
	t.FailedReplays += o.FailedReplays
	t.Revived += o.Revived
}

// history is a model of the journal beside the journal.
type history struct {
	Tally
	storage Faulty
	rng     *rand.Rand
	j       journal.Journal
	events  []string

	durable  uint64
	content  map[uint64]uint32 // sums of the packs up to durable
	refs     []journal.Ref     // of what can be read now
	released uint64            // packs up to here may be gone
	open     map[uint64]uint32 // packs whose outcome is open
	failed   bool              // Roll is due
	strict   bool              // there are no faults any more: reads have to succeed
}

func (h *history) note(format string, args ...any) {
	h.events = append(h.events, fmt.Sprintf(format, args...))
}

func (h *history) trace() string {
	s := ""
	for _, e := range h.events {
		s += e + "\n"
	}
	return s
}

func (h *history) run(steps int) error {
	h.storage.Chaos(true)
	for range steps {
		if err := h.step(); err != nil {
			return err
		}
	}
	if h.j != nil {
		h.kill()
	}
	h.storage.Chaos(false)
	h.strict = true
	if err := h.start(); err != nil {
		return err
	}
	if h.j == nil {
		return errors.New("no start without faults")
	}
	if err := h.readAll(); err != nil {
		return err
	}
	return h.j.Close(ctx)
}

func (h *history) step() error {
	if h.j == nil {
		// Every other start is without faults, so that histories get on.
		h.storage.Chaos(h.rng.IntN(2) == 0)
		err := h.start()
		h.storage.Chaos(true)
		return err
	}
	if h.storage.Crashed() {
		h.kill()
		return nil
	}
	if h.failed {
		if h.rng.IntN(10) == 0 {
			h.kill()
			return nil
		}
		h.roll()
		return nil
	}
	switch n := h.rng.IntN(100); {
	case n < 70:
		return h.append()
	case n < 80:
		h.roll()
	case n < 85:
		h.release()
	case n < 90:
		return h.readAll()
	case n < 97:
		h.kill()
	default:
		err := h.j.Close(ctx)
		h.note("close: %v", err)
		h.kill()
	}
	return nil
}

// kill ends the process. What was open stays open: the next start decides.
func (h *history) kill() {
	h.note("kill")
	h.storage.Kill(h.j)
	h.j, h.failed, h.refs = nil, false, nil
	h.Kills++
}

func (h *history) start() error {
	j, err := h.storage.Open()
	if err != nil {
		return err
	}
	var refs []journal.Ref
	err = j.Replay(ctx, func(ref journal.Ref, _ *pack.Index) error {
		refs = append(refs, ref)
		return nil
	})
	h.note("replay: %d packs, %v", len(refs), err)
	if errors.Is(err, journal.ErrDamaged) {
		return fmt.Errorf("replay: %w", err)
	}
	if err != nil {
		h.FailedReplays++
		h.storage.Kill(j)
		return nil
	}
	h.Replays++
	h.j, h.refs = j, refs
	return h.compare(refs)
}

// compare holds what was replayed against the model, which then follows it.
func (h *history) compare(refs []journal.Ref) error {
	for i, ref := range refs {
		if i > 0 && ref.Seq != refs[i-1].Seq+1 {
			return fmt.Errorf("replayed pack %d after %d", ref.Seq, refs[i-1].Seq)
		}
	}
	last := uint64(0)
	if n := len(refs); n > 0 {
		last = refs[n-1].Seq
		if refs[0].Seq > h.released+1 {
			return fmt.Errorf("packs %d to %d are lost", h.released+1, refs[0].Seq-1)
		}
	}
	if last < h.durable && h.durable > h.released {
		return fmt.Errorf("packs %d to %d were acknowledged and are lost", last+1, h.durable)
	}
	for seq := h.durable + 1; seq <= last; seq++ {
		sum, ok := h.open[seq]
		if !ok {
			return fmt.Errorf("pack %d was not appended or was voided, and is back", seq)
		}
		h.content[seq] = sum
		h.durable = seq
		h.Revived++
	}
	clear(h.open)
	return h.readAll()
}

// append appends as many packs as may be in flight, or one.
func (h *history) append() error {
	n := 1
	if h.rng.IntN(2) == 0 {
		n = h.j.InFlightMax()
	}
	contents := make([]Content, n)
	refs := make([]journal.Ref, n)
	errs := make([]error, n)
	for i := range contents {
		contents[i] = Make(h.rng, 2, 1+h.rng.IntN(3), 400)
	}
	var writers sync.WaitGroup
	for i := range contents {
		writers.Go(func() { refs[i], errs[i] = h.j.Append(ctx, h.durable+1+uint64(i), contents[i].Bufs) })
	}
	writers.Wait()
	first := h.durable + 1
	for i, err := range errs {
		seq := first + uint64(i)
		if err == nil && h.failed {
			return fmt.Errorf("pack %d was acknowledged, the one before it was not", seq)
		}
		if err != nil {
			h.note("append %d: %v", seq, err)
			h.failed = true
			h.open[seq] = contents[i].Sum
			h.Failed++
			continue
		}
		h.durable = seq
		h.content[seq] = contents[i].Sum
		h.refs = append(h.refs, refs[i])
		h.Acked++
	}
	h.note("appended up to %d", h.durable)
	return nil
}

func (h *history) roll() {
	err := h.j.Roll(ctx, h.durable)
	h.note("roll after %d: %v", h.durable, err)
	if err != nil {
		h.FailedRolls++
		h.failed = true
		return
	}
	h.Rolls++
	h.failed = false
	clear(h.open) // void for ever
}

// release lets go of the oldest closed volume.
func (h *history) release() {
	v := h.j.Volumes()[0]
	if !v.Closed {
		return
	}
	h.released = max(h.released, v.LastSeq)
	err := h.j.Release(ctx, v.ID)
	h.note("release %d (up to pack %d): %v", v.ID, v.LastSeq, err)
	h.refs = slices.DeleteFunc(h.refs, func(r journal.Ref) bool { return r.Volume == v.ID })
	h.Released++
}

// readAll reads every pack back and compares its content. While there are faults a
// read may fail; what differs is read again without them.
func (h *history) readAll() error {
	for _, ref := range h.refs {
		if h.storage.Crashed() {
			return nil
		}
		sum, err := h.read(ref)
		if !h.strict && err == nil && sum != h.content[ref.Seq] {
			h.storage.Chaos(false)
			sum, err = h.read(ref)
			h.storage.Chaos(true)
		}
		switch {
		case err != nil && h.strict:
			return fmt.Errorf("pack %d in volume %d at %d: %w", ref.Seq, ref.Volume, ref.Pos, err)
		case err == nil && sum != h.content[ref.Seq]:
			return fmt.Errorf("pack %d in volume %d at %d has other content than was appended", ref.Seq, ref.Volume, ref.Pos)
		}
	}
	return nil
}

func (h *history) read(ref journal.Ref) (uint32, error) {
	src, err := h.j.OpenSource(ref)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	return sumAt(src, ref.Pos, ref.Len)
}
