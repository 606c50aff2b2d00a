package parse

import "testing"

// What Text writes reads back to the same text.
func FuzzText(f *testing.F) {
	for _, s := range []string{"a + b * -c", "x IN (1, 2) AND NOT y LIKE 'a%'", "CASE WHEN a THEN 1 ELSE 2 END", "f(DISTINCT x ORDER BY y DESC) FILTER (WHERE z)",
		"a::int[]", "value->'a'->>'b'", "x IS NOT DISTINCT FROM y", "ARRAY[1, 2][1]", "sum(x) OVER (PARTITION BY a ORDER BY b ROWS 1 PRECEDING)", "offset"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := Parse("SELECT " + s)
		if err != nil || len(list) != 1 || list[0].Query == nil || list[0].Query.Select == nil {
			return
		}
		for _, it := range list[0].Query.Select.Items {
			if hasMore(it.X) {
				continue
			}
			text := Text(it.X)
			again, err := Parse("SELECT " + text)
			if err != nil {
				if len(text) > 10*len(s)+100 { // brackets may nest too deep
					continue
				}
				t.Fatalf("%q is written %q: %v", s, text, err)
			}
			if second := Text(again[0].Query.Select.Items[0].X); second != text {
				t.Fatalf("%q is written %q, and that %q", s, text, second)
			}
		}
	})
}

// hasMore says whether an expression is one whose text is for comparison only.
func hasMore(x Expr) bool {
	switch x.(type) {
	case *Literal, *Name, *Param:
		return false
	}
	return true
}

func FuzzParse(f *testing.F) {
	f.Add("SELECT a, count(*) FROM t JOIN u USING (x) WHERE b GROUP BY 1 HAVING c ORDER BY 2 DESC NULLS FIRST LIMIT 3 OFFSET 1")
	f.Add("WITH q AS (SELECT 1) SELECT * FROM q, LATERAL (SELECT 2) r, unnest(x) WITH ORDINALITY u(a, b)")
	f.Add("EXPLAIN SELECT 1; SET a TO b; PREPARE p (int) AS SELECT $1; EXECUTE p(1)")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = Parse(s) }) // it ends, and does not panic
}
