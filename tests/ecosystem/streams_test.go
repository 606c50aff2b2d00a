package ecosystem

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

// Kafka Streams counts words in a store whose folder is deleted with each kill: it comes back
// from a compacted changelog, read to its end, and counts go on where they were. The topic
// between its two halves is trimmed by DeleteRecords all the time; a second store has windows,
// and its changelog both policies.
func TestStreams(t *testing.T) {
	long(t)
	const application, rounds = "word-count", 4
	java, err := peers.KafkaStreams(peers.Context(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	program, err := java.Compile(peers.Context(t, patience), peers.Folder(t), filepath.Join("java", "Words.java"))
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, nil)
	makeTopic(t, b, "words-in", 2, nil)
	makeTopic(t, b, "words-out", 2, nil)
	state := peers.Folder(t)
	var running *peers.Process
	begin := func() {
		t.Helper()
		in, stdin, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close() // the program has its own
		t.Cleanup(func() { stdin.Close() })
		command := program.Command("Words", 256, b.Addr(), application, "words-in", "words-out", state)
		if running, err = command.Start(in, t.Output(), t.Output()); err != nil {
			t.Fatal(err)
		}
		process := running
		t.Cleanup(func() {
			if err := process.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("words-in"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	random := rand.New(rand.NewPCG(1, 2))
	want := make(map[string]int)
	write := func(lines int) {
		t.Helper()
		records := make([]*kgo.Record, lines)
		for i := range records {
			words := make([]string, 1+random.IntN(8))
			for j := range words {
				words[j] = fmt.Sprintf("word-%d", min(random.IntN(200), random.IntN(200)))
				want[words[j]]++
			}
			records[i] = kgo.StringRecord(strings.Join(words, " "))
		}
		if err := cl.ProduceSync(peers.Context(t, patience), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	// counted waits until the output has everything that was written.
	counted := func() {
		t.Helper()
		await(t, "all words are counted", func() bool {
			last := make(map[string]int)
			for _, r := range read(t, b, "words-out", topics.Committed) {
				n, err := strconv.Atoi(string(r.Value))
				if word := string(r.Key); err != nil || n != last[word]+1 {
					t.Fatalf("%s: %q after %d", word, r.Value, last[word])
				} else {
					last[word] = n
				}
			}
			return maps.Equal(last, want)
		})
	}
	begin()
	for round := range rounds {
		write(1500)
		counted()
		time.Sleep(11 * time.Second) // what compaction may wait for
		write(200)
		if err := running.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(state); err != nil {
			t.Fatal(err)
		}
		if round%2 == 1 {
			kill(t, b)
		}
		begin()
		counted()
	}

	const counts, windows = application + "-counts-changelog", application + "-windows-changelog"
	settled(t, b, 10, func() { write(5) }, counts, windows)
	counted()
	changelog := func() (last map[string]int, records int) {
		last = make(map[string]int)
		all := read(t, b, counts, topics.Committed)
		for _, r := range all {
			last[string(r.Key)] = int(binary.BigEndian.Uint64(r.Value))
		}
		return last, len(all)
	}
	last, records := changelog()
	if !maps.Equal(last, want) {
		t.Error("the changelog is not what was counted")
	}
	// A record of the window's store is of a word in a minute.
	inWindows := 0
	minutes := make(map[string]uint64)
	for _, r := range read(t, b, windows, topics.Committed) {
		minutes[string(r.Key)] = binary.BigEndian.Uint64(r.Value[len(r.Value)-8:])
	}
	for _, n := range minutes {
		inWindows += int(n)
	}
	total := 0
	for _, n := range want {
		total += n
	}
	if inWindows != total {
		t.Errorf("%d words are counted in windows, %d were written", inWindows, total)
	}
	trimmed := trims(t, b, application+"-words-repartition")
	t.Logf("%d words counted; their changelog has %d records of %d words; %d records between the halves were trimmed", total, records, len(want), trimmed)
	if total < 20_000 || trimmed < int64(total/2) {
		t.Errorf("that proves little")
	}
	if peers.Kind(*kind) == peers.StreamHouse {
		await(t, "one record per word in the changelog", func() bool { _, n := changelog(); return n == len(want) })
	}
}

// trims is how many offsets lie below the log starts of a topic.
func trims(t *testing.T, b *peers.Broker, topic string) (count int64) {
	t.Helper()
	starts, err := admin(t, b).ListStartOffsets(peers.Context(t, patience), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range starts[topic] {
		count += o.Offset
	}
	return count
}
