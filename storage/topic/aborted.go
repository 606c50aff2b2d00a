package topic

import (
	"sort"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
)

// AbortedRanges tells which batches of one read belong to aborted transactions, by the rule
// that clients of Kafka go by: a producer's batches are void from the first offset of its
// aborted transaction to the end marker.
type AbortedRanges struct {
	left []log.Aborted // by first offset
	void map[int64]struct{}
}

// NewAborted is for the batches of one read, which listed the transactions.
func NewAborted(list []log.Aborted) *AbortedRanges {
	sort.Slice(list, func(i, j int) bool { return list[i].FirstOffset < list[j].FirstOffset })
	return &AbortedRanges{left: list, void: make(map[int64]struct{})}
}

// Skips says whether a reader of committed records leaves the next batch out.
func (a *AbortedRanges) Skips(b *record.Batch) bool {
	h := &b.Header
	for len(a.left) > 0 && a.left[0].FirstOffset <= h.LastOffset() {
		a.void[a.left[0].ProducerID] = struct{}{}
		a.left = a.left[1:]
	}
	if h.Control() {
		if m, err := record.ParseMarker(b.Bytes); err == nil && !m.Commit {
			delete(a.void, h.ProducerID)
		}
		return true
	}
	_, void := a.void[h.ProducerID]
	return h.Transactional() && void
}
