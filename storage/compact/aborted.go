package compact

import (
	"cmp"
	"slices"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Voids tells which batches of a partition belong to aborted transactions. Batches are
// shown to it in offset order. It goes by where a transaction began and ended, and needs
// no marker to be seen: an earlier run may have taken it.
type Voids struct {
	left []pack.Aborted         // by first offset
	open map[int64]pack.Aborted // by producer, which has one at a time
}

// NewVoids makes a Voids of the transactions that overlap what will be shown.
func NewVoids(list []pack.Aborted) *Voids {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b pack.Aborted) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return &Voids{left: list, open: make(map[int64]pack.Aborted)}
}

// Void says whether the next batch is data of an aborted transaction.
func (v *Voids) Void(h *record.Header) bool {
	for len(v.left) > 0 && v.left[0].FirstOffset <= h.BaseOffset {
		v.open[v.left[0].ProducerID] = v.left[0]
		v.left = v.left[1:]
	}
	if !h.Transactional() || h.Control() {
		return false
	}
	x, open := v.open[h.ProducerID]
	return open && h.BaseOffset < x.LastOffset
}
