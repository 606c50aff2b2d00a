package merge

import (
	"github.com/streamhouse/streamhouse/metadata"
)

// The bounds that no setting changes.
const (
	// Most is how many slices are joined at once.
	Most = 128
	// Least is how many wait for one another. The first of them waits for a while besides:
	// joined sooner, a byte would be moved more often.
	Least = 16
	// closedLeast is how many are worth joining where no further one can follow.
	closedLeast = 4
	// outlive is how many times its span a run must have before it expires.
	outlive = 4
)

// Rules are what bounds the slices of one partition.
type Rules struct {
	// Enough is the size in bytes from which on a slice is left alone, and a run is joined
	// without waiting.
	Enough int64
	// WaitMs is for how long the first slice of a run waits at least, in milliseconds.
	WaitMs int64
	// BytesMax and SpanMax bound what becomes of a run, in bytes and in milliseconds
	// between its youngest records: retention takes slices whole.
	BytesMax, SpanMax int64
	// RetentionMs is when slices expire by time; -1: never. What expires soon is left.
	RetentionMs int64
	// From is the offset from which on slices may be joined.
	From int64
}

// Run is a row of neighbouring slices that become one.
type Run struct {
	Slices []metadata.Slice
	Bytes  int64
	Level  int32 // of what becomes of them
}

// Wait says what a partition waits for before it is worth another look: for so many more
// slices, so many more bytes, or the time At (ms), whichever comes first.
type Wait struct {
	Slices int
	Bytes  int64
	At     int64 // 0: no time
}

// Youngest is the largest timestamp in a slice, or the time of its last append where no
// record has one.
func Youngest(s *metadata.Slice) int64 {
	if s.MaxTimestamp >= 0 {
		return s.MaxTimestamp
	}
	return s.AppendTime
}

// Due returns the runs of a partition that are to be joined now (ms), and what the rest
// waits for. list are all slices of the partition in offset order.
//
// A run is a row of neighbours of one level, so that a byte is moved about as often as
// sixteen goes into Enough over what was sealed: at most log16 of that, rounded up. A
// slice between two of a higher level goes with them, since it has no neighbours of its
// own to wait for. A run is due when it has Enough bytes or Most slices; when it has Least
// and the first is old; or when it has a few and none can follow, because what comes next
// is large or too young.
func Due(list []metadata.Slice, r Rules, now int64) (due []Run, wait Wait) {
	for i := 0; i < len(list); {
		n := i
		for n < len(list) && r.small(&list[n]) {
			n++
		}
		if n > i {
			due, wait = r.group(due, list[i:n], n == len(list), now)
		}
		i = max(n, i+1)
	}
	if len(list) > 0 && !r.small(&list[len(list)-1]) || len(list) == 0 {
		wait = Wait{}
	}
	if wait.Slices == 0 {
		wait.Slices, wait.Bytes = Least, max(r.Enough, 1)
	}
	return due, wait
}

func (r *Rules) small(s *metadata.Slice) bool {
	return s.Bytes < r.Enough && s.Bytes < r.BytesMax && s.BaseOffset >= r.From
}

// group finds the runs of neighbours all of which are small. last: more may follow.
func (r *Rules) group(due []Run, list []metadata.Slice, last bool, now int64) ([]Run, Wait) {
	level := levels(list)
	var wait Wait
	for i := 0; i < len(list); {
		end := i + 1 // of the level
		for end < len(list) && level[end] == level[i] {
			end++
		}
		run := r.run(list[i:end])
		n := i + len(run.Slices)
		closed := n < end || n == len(list) && !last
		switch {
		case r.due(&run, closed, now):
			run.Level = level[i] + 1
			due = append(due, run)
		case !closed:
			wait = r.wait(&run, wait, n == len(list))
		}
		i = n
	}
	return due, wait
}

// levels returns the level that each slice counts as: no less than any behind it.
func levels(list []metadata.Slice) []int32 {
	out := make([]int32, len(list))
	highest := int32(0)
	for i := len(list) - 1; i >= 0; i-- {
		highest = max(highest, list[i].Level)
		out[i] = highest
	}
	return out
}

// run takes slices from the beginning of list, as many as go together.
func (r *Rules) run(list []metadata.Slice) (run Run) {
	oldest, youngest := Youngest(&list[0]), Youngest(&list[0])
	n := 0
	for ; n < len(list) && n < Most && run.Bytes < r.Enough; n++ {
		s := &list[n]
		from, to := min(oldest, Youngest(s)), max(youngest, Youngest(s))
		if n > 0 && (run.Bytes+s.Bytes > r.BytesMax || to-from > r.SpanMax) {
			break
		}
		oldest, youngest = from, to
		run.Bytes += s.Bytes
	}
	run.Slices = list[:n:n]
	return run
}

// due says whether a run is joined now. closed: no further slice can join it.
func (r *Rules) due(run *Run, closed bool, now int64) bool {
	n := len(run.Slices)
	if n < 2 || r.expires(run, now) {
		return false
	}
	return run.Bytes >= r.Enough || n >= Most || closed && n >= closedLeast ||
		n >= Least && now-run.Slices[0].AppendTime >= r.WaitMs
}

// expires says whether retention takes a run before joining it has paid.
func (r *Rules) expires(run *Run, now int64) bool {
	if r.RetentionMs < 0 {
		return false
	}
	oldest, youngest := Youngest(&run.Slices[0]), Youngest(&run.Slices[0])
	for i := range run.Slices {
		oldest, youngest = min(oldest, Youngest(&run.Slices[i])), max(youngest, Youngest(&run.Slices[i]))
	}
	age := max(now-oldest, 0)
	return (r.RetentionMs-age)/outlive < youngest-oldest
}

// wait adds what an open run waits for. tail: new slices join it.
func (r *Rules) wait(run *Run, wait Wait, tail bool) Wait {
	n := len(run.Slices)
	if n >= Least {
		if at := run.Slices[0].AppendTime + r.WaitMs; wait.At == 0 || at < wait.At {
			wait.At = at
		}
	}
	if tail {
		wait.Bytes = max(r.Enough-run.Bytes, 1)
		if wait.Slices = Least - n; wait.Slices <= 0 {
			wait.Slices = max(Most-n, 1)
		}
	}
	return wait
}
