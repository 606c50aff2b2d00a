package sql

import (
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// Each function's example gives what its row in the table says: docs/sql.md shows both.
func TestExamples(t *testing.T) {
	s := engine(memory{}).NewSession(User{})
	n := 0
	for _, f := range plan.Functions() {
		if f.Example == "" {
			continue
		}
		n++
		wantRows(t, s, "SELECT ("+f.Example+")::text", f.Gives)
	}
	if n < 70 {
		t.Errorf("%d examples", n)
	}
}

func TestErrors(t *testing.T) {
	s := engine(shop()).NewSession(User{})
	for _, c := range []struct{ text, code, message string }{
		{"SELEC 1", "42601", "syntax error at or near \"SELEC\""},
		{"SELECT 1 +", "42601", "end of input"},
		{"SELECT 'a", "42601", "unterminated"},
		{"SELECT * FROM nowhere", "42P01", "does not exist"},
		{"SELECT count(*) FROM order", "42601", "order"},
		{"SELECT sum(value->>'amount') FROM orders", "42883", "sum"},
		{"SELECT nosuch(1)", "42883", "nosuch"},
		{"SELECT 1/0", "22012", "division by zero"},
		{"SELECT 9223372036854775807 + 1", "22003", "out of range"},
		{"SELECT amount, count(*) FROM orders", "42803", "GROUP BY"},
		{"SELECT count(*) FROM orders WHERE count(*) > 1", "42803", "WHERE"},
		{"SELECT key FROM orders o JOIN users u ON o.user_id = u.id", "42702", "ambiguous"},
		{"SELECT count(*) FROM orders GROUP BY HOP(timestamp, '5 minutes', '10 minutes')", "22023", "slide"},
		{"SELECT count(*) FROM orders GROUP BY TUMBLE(timestamp, '1 month')", "22023", "month"},
		{"SELECT 'a' ~ '(?=b)'", "2201B", "regular expression"},
		{"SELECT " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000), "54000", "nests"},
		{"SELECT '" + strings.Repeat("x", 2<<20) + "'", "54000", "bytes"},
		{"SELECT $65536", "42601", "parameter"},
		{"SELECT a FROM (SELECT 1 AS b) x", "42703", "does not exist"},
		{"SELECT 'x'::int", "22P02", "invalid input syntax"},
		{"SELECT row_number() FROM orders", "42P20", "OVER"},
		{"SELECT (SELECT 1 UNION SELECT 2)", "21000", "more than one row"},
		{"UPDATE orders SET a = 1", "0A000", "refused"},
		{"SELECT 1; DROP TABLE orders", "0A000", "not built"},
		{"SELECT * FROM orders ORDER BY 99", "42P10", "position"},
		{"SELECT 1 WHERE 1", "42804", "boolean"},
		{"SELECT amount::text + 1 FROM orders", "42883", "operator does not exist"},
	} {
		_, _, _, err := ask(s, c.text)
		e, ok := err.(*value.Error)
		if !ok || e.Code != c.code || !strings.Contains(e.Message, c.message) {
			t.Errorf("%.60s: %v (%T), want %s", c.text, err, err, c.code)
			if ok {
				t.Errorf("its code is %s", e.Code)
			}
		}
	}
}

