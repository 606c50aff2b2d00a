package compaction

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/peers"
)

var besideSeed = flag.Uint64("beside.seed", 0, "seed of TestBesideKafka; 0 takes the time")

// horizonMs is delete.retention.ms on both sides.
const horizonMs = 1000

// never is a max.compaction.lag.ms without end: the default.
const never = "9223372036854775807"

// beside applies the same operations to a broker of ours and to Kafka's.
type beside struct {
	t            *testing.T
	rng          *rand.Rand
	ours, kafkas *side
	spots        []*history
	deleted      int // how often records were deleted
	repeated     int // how many batches were sent again
	runs         int // of Kafka's cleaner that were seen
}

// history is what was done to a partition.
type history struct {
	spot
	number   int   // of the partition in the test
	next     int64 // offset
	now      int64 // ms; time of the next record
	open     map[int]int64
	epochs   map[int]int16
	last     map[int]*sent
	sequence map[int]int32
	rolls    int
	held     bool // a transaction stays open over a round
}

// sent is the last batch of a producer, to be sent again.
type sent struct {
	base  int64
	batch map[*side][]byte
}

// Producers of a partition: 0 has none, 1 and 2 are idempotent, 3 and 4 transactional.
const producersPer = 5

func (h *history) txn(p int) string {
	if p < 3 {
		return ""
	}
	return fmt.Sprintf("txn-%v-%d", h.spot, p)
}

func (h *history) producer(p int) int { return h.number*producersPer + p }

// The same random operations on a topic of ours and of Kafka 4.4; both compact; then what
// a raw fetch gives below the end to which Kafka's cleaner has come is the same, batch
// headers included, at both isolation levels. Named differences: docs/compatibility.md.
func TestBesideKafka(t *testing.T) {
	seed := *besideSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-beside.seed=%d", seed)
	b := newBeside(t, seed)
	var had, left counts
	for round := range 3 {
		b.gate("3600000")
		if round == 1 {
			b.hold(b.spots[0])
			b.hold(b.spots[4])
		}
		for range []int{80, 80, 0}[round] * len(b.spots) {
			b.step(b.spots[b.rng.IntN(len(b.spots))])
		}
		for _, h := range b.spots {
			b.closing(h, round)
		}
		had.add(b.count())
		b.settle()
		left = b.count()
	}
	c := b.ours.metric
	t.Logf("before %+v, left %+v; Kafka's cleaner was seen to move %d times; %d repeats, %d deletions", had, left, b.runs, b.repeated, b.deleted)
	ours := counts{
		records: int(c("streamhouse_compaction_removed_records_total")), tombstones: int(c("streamhouse_compaction_removed_tombstones_total")),
		markers: int(c("streamhouse_compaction_removed_markers_total")),
	}
	t.Logf("ours: %v compactions removed %+v", c("streamhouse_compactions_total"), ours)
	if b.runs < 20 || c("streamhouse_compactions_total") < 20 || ours.records < 500 || ours.tombstones < 20 || ours.markers < 20 ||
		had.records-left.records < 500 || had.tombstones-left.tombstones < 50 || had.markers-left.markers < 20 || b.repeated < 20 || b.deleted == 0 || left.empty == 0 {
		t.Fatal("too little was compacted to prove anything")
	}
}

// counts are what there is in all partitions of Kafka's.
type counts struct{ records, tombstones, markers, empty int }

func (c *counts) add(x counts) {
	c.records, c.tombstones, c.markers, c.empty = c.records+x.records, c.tombstones+x.tombstones, c.markers+x.markers, c.empty+x.empty
}

func (b *beside) count() (c counts) {
	for _, h := range b.spots {
		v := b.kafkas.read(h.spot, false)
		c.add(counts{v.records, v.tombstones, v.markers, v.empty})
	}
	return c
}

