package coordinator

import (
	"container/heap"
	"time"
)

// timers is a heap of groups by when their next deadline is.
type timers struct{ heap timerHeap }

// set puts e to due and says whether it is the first now.
func (t *timers) set(e *entry, due time.Time) bool {
	e.due = due
	if e.index < 0 {
		heap.Push(&t.heap, e)
	} else {
		heap.Fix(&t.heap, e.index)
	}
	return e.index == 0
}

func (t *timers) remove(e *entry) {
	if e.index >= 0 {
		heap.Remove(&t.heap, e.index)
	}
}

// first returns the group whose deadline is the next, or nil.
func (t *timers) first() *entry {
	if len(t.heap) == 0 {
		return nil
	}
	return t.heap[0]
}

type timerHeap []*entry

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = -1
	return e
}
