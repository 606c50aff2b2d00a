package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// modelRecord is what was written at an offset, as its writer knows it.
type modelRecord struct {
	text string // "key=value", "key" for a tombstone, "" for an end marker
	txn  *modelTxn
	at   time.Time
}

type modelTxn struct{ ended, committed bool }

func (x *modelRecord) counts() bool { return x.text != "" && (x.txn == nil || x.txn.committed) }

// Random histories against what a reader may see: the latest value of each key always,
// nothing that was never written, and in the end one value per key.
func TestCompactionAgainstAModel(t *testing.T) {
	runs := 12
	if testing.Short() {
		runs = 4
	}
	removed := 0
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newCompactionHistory(t, seed)
			for range 140 {
				h.step()
				h.check()
			}
			h.finish()
			removed += h.removed
		})
	}
	if removed < 100*runs {
		t.Fatalf("compactions removed %d records in all, which proves little", removed)
	}
}

type compactionHistory struct {
	*rig
	rng     *rand.Rand
	topic   Topic
	model   [2][]modelRecord
	seqs    map[int64]int32
	open    map[int64]*modelTxn // by producer; producers of partition n are 10n+1 ..
	removed int
}

func newCompactionHistory(t *testing.T, seed uint64) *compactionHistory {
	topic := compacted
	topic.DeleteRetentionMs = 600_000
	k := []kind{adopted, uploaded, {object: true}, {object: true, folder: true}}[seed%4]
	return &compactionHistory{
		rig: newCleanRig(t, k, topic), rng: rand.New(rand.NewPCG(seed, 77)), topic: topic,
		seqs: map[int64]int32{}, open: map[int64]*modelTxn{},
	}
}

func (h *compactionHistory) step() {
	n := h.rng.IntN(2)
	switch h.rng.IntN(14) {
	default:
		h.write(n)
	case 0, 1:
		h.end(n, h.rng.IntN(2) == 0)
	case 2, 3:
		h.sealAll()
	case 4, 5, 6:
		h.clock.advance(time.Duration(h.rng.IntN(60)) * time.Second)
		h.cleanOrBreak()
	case 7:
		h.restart()
	case 8:
		h.clock.advance(time.Duration(h.rng.IntN(600)) * time.Second)
		h.must(h.upkeep.Sweep(context.Background()))
	}
}

// write appends a batch of some records, in a transaction or not.
func (h *compactionHistory) write(n int) {
	producer := int64(-1)
	var txn *modelTxn
	b := record.NewBuilder()
	if h.rng.IntN(2) == 0 {
		producer = int64(n*10 + 1 + h.rng.IntN(3))
		b.Producer, b.Transactional = record.Producer{ID: producer, Sequence: h.seqs[producer]}, true
		if h.open[producer] == nil {
			h.open[producer] = &modelTxn{}
		}
		txn = h.open[producer]
	}
	for range 1 + h.rng.IntN(6) {
		key := fmt.Sprint("k", h.rng.IntN(8))
		x := modelRecord{text: key, txn: txn, at: h.clock.Now()}
		var value []byte
		if h.rng.IntN(5) > 0 {
			value = fmt.Append(nil, len(h.model[n]))
			x.text += "=" + string(value)
		}
		h.model[n] = append(h.model[n], x)
		b.Append(x.at.UnixMilli(), []byte(key), value)
	}
	h.seqs[producer] += int32(b.Len())
	data, err := record.Recompress(nil, b.Batch(), record.Recompression{Codec: record.Codec(h.rng.IntN(5)), MaxBytes: 1 << 20})
	h.must(err)
	h.produce(at(h.topic, int32(n)), data)
}

// end ends a transaction of a partition, if one is open.
func (h *compactionHistory) end(n int, commit bool) bool {
	for producer, txn := range h.open {
		if producer/10 != int64(n) {
			continue
		}
		h.produce(at(h.topic, int32(n)), record.AppendMarker(nil, producer, 0,
			record.EndMarker{Commit: commit, CoordinatorEpoch: 1}, h.clock.Now().UnixMilli()))
		txn.ended, txn.committed = true, commit
		h.model[n] = append(h.model[n], modelRecord{})
		delete(h.open, producer)
		return true
	}
	return false
}

