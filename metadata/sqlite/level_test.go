package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestSegmentsOfOlderVersions: what older versions registered counts as whole: they did not
// keep how much a segment has held.
func TestSegmentsOfOlderVersions(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "meta.db")
	s := open(t, sqlite.Options{Path: path})
	if _, err := s.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{
		`DROP TABLE acls`, `DROP INDEX slices_segment`, `ALTER TABLE slices DROP COLUMN level`,
		`ALTER TABLE segments DROP COLUMN data`, `ALTER TABLE segments DROP COLUMN live`,
		`PRAGMA user_version = 3`,
		`INSERT INTO segments VALUES (1, 'segment/1', 1000, 5, 2), (2, 'states/2', 50, 6, 1)`,
		`INSERT INTO slices VALUES (zeroblob(16), 0, 0, 9, 1, 400, 7, 8), (zeroblob(16), 1, 0, 9, 1, 100, 7, 8)`,
	} {
		if _, err := db.Exec(step); err != nil {
			t.Fatal(step, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, sqlite.Options{Path: path})
	if list, err := s.Sparse(ctx, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	u, err := s.Usage(ctx, nil)
	if err != nil || u.Data != 500 || u.Live != 500 {
		t.Errorf("%+v, %v", u, err)
	}
	p := pack.PartitionID{Partition: 1}
	if list, err := s.Lying(ctx, 1); err != nil || len(list) != 2 || list[1].Level != 0 || list[1].ID != p {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.SetLogStarts(ctx, metadata.LogStart{ID: p, Offset: 10}); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Sparse(ctx, 0.1, 10); err != nil || len(list) != 1 || list[0].Live != 400 || list[0].Data != 500 {
		t.Errorf("%+v, %v", list, err)
	}
}
