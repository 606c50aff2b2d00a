package pgwire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/sql"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/scan"
)

type nothing struct{}

func (nothing) Topic(sql.User, string) *plan.Topic { return nil }
func (nothing) Names(sql.User) []string            { return nil }
func (nothing) Open(context.Context, any, int32) (scan.Partition, error) {
	return nil, errors.New("no topics")
}

// serve serves until the test ends, and says where.
func serve(t *testing.T) string {
	t.Helper()
	e := sql.New(sql.Config{Topics: nothing{}, QueriesMax: 16, Workers: 2, QueryBytes: 64 << 20, Timeout: time.Minute, Now: time.Now})
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(Config{Engine: e, Version: "test", Logger: zap.NewNop()}).Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := e.MemoryUsed(); n != 0 {
			t.Errorf("%d bytes are still held", n)
		}
		if list := e.Queries("", true); len(list) > 0 {
			t.Errorf("%d queries still run", len(list))
		}
	})
	return ln.Addr().String()
}

func connect(t *testing.T, at, more string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), "postgres://anyone@"+at+"/any?sslmode=prefer"+more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// Values go there and back, as text and binary.
func TestTypes(t *testing.T) {
	at := serve(t)
	for _, mode := range []string{"", "&default_query_exec_mode=simple_protocol", "&default_query_exec_mode=exec", "&default_query_exec_mode=describe_exec"} {
		c := connect(t, at, mode)
		when := time.Date(2026, 3, 1, 10, 5, 9, 123456000, time.UTC)
		var (
			i       int64
			f       float64
			s, n, j string
			b       bool
			ts      time.Time
			null    *string
			list    []int64
			texts   []string
		)
		err := c.QueryRow(t.Context(), `SELECT $1::int8, $2::float8, $3::text, $4::bool, $5::timestamptz, $6::numeric::text, NULL::text, '{"a": 1}'::json::text, ARRAY[1, 2]::int8[], ARRAY['a', 'b c']`,
			int64(-42), 2.5, "käse", true, when, "-12345.6789").Scan(&i, &f, &s, &b, &ts, &n, &null, &j, &list, &texts)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if i != -42 || f != 2.5 || s != "käse" || !b || !ts.Equal(when) || n != "-12345.6789" || null != nil || j != `{"a": 1}` || fmt.Sprint(list, texts) != "[1 2] [a b c]" {
			t.Errorf("%s: %v %v %v %v %v %v %v %v %v %v", mode, i, f, s, b, ts, n, null, j, list, texts)
		}
		var numeric float64
		for _, x := range []string{"0", "1", "-1", "10000", "0.0001", "12345678.000912", "-99999999999999999999.5", "1e-7"} {
			if err := c.QueryRow(t.Context(), "SELECT ("+x+")::numeric").Scan(&numeric); err != nil {
				t.Fatalf("%s: %v", x, err)
			}
			var want float64
			if _, err := fmt.Sscan(x, &want); err != nil || numeric != want {
				t.Errorf("%s %s: %v", mode, x, numeric)
			}
		}
	}
}

func TestManyRowsAndErrors(t *testing.T) {
	c := connect(t, serve(t), "")
	rows, err := c.Query(t.Context(), "SELECT x, x::text FROM generate_series(1, 100000) x")
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for rows.Next() {
		var x int64
		var s string
		if err := rows.Scan(&x, &s); err != nil || x != n+1 || s != fmt.Sprint(x) {
			t.Fatal(x, s, err)
		}
		n++
	}
	if rows.Err() != nil || n != 100_000 {
		t.Fatal(n, rows.Err())
	}
	// An error in the middle, and the connection goes on.
	_, err = c.Exec(t.Context(), "SELECT 10 / (x - 5000) FROM generate_series(1, 10000) x")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "22012" {
		t.Errorf("%v", err)
	}
	_, err = c.Exec(t.Context(), "SELECT nosuch")
	if !errors.As(err, &pg) || pg.Code != "42703" || pg.Position != 8 {
		t.Errorf("%v", err)
	}
	// A failed transaction takes nothing but its end.
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tx.Exec(t.Context(), "SELECT 1 / 0")
	if _, err = tx.Exec(t.Context(), "SELECT 1"); !errors.As(err, &pg) || pg.Code != "25P02" {
		t.Errorf("%v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	var one int
	if err := c.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Error(one, err)
	}
}

// A cancel ends what runs, and only that.
func TestCancel(t *testing.T) {
	c := connect(t, serve(t), "")
	const endless = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b WHERE a.a + b.b < 0"
	go func() {
		time.Sleep(50 * time.Millisecond)
		_ = c.PgConn().CancelRequest(context.Background())
	}()
	_, err := c.PgConn().Exec(context.Background(), endless).ReadAll()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "57014" {
		t.Errorf("%v", err)
	}
	var one int
	if err := c.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Error(err)
	}
	// Hanging up ends it too: serve looks at what is left.
	d := connect(t, c.Config().Host+":"+fmt.Sprint(c.Config().Port), "")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _ = d.Exec(ctx, endless)
}

// COPY, portals with a limit, and several statements at once.
func TestCopyAndPortals(t *testing.T) {
	c := connect(t, serve(t), "")
	var b strings.Builder
	tag, err := c.PgConn().CopyTo(t.Context(), &b, "COPY (SELECT x, NULL, 'a'||chr(9) FROM generate_series(1, 2) x) TO STDOUT")
	if err != nil || tag.RowsAffected() != 2 || b.String() != "1\t\\N\ta\\t\n2\t\\N\ta\\t\n" {
		t.Errorf("%q %v %v", b.String(), tag, err)
	}
	results, err := c.PgConn().Exec(t.Context(), "SELECT 1; SELECT 2, 3;").ReadAll()
	if err != nil || len(results) != 2 || string(results[1].Rows[0][1]) != "3" {
		t.Errorf("%v %v", results, err)
	}
	if _, err := c.Exec(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func FuzzParameter(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, uint32(1700))
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5}, uint32(1016))
	f.Fuzz(func(t *testing.T, b []byte, oid uint32) {
		ty := typeOf(oid)
		v, err := parseBinary(b, ty)
		if err != nil || v.IsNull() {
			return
		}
		if _, err := appendBinary(nil, v, ty); err != nil && !strings.Contains(err.Error(), "invalid") && !strings.Contains(err.Error(), "range") && !strings.Contains(err.Error(), "cannot cast") {
			t.Errorf("%v of %d: %v", v, oid, err)
		}
	})
}
