package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Target is where a group is set to: a place, so many records on or back from where it is, or
// offsets that are given one by one.
type Target struct {
	place   Place
	shift   int64
	isShift bool
	offsets []Move
}

// ParseTarget reads what ParsePlace does, but +N and -N, which are so many records on or back
// from what is committed.
func ParseTarget(text string, now time.Time) (Target, error) {
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Target{shift: n, isShift: true}, nil
		}
	}
	p, err := ParsePlace(text, now)
	if f, ok := errors.AsType[*Fault](err); ok {
		f.Next = "give earliest, latest, an offset, +N or -N for so many records on or back, a time (2026-01-31, 2026-01-31T15:04:05Z, or 90m for so long ago), group:NAME or file:NAME"
	}
	return Target{place: p}, err
}

// Listed is the target of offsets that are given one by one, as a plan's undo does: New of
// each, -1 for none.
func Listed(offsets []Move) Target { return Target{offsets: offsets} }

// Scope are partitions of a topic; nil: all of them.
type Scope struct {
	Topic      string
	Partitions []int32
}

// Move is a committed offset that becomes another. -1: none.
type Move struct {
	Topic     string
	Partition int32
	Old, New  int64
}

// ResetPlan is what a reset would do, by topic and partition.
type ResetPlan struct {
	Group string
	Moves []Move
}

// Undo lists what takes the plan back.
func (p ResetPlan) Undo() []Move {
	out := make([]Move, len(p.Moves))
	for i, m := range p.Moves {
		out[i] = Move{m.Topic, m.Partition, m.New, m.Old}
	}
	return out
}

