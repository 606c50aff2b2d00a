package coordinator

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// Listing is what ListGroups shows of a group.
type Listing struct {
	ID           string
	ProtocolType string // "" if nobody ever joined
	State        group.State
	Type         string
	Members      int
}

// Filter narrows ListGroups down; an empty list lets everything through. Names match
// in any case; one that does not exist matches nothing.
type Filter struct {
	States []string
	Types  []string
}

func (f *Filter) matches(g kind) bool {
	return matchesAny(f.States, g.State().Is) &&
		matchesAny(f.Types, func(t string) bool { return strings.EqualFold(strings.TrimSpace(t), g.Kind()) })
}

func matchesAny(names []string, is func(string) bool) bool {
	return len(names) == 0 || slices.ContainsFunc(names, is)
}

// ListGroups lists the groups, by id. Before the internal topic exists there are
// none.
func (c *Coordinator) ListGroups(f *Filter) ([]Listing, protocol.Code) {
	list := []Listing{}
	for _, s := range c.all() {
		s.mu.Lock()
		code := s.state()
		for id, e := range s.groups {
			if code == protocol.None && e.group.State() != group.Dead && f.matches(e.group) {
				list = append(list, Listing{id, e.group.ProtocolType(), e.group.State(), e.group.Kind(), e.group.Size()})
			}
		}
		s.mu.Unlock()
		if code != protocol.None {
			return nil, code
		}
	}
	if code := c.host.Ended(); code != protocol.None {
		return nil, code
	}
	slices.SortFunc(list, func(a, b Listing) int { return cmp.Compare(a.ID, b.ID) })
	return list, protocol.None
}

// DescribeGroup describes a group; GROUP_ID_NOT_FOUND if there is none.
func (c *Coordinator) DescribeGroup(id string) (group.Description, protocol.Code) {
	s, code := c.shard(id)
	if code != protocol.None {
		return group.Description{}, code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return group.Description{}, code
	}
	e := s.groups[id]
	if e == nil || e.group.State() == group.Dead {
		return group.Description{State: group.Dead}, protocol.GroupIDNotFound
	}
	return e.classic().Describe(), protocol.None
}

// DeleteGroups removes groups with their offsets: a code for each.
func (c *Coordinator) DeleteGroups(ctx context.Context, ids []string) []protocol.Code {
	codes := make([]protocol.Code, len(ids))
	outcomes := make([]chan protocol.Code, len(ids))
	for i, id := range ids {
		s, code := c.shard(id)
		if code == protocol.None {
			outcomes[i] = make(chan protocol.Code, 1)
			code = s.delete(id, outcomes[i])
		}
		codes[i] = code
	}
	for i := range ids {
		if codes[i] == protocol.None {
			codes[i] = c.outcome(ctx, outcomes[i])
		}
	}
	return codes
}

func (s *shard) delete(id string, outcome chan protocol.Code) protocol.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return code
	}
	e := s.groups[id]
	if e == nil {
		return protocol.GroupIDNotFound
	}
	if code := e.group.CheckDelete(); code != protocol.None {
		return code
	}
	s.removeOffsets(e, e.offsets.Partitions(), true, s.now(), func(c protocol.Code) { outcome <- c })
	return protocol.None
}
