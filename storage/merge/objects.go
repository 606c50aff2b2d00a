package merge

import (
	"cmp"
	"slices"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// What shares an object. What lies together expires together, so that most objects die
// whole.
const (
	ObjectBytes     = 256 << 20 // most in one object, but for a part that is larger
	cutBytes        = 64 << 20  // from here on an object ends with its topic, and a part is alone
	PartitionsInOne = 1024      // a footer is read whole for one of them
)

// Part is a slice to be, of one partition.
type Part[T any] struct {
	ID    pack.PartitionID
	Bytes int64
	Of    T
}

// Objects says which parts share an object. An object holds one part of a partition at
// most: what is said of a partition's transactions in it is said of that part.
func Objects[T any](parts []Part[T]) (objects [][]Part[T]) {
	// The second part of a partition comes when all have had their first.
	round := make(map[pack.PartitionID]int)
	order := make([]int, len(parts))
	rounds := make([]int, len(parts))
	for i := range parts {
		order[i], rounds[i] = i, round[parts[i].ID]
		round[parts[i].ID]++
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rounds[a], rounds[b]), parts[a].ID.Compare(parts[b].ID))
	})
	var bytes int64
	for i, at := range order {
		p := &parts[at]
		cut := i == 0
		if !cut {
			last := objects[len(objects)-1]
			before := &last[len(last)-1]
			cut = rounds[at] != rounds[order[i-1]] || len(last) >= PartitionsInOne || bytes+p.Bytes > ObjectBytes ||
				p.Bytes >= cutBytes || before.Bytes >= cutBytes || bytes >= cutBytes && before.ID.Topic != p.ID.Topic
		}
		if cut {
			objects, bytes = append(objects, nil), 0
		}
		objects[len(objects)-1] = append(objects[len(objects)-1], *p)
		bytes += p.Bytes
	}
	return objects
}
