package upkeep

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// The store of BenchmarkRetention: each segment has a slice of ten partitions, and each
// partition a hundred slices, ten seconds apart.
const (
	scaleSegments   = 100_000
	scalePartitions = 10_000
	scaleSlices     = 1_000_000
	scaleTopics     = 100
)

// BenchmarkRetention measures a pass, and what a start reads, over 1,000,000 slices of
// 10,000 partitions in 100,000 segments.
func BenchmarkRetention(b *testing.B) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), storeFile)
	topics := fillStore(b, path)
	began := time.Now()
	store, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Begin(ctx); err != nil {
		b.Fatal(err)
	}
	var ids []pack.PartitionID
	for _, t := range topics.list {
		for i := range t.Partitions {
			ids = append(ids, at(t, i))
		}
	}
	sealed, err := store.Sealed(ctx, ids)
	if err != nil || len(sealed) != scalePartitions || sealed[0].LastOffset != 999 {
		b.Fatal(err, len(sealed))
	}
	start := time.Since(began)
	now := time.UnixMilli(1_000_000)
	u := New(Config{Store: store, Topics: topics, Log: idleLog{}, Journal: idleJournal{}, Logger: zap.NewNop(), Now: func() time.Time { return now }}, nil)
	u.cfg.Seam = func(string) error { return nil }
	b.Run("nothing goes", func(b *testing.B) {
		for b.Loop() {
			if err := u.Retain(ctx); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(start.Seconds(), "s/start")
	})
	b.Run("a slice of each goes", func(b *testing.B) {
		for range b.N {
			now = now.Add(10 * time.Second)
			if err := u.Retain(ctx); err != nil {
				b.Fatal(err)
			}
		}
		if first, err := store.LogStart(ctx, ids[len(ids)-1]); err != nil || first == 0 {
			b.Fatal("nothing went", err)
		}
	})
}

// fillStore writes the rows past the port: 100,000 registrations would take minutes.
func fillStore(b *testing.B, path string) *topics {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	all := &topics{}
	for i := range scaleTopics {
		t := Topic{Partitions: scalePartitions / scaleTopics, Delete: true, RetentionMs: 1_000_000, RetentionBytes: -1}
		binary.BigEndian.PutUint32(t.ID[12:], uint32(i+1))
		all.list = append(all.list, t)
		if err := store.CreateTopic(ctx, metadata.Topic{ID: t.ID, Name: fmt.Sprint("t", i), Partitions: t.Partitions, Replicas: 1}); err != nil {
			b.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	exec := func(query string, args ...any) {
		b.Helper()
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			b.Fatal(err)
		}
	}
	const per = scaleSlices / scalePartitions
	exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) INSERT INTO segments
		SELECT i, 'segment/' || i, 1100000, i, ?2, ?2 * 100000, ?2 * 100000 FROM n`, scaleSegments, scaleSlices/scaleSegments)
	for p := range scalePartitions {
		t := &all.list[p%scaleTopics]
		part := p / scaleTopics
		exec(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1) INSERT INTO slices
			SELECT ?2, ?3, i * 10, i * 10 + 9, 1 + (i * 1000 + ?4 / 10), 100000, i * 10000, i * 10000, 0 FROM n`, per, t.ID[:], part, p)
		block := 1 + (per-1)*1000 + p/10
		exec(`INSERT INTO states VALUES (?, ?, ?, 1, ?, 100, 10)`, t.ID[:], part, per*10, block)
		exec(`UPDATE segments SET refs = refs + 1 WHERE id = ?`, block)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	return all
}

// idleLog and idleJournal are of a broker at which nothing is open.
type (
	idleLog     struct{ Log }
	idleJournal struct{ journal.Journal }
)

func (idleLog) OpenBytes(pack.PartitionID, int64) int64 { return 0 }
func (idleLog) LogStartRaised(pack.PartitionID, int64)  {}
func (idleJournal) Volumes() []journal.Info             { return nil }
