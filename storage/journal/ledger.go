package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// Errors of Memory.Admit. Each means: do not start.
var (
	// ErrLost: what is remembered of the journal is not there. The journal was removed,
	// is an older copy, or has lost its newest volume.
	ErrLost = errors.New("journal: volumes are missing")
	// ErrNewer: the journal has volumes of which the memory cannot be without being
	// older than they are.
	ErrNewer = errors.New("journal: newer than the metadata store")
)

// Begun is what a volume's header says about its beginning.
type Begun struct {
	ID    VolumeID
	Nonce pack.Nonce
	Start int32 // number of the start that began it, 0: it does not say
}

// Ledger is what is remembered of a journal outside of it, so that a journal that was
// lost, or set back, or belongs to something newer, is noticed before it counts its
// volumes once more. Methods are called one at a time.
type Ledger interface {
	// Admit decides, once per Replay, whether a journal with these volumes, oldest
	// first, may go on, and says from where. Nothing was written yet. Its error is
	// Replay's.
	Admit(ctx context.Context, found []Begun) (Admission, error)
	// Begin remembers a volume as the newest. It is durable, and takes no pack before
	// Begin has returned nil. It may be repeated.
	Begin(ctx context.Context, v Begun) error
}

// Admission is under what terms a journal goes on.
type Admission struct {
	// Start is the number of this start, for the headers of the volumes that it begins;
	// 0: they do not say.
	Start int32
	// Known is the newest volume that was remembered, or else the newest found. One above
	// it was never opened for appends.
	Known VolumeID
	// Above: new volumes are numbered above it, and above all that were found.
	Above VolumeID
	// Lost: volumes are missing, and that is accepted.
	Lost bool
}

// Memory is what a ledger knows at a start, before anything of the journal was read.
type Memory struct {
	Newest     Begun    // the volume that was begun last, ID 0: not known
	Registered VolumeID // highest volume that was ever sealed, 0: none
	Start      int32    // number of this start
	// Released: volumes below the oldest one found were released, as an object journal
	// knows for certain.
	Released bool
	// Accepted: volumes up to this one may be missing, if it is the newest that is
	// remembered; 0: none may.
	Accepted VolumeID
}

// Admit decides as Ledger does. ErrLost, ErrNewer.
func (m Memory) Admit(found []Begun) (Admission, error) {
	a := Admission{Start: m.Start, Known: m.Newest.ID}
	for _, v := range found {
		if v.Start >= m.Start && v.Start > 0 {
			return a, fmt.Errorf("%w: volume %d was begun by start %d, and this is start %d only", ErrNewer, v.ID, v.Start, m.Start)
		}
	}
	if n := len(found); n > 0 && a.Known == 0 {
		a.Known = found[n-1].ID
	}
	lost := m.lost(found)
	if lost == nil {
		return a, nil
	}
	a.Above = m.Last()
	if m.Accepted != a.Above {
		return a, lost
	}
	a.Lost, a.Known = true, 0
	if n := len(found); n > 0 {
		a.Known = found[n-1].ID
	}
	return a, nil
}

// Last is the highest number of a volume that is remembered, 0: none.
func (m Memory) Last() VolumeID { return max(m.Newest.ID, m.Registered) }

// lost says what is missing among the volumes found, nil if nothing is.
func (m Memory) lost(found []Begun) error {
	there := "there is none"
	if n := len(found); n > 0 {
		if m.Released && m.Newest.ID < found[0].ID {
			return nil
		}
		there = fmt.Sprintf("the newest there is %d", found[n-1].ID)
	}
	if m.Newest.ID == 0 {
		// The open volume is never sealed, and stays until the next one has begun.
		if n := len(found); m.Registered > 0 && (n == 0 || found[n-1].ID <= m.Registered) {
			return fmt.Errorf("%w: volumes up to %d were sealed, %s", ErrLost, m.Registered, there)
		}
		return nil
	}
	for _, v := range found {
		switch {
		case v.ID != m.Newest.ID:
		case v.Nonce != m.Newest.Nonce:
			return fmt.Errorf("%w: volume %d there is another one than what was begun here", ErrLost, v.ID)
		default:
			return nil
		}
	}
	return fmt.Errorf("%w: volume %d was begun last, %s", ErrLost, m.Newest.ID, there)
}

// NoLedger remembers nothing and admits everything: for a journal that stands alone.
type NoLedger struct{}

// Admit admits everything.
func (NoLedger) Admit(context.Context, []Begun) (Admission, error) { return Admission{}, nil }

// Begin does nothing.
func (NoLedger) Begin(context.Context, Begun) error { return nil }
