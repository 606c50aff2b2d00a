package mem

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/metadata"
)

// credentialKey is what there is one credential of.
type credentialKey struct {
	user      string
	mechanism int8
}

// LoadSecurity returns rows that changed.
func (s *Store) LoadSecurity(_ context.Context, since int64) (metadata.SecurityRows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := metadata.SecurityRows{Version: s.security}
	for _, c := range s.credentials {
		if c.Changed > since {
			rows.Credentials = append(rows.Credentials, cloned(c))
		}
	}
	slices.SortFunc(rows.Credentials, func(a, b metadata.Credential) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Mechanism, b.Mechanism))
	})
	for a, row := range s.acls {
		if row.Changed > since {
			rows.ACLs = append(rows.ACLs, metadata.ACL{ACL: a, Row: row})
		}
	}
	slices.SortFunc(rows.ACLs, func(a, b metadata.ACL) int { return a.Compare(&b.ACL) })
	return rows, nil
}

// ChangeSecurity writes rows.
func (s *Store) ChangeSecurity(_ context.Context, writer [16]byte, rows metadata.SecurityRows) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(rows.Credentials)+len(rows.ACLs) == 0 {
		return s.security, nil
	}
	version := s.security + 1
	credentials := map[credentialKey]metadata.Credential{}
	for _, c := range rows.Credentials {
		key := credentialKey{c.User, c.Mechanism}
		standing, again := credentials[key]
		if !again {
			standing = s.credentials[key]
		}
		row, err := nextRow(standing.Row, c.Row, writer, version)
		if err != nil {
			return 0, fmt.Errorf("credential %d of %q: %w", c.Mechanism, c.User, err)
		}
		if c = cloned(c); c.Deleted {
			c = metadata.Credential{User: c.User, Mechanism: c.Mechanism}
		}
		c.Row = row
		credentials[key] = c
	}
	acls := map[auth.ACL]metadata.Row{}
	for _, a := range rows.ACLs {
		standing, again := acls[a.ACL]
		if !again {
			standing = s.acls[a.ACL]
		}
		row, err := nextRow(standing, a.Row, writer, version)
		if err != nil {
			return 0, fmt.Errorf("ACL %s: %w", &a.ACL, err)
		}
		acls[a.ACL] = row
	}
	maps.Copy(s.credentials, credentials)
	maps.Copy(s.acls, acls)
	s.security = version
	return version, nil
}

// nextRow is what a row becomes, or ErrConflict.
func nextRow(standing, given metadata.Row, writer [16]byte, version int64) (metadata.Row, error) {
	live := standing.Version
	if standing.Deleted {
		live = 0
	}
	if live != given.Version || (live == 0 && given.Deleted) {
		return metadata.Row{}, fmt.Errorf("version %d is now %d: %w", given.Version, live, metadata.ErrConflict)
	}
	return metadata.Row{Version: standing.Version + 1, Writer: writer, Changed: version, Deleted: given.Deleted}, nil
}

// ForgetSecurity removes tombstones.
func (s *Store) ForgetSecurity(_ context.Context, seen int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, c := range s.credentials {
		if c.Deleted && c.Changed <= seen {
			delete(s.credentials, key)
		}
	}
	maps.DeleteFunc(s.acls, func(_ auth.ACL, row metadata.Row) bool { return row.Deleted && row.Changed <= seen })
	return nil
}

func cloned(c metadata.Credential) metadata.Credential {
	c.Salt, c.StoredKey, c.ServerKey = bytes.Clone(c.Salt), bytes.Clone(c.StoredKey), bytes.Clone(c.ServerKey)
	return c
}
