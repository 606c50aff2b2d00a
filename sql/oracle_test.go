package sql

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/streamhouse/streamhouse/protocol/record"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "of the random queries; 0: another each run")
	queryFlag = flag.Int("queries", 10_000, "random queries")
)

// oracle makes queries that SQLite and we understand alike: integers and text of JSON.
type oracle struct {
	r     *rand.Rand
	depth int
}

func (o *oracle) pick(list ...string) string { return list[o.r.IntN(len(list))] }

// number is an expression of whole numbers over columns a, b and n.
func (o *oracle) number() string {
	o.depth++
	defer func() { o.depth-- }()
	if o.depth > 3 || o.r.IntN(3) == 0 {
		return o.pick("a", "b", "n", fmt.Sprint(o.r.IntN(20)-5))
	}
	switch o.r.IntN(6) {
	case 0:
		return fmt.Sprintf("coalesce(%s, %s)", o.number(), o.number())
	case 1:
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", o.cond(), o.number(), o.number())
	case 2:
		return fmt.Sprintf("abs(%s)", o.number())
	}
	return fmt.Sprintf("(%s %s %s)", o.number(), o.pick("+", "-", "*"), o.number())
}

func (o *oracle) text() string {
	if o.r.IntN(3) > 0 {
		return o.pick("s", "key", "'x'", "'b1'", "''")
	}
	return o.pick("upper(s)", "lower(key)", "substr(s, 2)", "replace(s, 'a', 'bb')", "trim(s)")
}

func (o *oracle) cond() string {
	o.depth++
	defer func() { o.depth-- }()
	if o.depth > 4 {
		return o.number() + " > 3"
	}
	switch o.r.IntN(9) {
	case 0:
		return fmt.Sprintf("(%s AND %s)", o.cond(), o.cond())
	case 1:
		return fmt.Sprintf("(%s OR %s)", o.cond(), o.cond())
	case 2:
		return fmt.Sprintf("NOT (%s)", o.cond())
	case 3:
		return fmt.Sprintf("%s IS %sNULL", o.number(), o.pick("", "NOT "))
	case 4:
		return fmt.Sprintf("%s %sIN (%s, %s, 7)", o.number(), o.pick("", "NOT "), o.number(), o.number())
	case 5:
		return fmt.Sprintf("%s %s %s", o.text(), o.pick("=", "<>", "<", ">="), o.text())
	case 6:
		return fmt.Sprintf("%s BETWEEN %s AND %s", o.number(), o.number(), o.number())
	}
	return fmt.Sprintf("%s %s %s", o.number(), o.pick("=", "<>", "<", "<=", ">", ">="), o.number())
}

func (o *oracle) aggregate() string {
	return o.pick("count(*)", fmt.Sprintf("count(%s)", o.number()), fmt.Sprintf("sum(%s)", o.number()), fmt.Sprintf("min(%s)", o.number()),
		fmt.Sprintf("max(%s)", o.text()), fmt.Sprintf("count(DISTINCT %s)", o.number()), fmt.Sprintf("count(*) FILTER (WHERE %s)", o.cond()))
}

func (o *oracle) query() string {
	where := ""
	if o.r.IntN(3) > 0 {
		where = " WHERE " + o.cond()
	}
	switch o.r.IntN(7) {
	case 0:
		k := o.pick("a", "s", "n", "key", "(a + b)")
		having := ""
		if o.r.IntN(3) == 0 {
			having = " HAVING " + o.pick("count(*) > 2", "min(a) IS NOT NULL", "sum(n) > 10")
		}
		return fmt.Sprintf("SELECT %s, %s, %s FROM t%s GROUP BY %s%s", k, o.aggregate(), o.aggregate(), where, k, having)
	case 1:
		return fmt.Sprintf("SELECT %s, %s FROM t%s", o.aggregate(), o.aggregate(), where)
	case 2:
		return fmt.Sprintf("SELECT DISTINCT %s, %s FROM t%s", o.number(), o.text(), where)
	case 3:
		return fmt.Sprintf("SELECT %s FROM t%s %s SELECT %s FROM t", o.number(), where, o.pick("UNION", "UNION ALL", "INTERSECT", "EXCEPT"), o.number())
	case 4:
		return fmt.Sprintf("SELECT x.a, y.s, y.n FROM t x %s JOIN u y ON x.%s = y.%s%s", o.pick("", "LEFT"), o.pick("a", "n"), o.pick("a", "n"), o.pick("", " AND y.b > x.b"))
	case 5:
		return fmt.Sprintf("SELECT a, n FROM t%s%s a %s (SELECT n FROM u WHERE u.b > 3 AND u.n IS NOT NULL)", where, map[bool]string{true: " WHERE", false: " AND"}[where == ""], o.pick("IN", "NOT IN"))
	}
	return fmt.Sprintf("SELECT %s AS p, %s AS q FROM t%s ORDER BY 1, 2, \"offset\", \"partition\" LIMIT %d OFFSET %d", o.number(), o.text(), where, o.r.IntN(20), o.r.IntN(3))
}

