package ecosystem

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

// Debezium follows a table of PostgreSQL: a snapshot, changes, deletions with tombstones.
// Connector, worker and broker are restarted meanwhile. The compacted topic, read from its
// beginning, is the table; what was deleted is null or gone.
func TestDebezium(t *testing.T) {
	long(t)
	const rows, changes = 10_000, 10_000
	plugins, err := peers.DebeziumPostgres(peers.Context(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	db, err := peers.StartPostgres(peers.Context(t, patience), peers.Folder(t), "wal_level=logical")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	query := func(sql string) string {
		t.Helper()
		out, err := db.Query(peers.Context(t, patience), sql)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	query(fmt.Sprintf(`create table accounts (id int primary key, owner text not null, balance bigint not null);
		insert into accounts select n, 'owner ' || n, 0 from generate_series(1, %d) n`, rows))

	b := start(t, nil)
	const table = "bank.public.accounts"
	settings := map[string]string{"cleanup.policy": "compact"}
	maps.Copy(settings, compacted)
	makeTopic(t, b, table, 1, settings)
	w := newWorker(t, b, map[string]string{
		"plugin.path":                  plugins,
		"key.converter":                "org.apache.kafka.connect.json.JsonConverter",
		"value.converter":              "org.apache.kafka.connect.json.JsonConverter",
		"key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
	})
	w.begin()
	w.up()
	w.connect("accounts", map[string]string{
		"connector.class":   "io.debezium.connector.postgresql.PostgresConnector",
		"database.hostname": "127.0.0.1", "database.port": strconv.Itoa(db.Port()),
		"database.user": "postgres", "database.password": "postgres", "database.dbname": "postgres",
		"topic.prefix": "bank", "table.include.list": "public.accounts", "plugin.name": "pgoutput",
		"publication.autocreate.mode": "filtered", "slot.drop.on.stop": "false",
		"tombstones.on.delete": "true", "max.batch.size": "500", "status.update.interval.ms": "500",
	})
	count := func() int { return len(read(t, b, table, topics.Committed)) }
	await(t, "the snapshot", func() bool { return count() >= rows })

	// A tenth of the changes each: balances, owners, rows that go, a few that come.
	done := 0
	change := func(n int) {
		t.Helper()
		for range n {
			from := done * (changes / 10)
			query(fmt.Sprintf("update accounts set balance = balance + 1 + id where id %% 10 = %d and id <= %d", done%10, rows))
			query(fmt.Sprintf("delete from accounts where id between %d and %d", from+1, from+20))
			query(fmt.Sprintf("insert into accounts select %d + n, 'late', n from generate_series(1, 30) n", rows+from))
			done++
		}
	}
	change(3)
	w.ask(http.MethodPost, "/connectors/accounts/restart?includeTasks=true", nil)
	change(2)
	kill(t, b)
	change(2)
	w.kill()
	change(2)
	w.begin()
	w.up()
	change(1)
	if moved := query("select count(*) from accounts where balance > 0"); strings.TrimSpace(moved) == "0" {
		t.Fatal("no row was changed")
	}

	want := make(map[int]string)
	for line := range strings.Lines(query("select id, owner, balance from accounts")) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), "|")
		n, err := strconv.Atoi(id)
		if err != nil {
			t.Fatalf("row %q", line)
		}
		want[n] = rest
	}
	if len(want) != rows+10*10 {
		t.Fatalf("the table has %d rows", len(want))
	}
	var seen tableView
	await(t, "the topic is the table", func() bool {
		seen = replay(t, read(t, b, table, topics.Committed))
		return maps.Equal(seen.rows, want)
	})
	settled(t, b, 10, func() { query("update accounts set owner = owner where id = 9999") }, append([]string{table}, internal...)...)
	seen = replay(t, read(t, b, table, topics.Committed))
	if !maps.Equal(seen.rows, want) {
		t.Error("compaction has changed what the topic says of the table")
	}
	t.Logf("%d rows from %d records, %d of them tombstones", len(seen.rows), seen.records, seen.tombstones)
	if seen.tombstones == 0 || seen.records > 2*len(want) && peers.Kind(*kind) == peers.StreamHouse {
		t.Errorf("%d records and %d tombstones for %d rows", seen.records, seen.tombstones, len(want))
	}
}

// tableView is what a reader of a topic of changes knows of the table.
type tableView struct {
	rows                map[int]string
	records, tombstones int
}

// replay applies the records of changes from the first to the last.
func replay(t *testing.T, records []topics.Record) tableView {
	t.Helper()
	v := tableView{rows: make(map[int]string), records: len(records)}
	for _, r := range records {
		var key struct{ ID int }
		var value struct {
			After *struct {
				Owner   string
				Balance int64
			}
		}
		if err := json.Unmarshal(r.Key, &key); err != nil {
			t.Fatalf("key %q: %v", r.Key, err)
		}
		if r.Value == nil {
			v.tombstones++
			delete(v.rows, key.ID)
			continue
		}
		if err := json.Unmarshal(r.Value, &value); err != nil {
			t.Fatalf("value %q: %v", r.Value, err)
		}
		if value.After == nil {
			delete(v.rows, key.ID) // the deletion itself; its tombstone follows
			continue
		}
		v.rows[key.ID] = fmt.Sprintf("%s|%d", value.After.Owner, value.After.Balance)
	}
	return v
}
