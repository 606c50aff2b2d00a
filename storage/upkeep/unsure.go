package upkeep

import (
	"context"
	"slices"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// unsure are registrations that ended with an error: they may have been made all the same,
// without the log being told, and what readers go by would be swept.
type unsure struct {
	mu   sync.Mutex
	list []metadata.Replace
}

func (s *unsure) add(list ...metadata.Replace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, list...)
}

// first is the one that has waited for longest.
func (s *unsure) first() (r metadata.Replace, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return r, false
	}
	return s.list[0], true
}

func (s *unsure) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = s.list[1:]
}

// tellAgain tells the log what the store holds of them. One goroutine at a time calls it.
func (u *Upkeep) tellAgain(ctx context.Context, s *unsure, tell func(id pack.PartitionID, from, to int64, list []metadata.Slice)) error {
	if _, ok := s.first(); !ok {
		return nil
	}
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	for {
		r, ok := s.first()
		if !ok {
			return nil
		}
		list, _, err := u.cfg.Store.Partition(ctx, r.ID)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(s metadata.Slice) bool { return s.BaseOffset < r.From || s.LastOffset > r.To })
		tell(r.ID, r.From, r.To, list)
		s.done()
	}
}
