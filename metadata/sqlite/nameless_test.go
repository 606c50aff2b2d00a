package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestNamelessVolumes: a volume that the first version of the schema registered is
// known by its number, until that is forgotten.
func TestNamelessVolumes(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "meta.db")
	s := open(t, sqlite.Options{Path: path})
	if _, err := s.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO volumes (id) VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	v := metadata.Volume{Number: 7, Nonce: pack.Nonce{1, 2, 3}}
	if done, err := s.Registered(ctx, v); err != nil || !done {
		t.Errorf("by number: %v, %v", done, err)
	}
	if err := s.ForgetNameless(ctx); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Registered(ctx, v); err != nil || done {
		t.Errorf("forgotten: %v, %v", done, err)
	}
}