func TestLanguage(t *testing.T) {
	s := engine(shop()).NewSession(User{})
	for _, c := range [][]string{
		{"SELECT 1, 'a', NULL, true, 1.50", "1|a|NULL|t|1.50"},
		{"SELECT", ""},
		{"SELECT count(*), sum(amount), avg(amount), min(amount), max(amount) FROM orders", "102|5000.0|50.0000000000000000|0.5|99.5"},
		{"SELECT count(*) FROM orders WHERE amount > 90", "10"},
		{"SELECT offset, amount FROM orders WHERE partition = 1 AND offset >= 5 ORDER BY offset LIMIT 2", "7|20.5", "8|21.5"},
		{"SELECT customer.name, count(*) FROM orders WHERE id < 14 GROUP BY customer.name ORDER BY 1", "c0|2", "c1|2", "c2|2", "c3|2", "c4|2", "c5|2", "c6|2"},
		{"SELECT key, value FROM orders WHERE key = 'gone'", "gone|NULL"},
		{"SELECT key FROM orders WHERE timestamp IS NULL", "bad"},
		{"SELECT count(*) FROM orders WHERE timestamp >= '2026-01-01T00:16:00Z'", "4"},
		{"SELECT (SELECT count(*) FROM users), EXISTS (SELECT 1 FROM users WHERE id = 9)", "6|t"},
		{"SELECT name FROM TABLE(users) ORDER BY name", "ann", "tom", "zoe"},
		{"SELECT u.name FROM TABLE(users) u WHERE u.id IN (SELECT user_id FROM orders WHERE amount < 2) ORDER BY 1", "ann", "zoe"},
		{"SELECT u.name, (SELECT max(o.amount) FROM orders o WHERE o.user_id = u.id) FROM TABLE(users) u ORDER BY 1", "ann|97.5", "tom|98.5", "zoe|99.5"},
		{"WITH big AS (SELECT id, amount FROM orders WHERE amount > 97) SELECT count(*), sum(amount) FROM big", "3|295.5"},
		{"SELECT 1 UNION SELECT 1 UNION ALL SELECT 2 ORDER BY 1", "1", "2"},
		{"SELECT x FROM generate_series(1, 5) x EXCEPT SELECT 3 ORDER BY x DESC", "5", "4", "2", "1"},
		{"SELECT x, row_number() OVER (ORDER BY x DESC), sum(x) OVER (ORDER BY x), lag(x) OVER (ORDER BY x) FROM generate_series(1, 3) x ORDER BY 1", "1|3|1|NULL", "2|2|3|1", "3|1|6|2"},
		{"SELECT id, amount FROM orders QUALIFY row_number() OVER (ORDER BY amount DESC) <= 2 ORDER BY 1", "98|98.5", "99|99.5"},
		{"SELECT e FROM unnest(ARRAY[3,1,2]) AS e ORDER BY e", "1", "2", "3"},
		{"SELECT count(*) FILTER (WHERE amount > 50), count(DISTINCT user_id) FROM orders", "50|3"},
		{"SELECT x FROM (VALUES (1), (NULL), (2)) v(x) ORDER BY x DESC", "2", "1", "NULL"},
		{"SELECT moving_avg(amount, 3) FROM orders WHERE partition = 0 AND id < 5", "0.5", "1", "1.5", "2.5", "3.5"},
		{"SELECT a, b FROM (VALUES (1, 'x'), (2, 'y')) l(a, b) LEFT JOIN (VALUES (2, 'z')) r(c, d) ON a = c ORDER BY a", "1|x", "2|y"},
		{"SELECT a, d FROM (VALUES (1), (2)) l(a) FULL JOIN (VALUES (2, 'z'), (3, 'w')) r(c, d) ON a = c ORDER BY a, d", "1|NULL", "2|z", "NULL|w"},
		{"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), median(amount) FROM orders", "50|50"},
		{"SELECT string_agg(name, ',' ORDER BY name) FROM TABLE(users)", "ann,tom,zoe"},
		{"SELECT count(*) FROM TUMBLE(orders, timestamp, '5 minutes') t WHERE window_start = '2026-01-01 00:05:00'", "30"},
		{"SELECT count(*) FROM TABLE(HOP(TABLE orders, DESCRIPTOR(timestamp), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)) WHERE amount = 7.5", "2"},
		{"SELECT DISTINCT user_id FROM orders WHERE user_id IS NOT NULL ORDER BY 1", "0", "1", "2"},
		{"SELECT CASE WHEN amount > 98 THEN 'high' ELSE 'low' END AS c, count(*) FROM orders WHERE amount > 95 GROUP BY c ORDER BY c", "high|2", "low|3"},
		{"SELECT 10 BETWEEN 1 AND 20, 'abc' LIKE 'a%', 'abc' ~ '^b', NULL IS NULL, 1 IN (1, NULL)", "t|t|f|t|t"},
		{"SELECT timestamp + '1 hour' > timestamp FROM orders LIMIT 1", "t"},
		{"SELECT amount AS key FROM orders WHERE amount > 97 ORDER BY key DESC", "99.5", "98.5", "97.5"},
	} {
		want := c[1:]
		wantRows(t, s, c[0], want...)
	}
}

// A path that no record had is told of, with a field that is near.
func TestMissingPath(t *testing.T) {
	s := engine(shop()).NewSession(User{})
	_, _, notices, err := ask(s, "SELECT amonut FROM orders")
	if err != nil || !strings.Contains(strings.Join(notices, "\n"), `$.amonut, and some have "amount"`) {
		t.Errorf("%q %v", notices, err)
	}
}