// PlanReset works out where a group would be set to, and changes nothing. Without a scope it
// is about all that the group has committed. An offset outside of a partition becomes its
// first or its end, as Kafka's tools have it. A group with members is a conflict.
func (c *Client) PlanReset(ctx context.Context, group string, scopes []Scope, to Target) (ResetPlan, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	plan := ResetPlan{Group: group}
	exists, err := c.idle(ctx, group)
	if err != nil {
		return plan, err
	}
	committed := kadm.OffsetResponses{}
	if exists {
		if committed, err = c.committed(ctx, group); err != nil {
			return plan, err
		}
	}
	old := func(t string, p int32) int64 {
		if o, ok := committed.Lookup(t, p); ok {
			return o.At
		}
		return -1
	}
	spans, err := c.scope(ctx, group, exists, scopes, committed, to)
	if err != nil {
		return plan, err
	}
	place := to.place
	if to.isShift || to.offsets != nil {
		place = Start
	}
	news, err := c.resolve(ctx, place, spans)
	if err != nil {
		return plan, err
	}
	listed := map[at]int64{}
	for _, m := range to.offsets {
		listed[at{m.Topic, m.Partition}] = m.New
	}
	for t, parts := range news {
		for p, n := range parts {
			s, before := spans[t][p], old(t, p)
			switch {
			case to.isShift && before < 0:
				return plan, &Fault{Kind: Invalid, What: fmt.Sprintf("group %q has committed nothing in topic %q, partition %d: there is nothing to go on or back from", group, t, p), Next: "give a place"}
			case to.isShift:
				n = min(max(before+to.shift, s.start), s.end)
			case to.offsets != nil:
				if n = listed[at{t, p}]; n >= 0 {
					n = min(max(n, s.start), s.end)
				}
			}
			plan.Moves = append(plan.Moves, Move{t, p, before, n})
		}
	}
	slices.SortFunc(plan.Moves, func(a, b Move) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return plan, nil
}

// scope finds the partitions that a reset is about.
func (c *Client) scope(ctx context.Context, group string, exists bool, scopes []Scope, committed kadm.OffsetResponses, to Target) (map[string]map[int32]span, error) {
	parts := map[string][]int32{}
	switch {
	case to.offsets != nil:
		for _, m := range to.offsets {
			parts[m.Topic] = append(parts[m.Topic], m.Partition)
		}
	case len(scopes) > 0:
		for _, s := range scopes {
			parts[s.Topic] = append(parts[s.Topic], s.Partitions...)
		}
	case !exists:
		listed, err := c.admin.ListGroups(ctx)
		if err != nil {
			return nil, fault("cannot list groups", err, "")
		}
		return nil, noGroup(group, listed.Groups())
	default:
		committed.Each(func(o kadm.OffsetResponse) { parts[o.Topic] = append(parts[o.Topic], o.Partition) })
		if len(parts) == 0 {
			return nil, &Fault{Kind: NotFound, What: fmt.Sprintf("group %q has committed nothing", group), Next: "say which topics with --topic"}
		}
	}
	out := make(map[string]map[int32]span, len(parts))
	for t, list := range parts {
		if _, err := c.needTopics(ctx, t); err != nil {
			return nil, err
		}
		found, err := c.spans(ctx, []string{t}, list)
		if err != nil {
			return nil, err
		}
		out[t] = found[t]
	}
	return out, nil
}

// idle says whether a group exists; one with members is a conflict.
func (c *Client) idle(ctx context.Context, group string) (exists bool, err error) {
	listed, err := c.admin.ListGroups(ctx)
	if err != nil {
		return false, fault("cannot list groups", err, "")
	}
	g, ok := listed[group]
	switch {
	case !ok:
		return false, nil
	case g.State != "" && g.State != "Empty" && g.State != "Dead":
		return true, c.inUse(ctx, group)
	}
	return true, nil
}

// Reset does what was planned. If the group has members now, or has committed something else
// meanwhile, it is a conflict and nothing is changed.
func (c *Client) Reset(ctx context.Context, plan ResetPlan) error {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	exists, err := c.idle(ctx, plan.Group)
	if err != nil {
		return err
	}
	committed := kadm.OffsetResponses{}
	if exists {
		if committed, err = c.committed(ctx, plan.Group); err != nil {
			return err
		}
	}
	set, gone := make(kadm.Offsets), make(kadm.TopicsSet)
	for _, m := range plan.Moves {
		now := int64(-1)
		if o, ok := committed.Lookup(m.Topic, m.Partition); ok {
			now = o.At
		}
		switch {
		case now != m.Old:
			return &Fault{Kind: Conflict, What: fmt.Sprintf("group %q has changed since the preview: topic %q, partition %d is at %d", plan.Group, m.Topic, m.Partition, now), Next: "look again"}
		case m.New >= 0:
			set.AddOffset(m.Topic, m.Partition, m.New, -1)
		case m.Old >= 0:
			gone.Add(m.Topic, m.Partition)
		}
	}
	if len(set) > 0 {
		if err := c.admin.CommitAllOffsets(ctx, plan.Group, set); err != nil {
			return c.refused(ctx, plan.Group, err)
		}
	}
	if len(gone) > 0 {
		deleted, err := c.admin.DeleteOffsets(ctx, plan.Group, gone)
		if err == nil {
			err = deleted.Error()
		}
		if err != nil {
			return c.refused(ctx, plan.Group, err)
		}
	}
	return nil
}

func (c *Client) refused(ctx context.Context, group string, err error) error {
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.NonEmptyGroup) || errors.Is(err, kerr.RebalanceInProgress) {
		return c.inUse(ctx, group) // somebody has joined meanwhile
	}
	return fault(fmt.Sprintf("cannot set group %q", group), err, "")
}

// DeleteOffsets makes a group forget what it has committed in partitions. Topics that members
// are subscribed to are a conflict.
func (c *Client) DeleteOffsets(ctx context.Context, group string, scopes []Scope) error {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	gone := make(kadm.TopicsSet)
	for _, s := range scopes {
		spans, err := c.spans(ctx, []string{s.Topic}, s.Partitions)
		if err != nil {
			return err
		}
		for p := range spans[s.Topic] {
			gone.Add(s.Topic, p)
		}
	}
	deleted, err := c.admin.DeleteOffsets(ctx, group, gone)
	if err == nil {
		err = deleted.Error()
	}
	switch {
	case errors.Is(err, kerr.GroupSubscribedToTopic):
		return c.inUse(ctx, group)
	case errors.Is(err, kerr.GroupIDNotFound):
		return noGroup(group, nil)
	case err != nil:
		return fault(fmt.Sprintf("cannot delete offsets of group %q", group), err, "")
	}
	return nil
}
