package transactions

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// records are all of an id in __transaction_state; nil is a tombstone.
func (h *house) records(id string) (list []*kmsg.TxnMetadataValue) {
	h.t.Helper()
	k := kmsg.NewTxnMetadataKey()
	k.TransactionalID = id
	key := k.AppendTo(nil)
	const topic = "__transaction_state"
	for at, end := int64(0), h.bound(topic, 0, false); at < end; {
		for b, err := range record.Batches(h.fetch(topic, 0, at, false).RecordBatches) {
			if err != nil {
				h.t.Fatal(err)
			}
			at = b.Header.LastOffset() + 1
			for r, err := range record.Records(b.Bytes, 1<<20) {
				if err != nil {
					h.t.Fatal(err)
				}
				if !bytes.Equal(r.Key, key) {
					continue
				}
				if r.Value == nil {
					list = append(list, nil)
					continue
				}
				v := kmsg.NewTxnMetadataValue()
				if err := v.ReadFrom(r.Value); err != nil {
					h.t.Fatal(err)
				}
				list = append(list, &v)
			}
		}
	}
	return list
}