// Random queries give what SQLite gives.
func TestAgainstSQLite(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	o := &oracle{r: rand.New(rand.NewPCG(seed, 1))}
	m := memory{}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, name := range []string{"t", "u"} {
		o.load(t, m, db, name)
	}
	s := engine(m).NewSession(User{})
	n := *queryFlag
	if testing.Short() {
		n = min(n, 1000)
	}
	filled := 0
	for i := range n {
		q := o.query()
		want := sqliteRows(t, db, q)
		_, got, _, err := ask(s, q)
		if err != nil {
			t.Fatalf("query %d of seed %d:\n%s\n%v", i, seed, q, err)
		}
		if len(want) > 0 {
			filled++
		}
		for j, r := range got {
			got[j] = strings.NewReplacer("|t", "|1", "|f", "|0").Replace(r)
		}
		if !strings.Contains(q, "LIMIT") {
			want, got = sorted(want), sorted(got)
		}
		if strings.Join(want, "\n") != strings.Join(got, "\n") {
			t.Fatalf("query %d of seed %d:\n%s\ngot\n  %s\nwant\n  %s", i, seed, q, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	if filled < n/2 {
		t.Errorf("only %d of %d queries gave rows", filled, n)
	}
}

// load fills a table in both.
func (o *oracle) load(t *testing.T, m memory, db *sql.DB, name string) {
	t.Helper()
	if _, err := db.Exec(`CREATE TABLE ` + name + ` ("partition" INTEGER, "offset" INTEGER, key TEXT, a INTEGER, b INTEGER, n INTEGER, s TEXT)`); err != nil {
		t.Fatal(err)
	}
	topic := m.topic(name, 3)
	maybe := func(v any) any {
		if o.r.IntN(5) == 0 {
			return nil
		}
		return v
	}
	for i := range 40 {
		a, b, n, s, key := maybe(o.r.IntN(8)-2), maybe(o.r.IntN(8)), maybe(o.r.IntN(5)), maybe(o.pick("ab", "a", "", "b1", " x ", "B1")), maybe(o.pick("k1", "K2", "b1"))
		var fields []string
		for k, v := range map[string]any{"a": a, "b": b, "n": n, "s": s} {
			switch v := v.(type) {
			case int:
				fields = append(fields, fmt.Sprintf("%q: %d", k, v))
			case string:
				fields = append(fields, fmt.Sprintf("%q: %q", k, v))
			default:
				if o.r.IntN(2) == 0 { // null, or not there
					fields = append(fields, fmt.Sprintf("%q: null", k))
				}
			}
		}
		p := i % 3
		offset := topic.parts[p].end
		topic.add(p, record.Codec(o.r.IntN(5)), int64(o.r.IntN(2)), rec{1000, key, "{" + strings.Join(fields, ", ") + "}"})
		if _, err := db.Exec(`INSERT INTO `+name+` VALUES (?, ?, ?, ?, ?, ?, ?)`, p, offset, key, a, b, n, s); err != nil {
			t.Fatal(err)
		}
	}
}

// sqliteRows asks SQLite, whose NULLs sort first unless it is told.
func sqliteRows(t *testing.T, db *sql.DB, q string) []string {
	t.Helper()
	q = strings.Replace(q, `ORDER BY 1, 2, "offset", "partition"`, `ORDER BY 1 NULLS LAST, 2 NULLS LAST, "offset", "partition"`, 1)
	rows, err := db.Query(q)
	if err != nil {
		t.Fatalf("%s\n%v", q, err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	vals, at := make([]any, len(cols)), make([]any, len(cols))
	for i := range vals {
		at[i] = &vals[i]
	}
	for rows.Next() {
		if err := rows.Scan(at...); err != nil {
			t.Fatal(err)
		}
		fields := make([]string, len(cols))
		for i, v := range vals {
			fields[i] = "NULL"
			if v != nil {
				fields[i] = fmt.Sprint(v)
			}
		}
		out = append(out, strings.Join(fields, "|"))
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return out
}
