package transactions

import (
	"regexp"
	"slices"
	"sort"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// Describe returns the state of an id, as a restart would find it.
func (c *Coordinator) Describe(id string) (*txn.State, protocol.Code) {
	if id == "" {
		return nil, protocol.InvalidRequest
	}
	s, code := c.host.Shard(id)
	if code != protocol.None {
		return nil, code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.status(); code != protocol.None {
		return nil, code
	}
	e := s.entries[id]
	if e == nil || e.stored == nil {
		return nil, protocol.TransactionalIDNotFound
	}
	return e.stored, protocol.None
}

// Filter selects transactions to list; its zero value but for DurationMs = -1 selects all.
type Filter struct {
	ProducerIDs []int64
	Statuses    []txn.Status
	// None: states were asked for of which none is known, so nothing is
	// listed.
	None       bool
	DurationMs int64          // open for longer than that; negative: any
	Pattern    *regexp.Regexp // of the whole id; nil: any
}

// Listed is one line of List.
type Listed struct {
	ID         string
	ProducerID int64
	Status     txn.Status
}

func (f *Filter) selects(id string, s *txn.State, nowMs int64) bool {
	switch {
	case f.None,
		len(f.ProducerIDs) > 0 && !slices.Contains(f.ProducerIDs, s.ProducerID),
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, s.Status),
		f.DurationMs >= 0 && nowMs-s.StartMs <= f.DurationMs,
		f.Pattern != nil && !f.Pattern.MatchString(id):
		return false
	}
	return true
}

// List lists the transactional ids of this broker, by id: COORDINATOR_LOAD_IN_PROGRESS
// while one shard loads.
func (c *Coordinator) List(f *Filter) ([]Listed, protocol.Code) {
	list := []Listed{}
	now := c.nowMs()
	for _, s := range c.host.All() {
		var code protocol.Code
		if list, code = s.list(list, f, now); code != protocol.None {
			return nil, code
		}
	}
	if code := c.host.Ended(); code != protocol.None {
		return nil, code
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list, protocol.None
}

func (s *shard) list(dst []Listed, f *Filter, now int64) ([]Listed, protocol.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.status(); code != protocol.None {
		return nil, code
	}
	for id, e := range s.entries {
		if e.stored != nil && f.selects(id, e.stored, now) {
			dst = append(dst, Listed{id, e.stored.ProducerID, e.stored.Status})
		}
	}
	return dst, protocol.None
}
