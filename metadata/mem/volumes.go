package mem

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
)

// BeginVolume remembers the journal's newest volume.
func (s *Store) BeginVolume(_ context.Context, v metadata.Volume) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.start.ClusterID == "":
		return errors.New("Begin was not called")
	case s.begun == v:
		return nil
	case s.begun.Number >= v.Number:
		return fmt.Errorf("volume %d is remembered: %w", s.begun.Number, metadata.ErrConflict)
	}
	s.begun = v
	return nil
}

// NewestVolumes returns the volume begun last and the highest number registered.
func (s *Store) NewestVolumes(context.Context) (begun metadata.Volume, registered uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := range s.volumes {
		registered = max(registered, number)
	}
	return s.begun, registered, nil
}

// Registered looks for a volume.
func (s *Store) Registered(_ context.Context, v metadata.Volume) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nonce, ok := s.volumes[v.Number]
	return ok && nonce == v.Nonce, nil
}

// ForgetNameless does nothing: this store knows every volume by its nonce.
func (s *Store) ForgetNameless(context.Context) error { return nil }