// cleanOrBreak runs a pass, which may end at any of its steps.
func (h *compactionHistory) cleanOrBreak() {
	steps := []string{"map", "spool", "intend", "upload", "register", "switch", "", "", "", "", "", ""}
	at := steps[h.rng.IntN(len(steps))]
	stopped := errors.New("stopped")
	h.seam = func(s string) error {
		if s == at {
			return stopped
		}
		return nil
	}
	h.noRoll()
	err := h.upkeep.Clean(context.Background())
	h.seam = nil
	if err != nil && !errors.Is(err, stopped) {
		h.t.Fatal(err)
	}
	if err != nil {
		h.restart() // as a process that died there
	}
}

// noRoll keeps a pass from closing the open volume, which the test must see before it is
// sealed.
func (h *compactionHistory) noRoll() { h.upkeep.clean.lastQuiet = h.clock.Now() }

// check holds what can be read against what was written.
func (h *compactionHistory) check() {
	h.t.Helper()
	removed := 0
	for n := range h.model {
		left := h.remaining(n)
		latest := map[string]int{}
		for i := range h.model[n] {
			x := &h.model[n][i]
			key, _, _ := strings.Cut(x.text, "=")
			if x.counts() {
				latest[key] = i
			}
			if _, there := left[i]; !there && x.txn != nil && !x.txn.ended {
				h.t.Fatalf("partition %d: record %d of an open transaction is gone", n, i)
			}
		}
		for i, text := range left {
			key, _, _ := strings.Cut(text, "=")
			last, has := latest[key]
			if _, there := left[last]; has && last > i && !there && h.model[n][i].counts() {
				h.t.Fatalf("partition %d: %q at %d is there, what replaced it at %d is gone", n, text, i, last)
			}
		}
		for key, i := range latest {
			x := &h.model[n][i]
			_, there := left[i]
			tombstone := !strings.Contains(x.text, "=")
			if !there && (!tombstone || h.clock.Now().Sub(x.at) < 10*time.Minute) {
				h.t.Fatalf("partition %d: %q at %d, the latest of %s, is gone", n, x.text, i, key)
			}
		}
		removed += len(h.model[n]) - len(left)
	}
	h.removed = max(h.removed, removed)
}

// remaining reads a partition: what is there must be what was written there.
func (h *compactionHistory) remaining(n int) map[int]string {
	h.t.Helper()
	left := map[int]string{}
	for _, x := range h.records(at(h.topic, int32(n))) {
		offset, text, _ := strings.Cut(x, ":")
		i, err := strconv.Atoi(offset)
		h.must(err)
		if i >= len(h.model[n]) || h.model[n][i].text != text {
			h.t.Fatalf("partition %d: %q at %d was never written", n, text, i)
		}
		left[i] = text
	}
	return left
}

// finish ends all transactions and waits: one value per key is left, and its states are
// what they were.
func (h *compactionHistory) finish() {
	h.t.Helper()
	for n := range h.model {
		for h.end(n, true) {
		}
	}
	for range 5 {
		h.sealAll()
		h.clock.advance(11 * time.Minute)
		h.noRoll()
		h.clean()
		h.check()
		h.clock.advance(11 * time.Minute)
		h.noRoll()
		h.clean()
	}
	for n := range h.model {
		want := map[string]string{}
		for i := range h.model[n] {
			if x := &h.model[n][i]; x.counts() {
				key, value, has := strings.Cut(x.text, "=")
				if want[key] = value; !has {
					delete(want, key)
				}
			}
		}
		got := map[string]string{}
		for i, text := range h.remaining(n) {
			key, value, has := strings.Cut(text, "=")
			if _, twice := got[key]; twice || !has {
				h.t.Fatalf("partition %d: %q at %d is there in the end", n, text, i)
			}
			got[key] = value
		}
		if !maps.Equal(got, want) {
			h.t.Fatalf("partition %d: %v is left, want %v", n, got, want)
		}
	}
	h.checkStates()
}
