package mutant

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

func testBatch(all ...string) batch {
	var bytes [][]byte
	for _, v := range all {
		bytes = append(bytes, []byte(v))
	}
	return batch(wire.Batch(1_700_000_000_000, bytes...))
}

// values decodes a batch as a client does, checksum included.
func values(t *testing.T, b batch) []string {
	t.Helper()
	part := kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches = b
	read, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{}, &part, nil, nil)
	if read.Err != nil {
		t.Fatal(read.Err)
	}
	var got []string
	for i, r := range read.Records {
		if r.Offset != b.base()+int64(i) {
			t.Errorf("record %d has offset %d", i, r.Offset)
		}
		got = append(got, string(r.Value))
	}
	return got
}

func TestSplitAndFilter(t *testing.T) {
	first, second := testBatch("a"), testBatch("b", "c")
	second.rebase(1)
	all := append(append([]byte{}, first...), second...)
	if got := split(all); len(got) != 2 || got[1].base() != 1 || got[1].count() != 2 {
		t.Fatalf("%d batches", len(got))
	}
	if got := split(all[:len(all)-1]); len(got) != 1 {
		t.Fatalf("%d batches of a cut answer", len(got))
	}
	kept := filter(all, func(b batch) bool { return b.base() == 1 })
	if got := values(t, kept); len(got) != 2 {
		t.Fatalf("%q", got)
	}
	if c := batch(wire.IdempotentBatch(1, 7, 1, 5, []byte("x"))).anonymous(); c.producer() != -1 || len(values(t, c)) != 1 {
		t.Fatal("producer", c.producer())
	}
}