func newBeside(t *testing.T, seed uint64) *beside {
	b := &beside{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
	b.ours = newSide(t, peers.Options{Kind: peers.StreamHouse, Settings: map[string]string{"seal.max.age.ms": "1000"}})
	b.kafkas = newSide(t, peers.Options{Kind: peers.Kafka, Settings: map[string]string{
		"log.cleaner.backoff.ms": "200", "offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1",
	}})
	var wg sync.WaitGroup
	var errs [2]error
	for i, s := range b.sides() {
		wg.Go(func() { errs[i] = s.start() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.each(func(s *side) { s.coordinator("any") })
	for _, x := range []struct {
		topic, policy string
		partitions    int32
	}{{"plain", "compact", 4}, {"trimmed", "compact,delete", 2}, {"late", "delete", 1}} {
		settings := map[string]string{
			"cleanup.policy": x.policy, "segment.ms": "500", "delete.retention.ms": fmt.Sprint(horizonMs), "min.cleanable.dirty.ratio": "0",
			"retention.ms": "-1", "compression.type": "producer", "min.compaction.lag.ms": "3600000",
		}
		b.kafkas.create(x.topic, x.partitions, settings)
		settings = maps.Clone(settings)
		settings["max.compaction.lag.ms"] = never
		b.ours.create(x.topic, x.partitions, settings)
		for p := range x.partitions {
			b.spots = append(b.spots, &history{
				spot: spot{x.topic, p}, number: len(b.spots), now: time.Now().UnixMilli(),
				open: map[int]int64{}, epochs: map[int]int16{}, last: map[int]*sent{}, sequence: map[int]int32{},
			})
		}
	}
	// Records without a key, from a time when the policy was another.
	for range 20 {
		h := b.spots[len(b.spots)-1]
		b.write(h, 0, true)
	}
	b.each(func(s *side) { s.alter("late", map[string]string{"cleanup.policy": "compact"}) })
	return b
}

func (b *beside) sides() []*side { return []*side{b.ours, b.kafkas} }

func (b *beside) each(f func(s *side)) {
	for _, s := range b.sides() {
		f(s)
	}
}

// step does one thing to a partition.
func (b *beside) step(h *history) {
	p := b.rng.IntN(producersPer)
	switch n := b.rng.IntN(20); {
	case n < 2 && h.last[p] != nil && p > 0:
		b.repeat(h, p)
	case n < 7 && len(h.open) > 0:
		for _, p := range slices.Sorted(maps.Keys(h.open)) {
			if !h.held || p != 4 {
				b.end(h, p)
				break
			}
		}
	case n == 7 && h.topic == "trimmed":
		b.trim(h)
	default:
		b.write(h, p, false)
	}
}

// write appends a batch of a producer.
func (b *beside) write(h *history, p int, keyless bool) {
	b.t.Helper()
	number, txn := h.producer(p), h.txn(p)
	if _, known := h.epochs[p]; p > 0 && !known {
		b.init(h, p)
	}
	if _, open := h.open[p]; txn != "" && !open {
		b.each(func(s *side) { s.join(number, txn, h.spot) })
		h.open[p] = h.next
	}
	b.send(h, p, b.records(h, keyless))
}

// records makes a batch without a producer.
func (b *beside) records(h *history, keyless bool) func(p record.Producer, txn bool) []byte {
	type rec struct {
		at         int64
		key, value []byte
		headers    []record.Field
	}
	var list []rec
	for range 1 + b.rng.IntN(6) {
		h.now += b.rng.Int64N(30)
		// Within a batch, times need not rise.
		r := rec{at: h.now - b.rng.Int64N(10), key: fmt.Appendf(nil, "key-%d", b.rng.IntN(12))}
		switch {
		case keyless:
			r.key = nil
		case b.rng.IntN(15) == 0:
			r.key = []byte{}
		}
		if b.rng.IntN(4) > 0 {
			r.value = bytes.Repeat(fmt.Appendf(nil, "%d,", h.next), b.rng.IntN(60))
			if b.rng.IntN(50) == 0 {
				r.value = bytes.Repeat([]byte("long "), 20_000)
			}
			if r.value == nil {
				r.value = []byte{}
			}
		}
		for i := range b.rng.IntN(3) {
			f := record.Field{Key: fmt.Sprint("h", i)}
			if i > 0 {
				f.Value = []byte("v")
			}
			r.headers = append(r.headers, f)
		}
		list = append(list, r)
	}
	codec := record.Codec(b.rng.IntN(5))
	return func(p record.Producer, txn bool) []byte {
		x := record.NewBuilder()
		x.Producer, x.Transactional = p, txn
		for _, r := range list {
			x.Append(r.at, r.key, r.value, r.headers...)
		}
		out, err := record.Recompress(nil, x.Batch(), record.Recompression{Codec: codec, MaxBytes: 1 << 20})
		if err != nil {
			b.t.Fatal(err)
		}
		return out
	}
}

// send sends a batch of producer p to both sides.
func (b *beside) send(h *history, p int, build func(record.Producer, bool) []byte) {
	b.t.Helper()
	x := &sent{base: h.next, batch: map[*side][]byte{}}
	var count int32
	b.each(func(s *side) {
		producer := record.NoProducer
		if p > 0 {
			producer = s.producers[h.producer(p)]
			producer.Sequence = h.sequence[p]
		}
		x.batch[s] = build(producer, p > 2)
		header, err := record.ParseHeader(x.batch[s])
		if err != nil {
			b.t.Fatal(err)
		}
		count = header.Records
		if code, base := s.produce(h.spot, h.txn(p), x.batch[s]); code != 0 || base != h.next {
			b.t.Fatalf("%s: %v, producer %d: %v, at %d, want %d", s.Options().Kind, h.spot, p, code, base, h.next)
		}
	})
	h.next += int64(count)
	h.sequence[p] += count
	h.last[p] = x
}

// repeat sends a producer's last batch again: both know it, while its transaction is open
// at least.
func (b *beside) repeat(h *history, p int) {
	b.t.Helper()
	if _, open := h.open[p]; p > 2 && !open {
		return
	}
	b.each(func(s *side) {
		code, base := s.produce(h.spot, h.txn(p), h.last[p].batch[s])
		if code != 0 && code != protocol.DuplicateSequenceNumber || code == 0 && base != h.last[p].base {
			b.t.Fatalf("%s: %v: repeated: %v, at %d, was at %d", s.Options().Kind, h.spot, code, base, h.last[p].base)
		}
	})
	b.repeated++
}

// init gives a producer its id and epoch. A transaction that is open is aborted by it.
func (b *beside) init(h *history, p int) {
	b.t.Helper()
	var epochs []int16
	b.each(func(s *side) { epochs = append(epochs, s.init(h.producer(p), h.txn(p))) })
	if epochs[0] != epochs[1] {
		b.t.Fatalf("%v: epochs of producer %d: ours %d, Kafka's %d", h.spot, p, epochs[0], epochs[1])
	}
	h.epochs[p], h.sequence[p] = epochs[0], 0
	delete(h.last, p)
}

// end ends a transaction: by a commit, an abort, or by the producer's next life.
func (b *beside) end(h *history, p int) {
	b.t.Helper()
	delete(h.open, p)
	switch n := b.rng.IntN(5); n {
	case 0:
		b.init(h, p)
	default:
		b.each(func(s *side) { s.end(h.producer(p), h.txn(p), n < 3) })
	}
	h.next++
	h.now += b.rng.Int64N(30)
	b.each(func(s *side) { s.reaches(h.spot, h.next) })
}

// trim deletes records below an offset that no transaction is open at.
func (b *beside) trim(h *history) {
	end := h.next
	for _, first := range h.open {
		end = min(end, first)
	}
	at := b.rng.Int64N(end/2 + 1)
	if at <= b.ours.offset(h.spot, -2) {
		return
	}
	b.each(func(s *side) { s.deleteRecords(h.spot, at) })
	b.deleted++
}

// closing ends the transactions of a round. Those that stay open over one begin with it:
// Kafka cleans up to them, we clean whole slices.
func (b *beside) closing(h *history, round int) {
	for _, p := range slices.Sorted(maps.Keys(h.open)) {
		if p == 4 && h.held && round < 2 {
			continue
		}
		b.end(h, p)
	}
	h.held = h.held && round < 2
}

// hold opens a transaction that stays open over the round.
func (b *beside) hold(h *history) {
	h.held = true
	b.write(h, 4, false)
}

// gate sets min.compaction.lag.ms: nothing is compacted while operations go on, so that
// both sides compact the same. Kafka's broker learns it from its controller.
func (b *beside) gate(lag string) {
	settings := map[string]string{"min.compaction.lag.ms": lag}
	for _, topic := range []string{"plain", "trimmed", "late"} {
		b.kafkas.alter(topic, settings)
	}
	if settings["max.compaction.lag.ms"] = never; lag == "0" {
		settings["max.compaction.lag.ms"] = "1000"
	}
	for _, topic := range []string{"plain", "trimmed", "late"} {
		b.ours.alter(topic, settings)
	}
	time.Sleep(500 * time.Millisecond)
}

// sealed waits until nothing of ours is left in the journal but a volume's header.
func (b *beside) sealed() {
	const header = 128
	for end := time.Now().Add(patience); b.ours.metric("streamhouse_journal_unsealed_bytes") > header; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%v bytes are not sealed", b.ours.metric("streamhouse_journal_unsealed_bytes"))
		}
	}
}

// settle lets both sides compact, each time with a last record that rolls Kafka's segment,
// until tombstones and markers have gone and both have the same.
func (b *beside) settle() {
	b.t.Helper()
	var differs string
	for lap := range 9 {
		ends := b.roll()
		b.sealed()
		if lap == 0 {
			b.gate("0")
		}
		b.cleanedTo(ends)
		time.Sleep(horizonMs * 11 / 10 * time.Millisecond)
		if lap < 2 {
			continue
		}
		if differs = b.compare(); differs == "" {
			return
		}
	}
	b.t.Fatal(differs)
}

// roll sends each partition a record of a key of its own that rolls Kafka's segment, and
// returns where those begin.
func (b *beside) roll() map[spot]int64 {
	ends := map[spot]int64{}
	for _, h := range b.spots {
		// By the clock, which end markers have: Kafka goes by the first batch of a segment.
		h.now = max(h.now, time.Now().UnixMilli()) + 1000
		h.rolls++
		ends[h.spot] = h.next
		b.send(h, 0, func(p record.Producer, _ bool) []byte {
			x := record.NewBuilder()
			x.Append(h.now, fmt.Appendf(nil, "roll-%d", h.rolls), []byte("rolls"))
			return bytes.Clone(x.Batch())
		})
	}
	return ends
}

// cleanedTo waits until Kafka's cleaner has come to these ends.
func (b *beside) cleanedTo(ends map[spot]int64) {
	b.t.Helper()
	before := b.kafkas.cleaned()
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		now := b.kafkas.cleaned()
		var behind []string
		for _, h := range b.spots {
			if now[h.spot] > before[h.spot] {
				b.runs++
			}
			before[h.spot] = now[h.spot]
			if !h.held && now[h.spot] < ends[h.spot] {
				behind = append(behind, fmt.Sprintf("%v at %d of %d", h.spot, now[h.spot], ends[h.spot]))
			}
		}
		if len(behind) == 0 {
			return
		}
		if time.Now().After(until) {
			b.t.Fatalf("Kafka's cleaner is behind: %s", strings.Join(behind, ", "))
		}
	}
}

// compare compares all partitions below what Kafka's cleaner has done: "" if they agree.
func (b *beside) compare() string {
	b.t.Helper()
	ends := b.kafkas.cleaned()
	for _, h := range b.spots {
		end := ends[h.spot]
		if h.held {
			end = h.next // nobody may touch what lies above
		}
		for _, committed := range []bool{false, true} {
			ours, kafkas := b.ours.read(h.spot, committed), b.kafkas.read(h.spot, committed)
			if d := difference(ours.below(end), kafkas.below(end)); d != "" {
				return fmt.Sprintf("%v below %d, committed %v: %s", h.spot, end, committed, d)
			}
		}
	}
	return ""
}
