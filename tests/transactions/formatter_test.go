package transactions

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var fresh = flag.Bool("fresh", false, "with -broker kafka: record what its tools print, instead of comparing it")

// printed is __transaction_state as Kafka's console consumer prints it, with what differs
// between any two runs replaced.
func (h *house) printed() []string {
	h.t.Helper()
	java, err := peers.KafkaTools(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := java.Command("org.apache.kafka.tools.consumer.ConsoleConsumer", 128,
		"--bootstrap-server", h.Addr(), "--topic", "__transaction_state", "--from-beginning",
		"--formatter", "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter",
		"--max-messages", fmt.Sprint(h.bound("__transaction_state", 0, false)),
	).Run(peers.Context(h.t, 2*patience), "")
	if err != nil {
		h.t.Fatal(err)
	}
	var ids []int64
	var records []stateRecord
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var r stateRecord
		if err := d.Decode(&r); err != nil {
			h.t.Fatal(err)
		}
		if r.Value != nil {
			r.Value.normal(&ids)
		}
		records = append(records, r)
	}
	// Only what concerns one id has an order.
	slices.SortStableFunc(records, func(a, b stateRecord) int { return strings.Compare(a.Key.Data.ID, b.Key.Data.ID) })
	var lines []string
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			h.t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return lines
}

// stateRecord is a record as the formatter prints it.
type stateRecord struct {
	Key struct {
		Type int `json:"type"`
		Data struct {
			ID string `json:"transactionalId"`
		} `json:"data"`
	} `json:"key"`
	Value *stateValue `json:"value"`
}

type stateValue struct {
	Version int            `json:"version"`
	Data    map[string]any `json:"data"`
}

// normal replaces what differs between any two runs: producer ids by the order in which
// they come, times by whether there is one, and the order of partitions.
func (v *stateValue) normal(ids *[]int64) {
	for name, field := range v.Data {
		number, _ := field.(float64)
		switch {
		case strings.HasSuffix(strings.ToLower(name), "producerid") && number >= 0:
			i := slices.Index(*ids, int64(number))
			if i < 0 {
				i, *ids = len(*ids), append(*ids, int64(number))
			}
			v.Data[name] = fmt.Sprint("producer ", i)
		case strings.HasSuffix(name, "TimestampMs") && number > 0:
			v.Data[name] = "time"
		}
	}
	topics, _ := v.Data["transactionPartitions"].([]any)
	for _, t := range topics {
		partitions, _ := t.(map[string]any)["partitionIds"].([]any)
		slices.SortFunc(partitions, func(a, b any) int { return cmp.Compare(a.(float64), b.(float64)) })
	}
	slices.SortFunc(topics, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["topic"].(string), b.(map[string]any)["topic"].(string))
	})
}

// preparedState is a record that ours does not write: the markers of a transaction are
// durable with the record that it is complete.
var preparedState = regexp.MustCompile(`"transactionStatus":[23],`)

// The records of __transaction_state are Kafka's: its own formatter prints the same of the
// same story, but for the records that an end is prepared.
func TestRecordsAreKafkas(t *testing.T) {
	h := start(t, map[string]string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
		"transactional.id.expiration.ms":                              "20000",
		"transaction.remove.expired.transaction.cleanup.interval.ms":  "100",
	})
	h.create("t", 3)
	var ids []string
	both(t, func(t *testing.T, version int) {
		h.t = t
		p := h.begins(fmt.Sprint("story-", version), version, time.Minute)
		p.sends("t", 0, 0, "a")
		p.sends("t", 2, 0, "b")
		p.ends(true)
		h.find(0, "g")
		p.takesOffsets("g", "t", 1)
		p.ends(false)
		if version == 2 {
			p.ends(false) // of nothing
		}
		if code := h.last(func() code { return p.init(true) }); code != 0 {
			t.Fatal(code)
		}
		p.sends("t", 1, 0, "c")
		next := *p // fences it
		if code := h.last(func() code { return next.init(false) }); code != 0 {
			t.Fatal(code)
		}
		next.timeout = 1500 * time.Millisecond
		if code := h.last(func() code { return next.init(true) }); code != 0 {
			t.Fatal(code)
		}
		next.sends("t", 1, 0, "d")
		h.until("timed out", func() bool { return h.describe(next.id).State == "CompleteAbort" })
		ids = append(ids, next.id)
	})
	h.t = t
	for _, id := range ids {
		h.until("the tombstone of "+id, func() bool { return h.lastRecord(id) == nil })
	}
	got := h.printed()
	path := filepath.Join("testdata", "state.jsonl")
	if *fresh {
		if !h.kafka() {
			t.Fatal("what Kafka's tools print of Kafka is recorded: -broker kafka")
		}
		if err := os.WriteFile(path, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	prepared := len(want)
	if !h.kafka() {
		want = slices.DeleteFunc(want, preparedState.MatchString)
	}
	if prepared -= len(want); !h.kafka() && prepared < 8 {
		t.Errorf("only %d transactions end in Kafka's story", prepared)
	}
	for i := range max(len(got), len(want)) {
		var a, b string
		if i < len(got) {
			a = got[i]
		}
		if i < len(want) {
			b = want[i]
		}
		if a != b {
			t.Errorf("record %d\n%s\nKafka's\n%s", i, a, b)
		}
	}
}
