package transactions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/tests/peers"
)

// verifies switches verification on or off while the broker runs, for all brokers.
func (h *house) verifies(on bool) {
	h.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType = kmsg.ConfigResourceTypeBroker
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	text := fmt.Sprint(on)
	c.Name, c.Value = "transaction.partition.verification.enable", &text
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	got := h.call(1, req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
	if got.ErrorCode != 0 {
		h.t.Fatal(protocol.Code(got.ErrorCode), *got.ErrorMessage)
	}
	if h.kafka() {
		time.Sleep(2 * time.Second) // its broker learns of the change from its controller
	}
}

// tool runs kafka-transactions.
func (h *house) tool(args ...string) string {
	h.t.Helper()
	java, err := peers.KafkaTools(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	args = append([]string{"--bootstrap-server", h.Addr()}, args...)
	out, err := java.Command("org.apache.kafka.tools.TransactionsCommand", 128, args...).Run(peers.Context(h.t, 2*patience), "")
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// hanging are the partitions that find-hanging names.
func (h *house) hanging() (list []string) {
	h.t.Helper()
	for i, line := range strings.Split(strings.TrimSpace(h.tool("find-hanging", "--broker-id", "1")), "\n") {
		words := strings.Fields(line)
		if i == 0 {
			if len(words) < 2 || words[0] != "Topic" {
				h.t.Fatalf("find-hanging says %q", line)
			}
			continue
		}
		list = append(list, words[0]+"-"+words[1])
	}
	return list
}

// With verification switched off a client of the first protocol begins a transaction that
// no coordinator knows of, as in Kafka before it was there. An administrator finds it with
// Kafka's tool, and ends it. One that its coordinator knows is not taken for one.
func TestHangingTransaction(t *testing.T) {
	h := start(t, nil)
	h.create("t", 3)
	p := h.begins("x", 1, time.Minute)
	old := time.Now().Add(-time.Hour) // the tool looks for what is older than any timeout
	h.expect("verified", p.produce("t", 0, 0, old, "a"), protocol.TransactionAbortable)
	h.verifies(false)
	h.expect("not verified", p.produce("t", 0, 0, old, "a"), protocol.None)
	h.expect("end of what the coordinator knows nothing of", p.end(true), protocol.InvalidTxnState)
	second := h.begins("y", 2, time.Minute)
	h.expect("the second protocol adds", second.produce("t", 1, 0, old, "b"), protocol.None)
	if s := h.describe("y"); s.State != "Ongoing" || len(s.Topics) != 1 {
		t.Errorf("%+v", s)
	}
	h.verifies(true)
	h.expect("verified again", p.produce("t", 2, 0, old, "c"), protocol.TransactionAbortable)
	if got := h.bound("t", 0, true); got != 0 {
		t.Errorf("last stable offset %d", got)
	}
	if got := fmt.Sprint(h.hanging()); got != "[t-0]" {
		t.Fatalf("found hanging: %s", got)
	}
	h.tool("abort", "--topic", "t", "--partition", "0", "--start-offset", "0")
	h.reads("t", 0, true, fmt.Sprintf("<abort %d>", p.epoch))
	if stable := h.bound("t", 0, true); stable != 2 {
		t.Errorf("last stable offset %d", stable)
	}
	if got := h.hanging(); len(got) != 0 {
		t.Errorf("still hanging: %v", got)
	}
	// The producer is none the worse for it.
	p.sends("t", 0, 1, "d")
	p.ends(true)
	h.reads("t", 0, true, fmt.Sprintf("<abort %d> d <commit %d>", p.epoch, p.epoch))
	second.ends(true)
}

// Offsets can hang in the same way, and are let go in the same way.
func TestHangingOffsets(t *testing.T) {
	h := start(t, map[string]string{"transaction.partition.verification.enable": "false"})
	h.create("t", 1)
	p := h.begins("x", 1, time.Minute)
	h.find(0, "g")
	h.expect("offsets", h.last(func() code { return p.offsets("g", "t", 5) }), protocol.None)
	end := h.bound("__consumer_offsets", 0, false)
	if stable := h.bound("__consumer_offsets", 0, true); stable != end-1 {
		t.Fatalf("last stable offset %d of %d", stable, end)
	}
	h.tool("abort", "--topic", "__consumer_offsets", "--partition", "0", "--start-offset", fmt.Sprint(end-1))
	if got := h.stableOffset("g", "t"); got != -1 {
		t.Errorf("offset %d", got)
	}
	if stable := h.bound("__consumer_offsets", 0, true); stable != end+1 {
		t.Errorf("last stable offset %d", stable)
	}
}
