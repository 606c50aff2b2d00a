package client

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Place is a place in a log: where reading begins or ends, where a group is set to.
type Place struct {
	kind  placeKind
	n     int64 // an offset, how many records before the end, or ms since 1970
	group string
}

type placeKind int

const (
	atStart placeKind = iota
	atEnd
	atOffset
	beforeEnd
	atTime
	atGroup
)

// The places that have names.
var (
	Start = Place{kind: atStart}
	End   = Place{kind: atEnd}
)

// placeForms are what next for a place that cannot be read.
const placeForms = "give start, end, an offset, -N for the newest N, a time (2026-01-31, 2026-01-31T15:04:05Z, or 90m for so long ago) or group:NAME"

// ParsePlace reads start (earliest), end (latest), an offset, -N (the newest N of each
// partition), a time, a duration (so long before now) or group:NAME (what that group has
// committed).
func ParsePlace(text string, now time.Time) (Place, error) {
	switch text {
	case "start", "earliest":
		return Start, nil
	case "end", "latest":
		return End, nil
	}
	if group, ok := strings.CutPrefix(text, "group:"); ok && group != "" {
		return Place{kind: atGroup, group: group}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return Place{kind: beforeEnd, n: -n}, nil
		}
		return Place{kind: atOffset, n: n}, nil
	}
	if at, err := ParseTime(text, now); err == nil {
		return Place{kind: atTime, n: at.UnixMilli()}, nil
	}
	return Place{}, &Fault{Kind: Invalid, What: fmt.Sprintf("%q is no place in a log", text), Next: placeForms}
}

// ParseTime reads a time, or a duration for so long before now. A time without a zone is of
// now's.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, &Fault{Kind: Invalid, What: fmt.Sprintf("%q is no time", text), Next: "write 2026-01-31, 2026-01-31T15:04:05Z, or 90m for so long ago"}
}

// kafka is the place for a library that looks it up itself; false if it cannot.
func (p Place) kafka() (kgo.Offset, bool) {
	o := kgo.NewOffset()
	switch p.kind {
	case atStart:
		return o.AtStart(), true
	case atEnd:
		return o.AtEnd(), true
	case atOffset:
		return o.At(p.n), true
	case beforeEnd:
		return o.AtEnd().Relative(-p.n), true
	case atTime:
		return o.AfterMilli(p.n), true
	}
	return o, false
}

// span is what a partition has when it is asked for.
type span struct{ start, end int64 }

// spans asks for the partitions of topics; nil: all of a topic.
func (c *Client) spans(ctx context.Context, topics []string, partitions []int32) (map[string]map[int32]span, error) {
	starts, err := c.admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fault("cannot look up where partitions begin", err, "")
	}
	ends, err := c.admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fault("cannot look up where partitions end", err, "")
	}
	out := make(map[string]map[int32]span)
	for _, t := range topics {
		out[t] = make(map[int32]span)
		if partitions == nil {
			for p := range ends[t] {
				out[t][p] = span{starts[t][p].Offset, ends[t][p].Offset}
			}
			continue
		}
		for _, p := range partitions {
			end, ok := ends[t][p]
			if !ok {
				return nil, &Fault{Kind: NotFound, What: fmt.Sprintf("topic %q has no partition %d", t, p), Next: fmt.Sprintf("it has 0 to %d", len(ends[t])-1)}
			}
			out[t][p] = span{starts[t][p].Offset, end.Offset}
		}
	}
	return out, nil
}

// resolve gives the offset of a place in each partition. What lies outside a partition is
// its start or its end; a group's partition without a commit is its start.
func (c *Client) resolve(ctx context.Context, p Place, spans map[string]map[int32]span) (map[string]map[int32]int64, error) {
	find := func(_ string, _ int32, s span) int64 { return s.start }
	switch p.kind {
	case atEnd:
		find = func(_ string, _ int32, s span) int64 { return s.end }
	case atOffset:
		find = func(string, int32, span) int64 { return p.n }
	case beforeEnd:
		find = func(_ string, _ int32, s span) int64 { return s.end - p.n }
	case atTime:
		found, err := c.admin.ListOffsetsAfterMilli(ctx, p.n, names(spans)...)
		if err == nil {
			err = found.Error()
		}
		if err != nil {
			return nil, fault("cannot look up a time", err, "")
		}
		find = func(t string, n int32, s span) int64 {
			if o := found[t][n].Offset; o >= 0 {
				return o
			}
			return s.end
		}
	case atGroup:
		committed, err := c.committed(ctx, p.group)
		if err != nil {
			return nil, err
		}
		find = func(t string, n int32, s span) int64 {
			if o, ok := committed.Lookup(t, n); ok && o.At >= 0 {
				return o.At
			}
			return s.start
		}
	}
	out := make(map[string]map[int32]int64, len(spans))
	for t, parts := range spans {
		out[t] = make(map[int32]int64, len(parts))
		for n, s := range parts {
			out[t][n] = min(max(find(t, n, s), s.start), s.end)
		}
	}
	return out, nil
}

// committed is what a group that exists has committed.
func (c *Client) committed(ctx context.Context, group string) (kadm.OffsetResponses, error) {
	listed, err := c.admin.ListGroups(ctx)
	if err != nil {
		return nil, fault("cannot list groups", err, "")
	}
	if _, ok := listed[group]; !ok {
		return nil, noGroup(group, listed.Groups())
	}
	committed, err := c.admin.FetchOffsets(ctx, group)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return nil, fault(fmt.Sprintf("cannot look up what group %q has committed", group), err, "")
	}
	return committed, nil
}

func names(spans map[string]map[int32]span) []string {
	out := make([]string, 0, len(spans))
	for t := range spans {
		out = append(out, t)
	}
	return out
}
