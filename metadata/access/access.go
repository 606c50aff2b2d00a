// Package access keeps who may do what in memory, over the store: the ACLs as views that
// never change, and those who ask. A change is in the store before it is in force, and in
// force before it is answered.
package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/metadata"
)

// Store is the port to where ACLs are kept. A metadata.Store is one.
type Store interface {
	LoadSecurity(ctx context.Context, since int64) (metadata.SecurityRows, error)
	ChangeSecurity(ctx context.Context, writer [16]byte, rows metadata.SecurityRows) (int64, error)
}

// MaxDeleted is how many ACLs one request removes at most, as in Kafka.
const MaxDeleted = 10_000

// ErrTooMany: the filters choose more than MaxDeleted.
var ErrTooMany = fmt.Errorf("more than %d ACLs at once", MaxDeleted)

// retries is how often a change begins anew when another broker was faster.
const retries = 10

// Access answers who may do what. All methods may be called from any goroutine.
type Access struct {
	store  Store
	policy auth.Policy
	view   atomic.Pointer[auth.View]

	turn chan struct{} // who holds it changes ACLs, and guards what follows
	rows map[auth.ACL]int64
	seen int64 // the version of the store up to which rows and view are true
}

// Open loads the ACLs.
func Open(ctx context.Context, store Store, policy auth.Policy) (*Access, error) {
	a := &Access{store: store, policy: policy, turn: make(chan struct{}, 1), rows: make(map[auth.ACL]int64)}
	a.view.Store(new(auth.View))
	if err := a.catchUp(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// View is the ACLs in force.
func (a *Access) View() *auth.View { return a.view.Load() }

// catchUp takes in what changed in the store. The caller has the turn.
func (a *Access) catchUp(ctx context.Context) error {
	got, err := a.store.LoadSecurity(ctx, a.seen)
	if err != nil {
		return fmt.Errorf("load ACLs: %w", err)
	}
	a.apply(got.Version, got.ACLs)
	return nil
}

// apply puts rows into force.
func (a *Access) apply(version int64, rows []metadata.ACL) {
	var add, remove []auth.ACL
	for i := range rows {
		r := &rows[i]
		if r.Deleted {
			delete(a.rows, r.ACL)
			remove = append(remove, r.ACL)
		} else {
			a.rows[r.ACL] = r.Version
			add = append(add, r.ACL)
		}
	}
	a.seen = version
	if len(rows) > 0 {
		a.view.Store(a.view.Load().With(version, add, remove))
	}
}

// Create adds ACLs, all or none; those that are there already stay. They are valid.
func (a *Access) Create(ctx context.Context, list []auth.ACL) error {
	return a.change(ctx, func() ([]metadata.ACL, error) {
		rows := make([]metadata.ACL, 0, len(list))
		twice := make(map[auth.ACL]bool, len(list))
		for _, acl := range list {
			if _, there := a.rows[acl]; !there && !twice[acl] {
				twice[acl] = true
				rows = append(rows, metadata.ACL{ACL: acl})
			}
		}
		return rows, nil
	})
}

// Delete removes what the filters choose, all or none, and returns what each of them
// chose: an ACL that two choose is told for both. ErrTooMany: nothing is removed.
func (a *Access) Delete(ctx context.Context, filters []auth.Filter) (chosen [][]auth.ACL, err error) {
	err = a.change(ctx, func() ([]metadata.ACL, error) {
		chosen = make([][]auth.ACL, len(filters))
		view, gone, told := a.View(), map[auth.ACL]bool{}, 0
		for i := range filters {
			view.Each(&filters[i], func(acl *auth.ACL) bool {
				chosen[i] = append(chosen[i], *acl)
				gone[*acl] = true
				told++
				return told <= MaxDeleted
			})
			if told > MaxDeleted {
				return nil, ErrTooMany
			}
		}
		rows := make([]metadata.ACL, 0, len(gone))
		for acl := range gone {
			rows = append(rows, metadata.ACL{ACL: acl, Row: metadata.Row{Version: a.rows[acl], Deleted: true}})
		}
		return rows, nil
	})
	if err != nil {
		return nil, err
	}
	return chosen, nil
}

// change makes one change of what is in force: plan says what it is, and is asked again
// when the store has moved on.
func (a *Access) change(ctx context.Context, plan func() ([]metadata.ACL, error)) error {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-a.turn }()
	for try := 0; ; try++ {
		// Another broker may have changed what this one sees, or an answer was lost.
		if err := a.catchUp(ctx); err != nil {
			return err
		}
		rows, err := plan()
		if err != nil || len(rows) == 0 {
			return err
		}
		err = a.write(ctx, rows)
		if !errors.Is(err, metadata.ErrConflict) || try >= retries {
			return err
		}
	}
}

// write stores rows and puts them into force.
func (a *Access) write(ctx context.Context, rows []metadata.ACL) error {
	var writer [16]byte
	if _, err := rand.Read(writer[:]); err != nil {
		return err
	}
	if _, err := a.store.ChangeSecurity(context.WithoutCancel(ctx), writer, metadata.SecurityRows{ACLs: rows}); err != nil {
		if again := a.catchUp(context.WithoutCancel(ctx)); again != nil {
			return errors.Join(err, again)
		}
		return err
	}
	return a.catchUp(context.WithoutCancel(ctx))
}
