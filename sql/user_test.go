package sql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// The user's own statements, as they wrote them.
func TestUsersStatements(t *testing.T) {
	s := engine(shop()).NewSession(User{})

	// 30 orders each five minutes (one every ten seconds): sums by arithmetic.
	var want []string
	for w := 0; w < 4; w++ {
		n, sum := 0, 0.0
		for i := w * 30; i < min((w+1)*30, 100); i++ {
			n++
			sum += float64(i) + 0.5
		}
		count := n
		if w == 0 {
			count++ // the tombstone
		}
		want = append(want, fmt.Sprintf("%d|%s|2026-01-01 00:%02d:00+00|2026-01-01 00:%02d:00+00", count, strconv.FormatFloat(sum, 'f', 1, 64), w*5, w*5+5))
	}
	cols, rows, notices, err := ask(s, `SELECT COUNT(*), SUM(json_extract(value, '$.amount')) as total
    FROM orders
    GROUP BY TUMBLE(timestamp, '5 minutes');`)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, rows, want)
	if strings.Join(cols, ",") != "count,total,window_start,window_end" {
		t.Errorf("columns %v", cols)
	}
	if !strings.Contains(strings.Join(notices, "\n"), "without a time") {
		t.Errorf("notices %q", notices)
	}

	mean, dev := 50.0, math.Sqrt((100.0*100-1)/12)
	_, rows, _, err = ask(s, `SELECT offset, json_extract(value, '$.amount') as amount,
           zscore(json_extract(value, '$.amount')) as z_score,
           anomaly(json_extract(value, '$.amount'), 2.0) as is_outlier
    FROM orders LIMIT 100;`)
	if err != nil || len(rows) != 100 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, r := range rows {
		f := strings.Split(r, "|")
		if f[1] == "NULL" {
			if f[2] != "NULL" || f[3] != "NULL" {
				t.Errorf("%s", r)
			}
			continue
		}
		amount, _ := strconv.ParseFloat(f[1], 64)
		z, _ := strconv.ParseFloat(f[2], 64)
		if math.Abs(z-(amount-mean)/dev) > 1e-12 || f[3] != map[bool]string{true: "t", false: "f"}[math.Abs(z) > 2] {
			t.Errorf("%s, want %v", r, (amount-mean)/dev)
		}
	}

	_, rows, notices, err = ask(s, `SELECT key, cosine_similarity(json_extract(value, '$.embedding'), '[0.1, 0.2, 0.3]') as score
    FROM documents ORDER BY score DESC LIMIT 10;`)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range rows {
		order = append(order, strings.Split(r, "|")[0])
	}
	if got := strings.Join(order, " "); got != "same twice right against short zero none" && got != "twice same right against short zero none" {
		t.Errorf("%s\n%v", got, rows)
	}
	if rows[6] != "none|NULL" || rows[4] != "short|NULL" || len(notices) == 0 {
		t.Errorf("%v %v", rows, notices)
	}

	_, rows, _, err = ask(s, `SELECT o.*, u.name FROM orders o JOIN users u ON o.user_id = u.id`)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 33+33+34+33 { // user 2 is there twice
		t.Errorf("%d rows", len(rows))
	}
	wantRows(t, s, `SELECT u.name, count(*), sum(o.amount) FROM orders o JOIN TABLE(users) u ON u.key = o.user_id GROUP BY 1 ORDER BY 1`,
		"ann|33|1633.5", "tom|33|1666.5", "zoe|34|1700.0")
	wantRows(t, s, `SELECT value->>'event' AS event, count(*) FROM orders WHERE value->>'event' IS NOT NULL GROUP BY 1 ORDER BY 1`, "e0|50", "e1|50")
	wantRows(t, s, `SELECT count(*) FROM orders WHERE zscore(json_extract(value, '$.amount')) > 1.5`, "7")
	wantRows(t, s, `SELECT count(*), FIRST(amount), LAST(amount), window_start::text FROM orders WHERE amount IS NOT NULL GROUP BY HOP(timestamp, '10 minutes', '5 minutes') ORDER BY window_start`,
		"30|0.5|29.5|2025-12-31 23:55:00+00", "60|0.5|59.5|2026-01-01 00:00:00+00", "60|30.5|89.5|2026-01-01 00:05:00+00", "40|60.5|99.5|2026-01-01 00:10:00+00", "10|90.5|99.5|2026-01-01 00:15:00+00")
	wantRows(t, s, `SELECT key, count(*) FROM orders WHERE amount < 20 GROUP BY key, SESSION(timestamp, '30 seconds') ORDER BY 1, 2`,
		"k0|1|2026-01-01 00:00:00+00|2026-01-01 00:00:30+00", "k0|1|2026-01-01 00:00:40+00|2026-01-01 00:01:10+00", "k0|1|2026-01-01 00:01:20+00|2026-01-01 00:01:50+00",
		"k0|1|2026-01-01 00:02:00+00|2026-01-01 00:02:30+00", "k0|1|2026-01-01 00:02:40+00|2026-01-01 00:03:10+00",
		"k1|1|2026-01-01 00:00:10+00|2026-01-01 00:00:40+00", "k1|1|2026-01-01 00:00:50+00|2026-01-01 00:01:20+00", "k1|1|2026-01-01 00:01:30+00|2026-01-01 00:02:00+00",
		"k1|1|2026-01-01 00:02:10+00|2026-01-01 00:02:40+00", "k1|1|2026-01-01 00:02:50+00|2026-01-01 00:03:20+00",
		"k2|1|2026-01-01 00:00:20+00|2026-01-01 00:00:50+00", "k2|1|2026-01-01 00:01:00+00|2026-01-01 00:01:30+00", "k2|1|2026-01-01 00:01:40+00|2026-01-01 00:02:10+00",
		"k2|1|2026-01-01 00:02:20+00|2026-01-01 00:02:50+00", "k2|1|2026-01-01 00:03:00+00|2026-01-01 00:03:30+00",
		"k3|1|2026-01-01 00:00:30+00|2026-01-01 00:01:00+00", "k3|1|2026-01-01 00:01:10+00|2026-01-01 00:01:40+00", "k3|1|2026-01-01 00:01:50+00|2026-01-01 00:02:20+00",
		"k3|1|2026-01-01 00:02:30+00|2026-01-01 00:03:00+00", "k3|1|2026-01-01 00:03:10+00|2026-01-01 00:03:40+00")
	wantRows(t, s, `SELECT count(*), min(amount), max(amount) FROM orders GROUP BY SESSION(timestamp, '30 seconds')`, "101|0.5|99.5|2026-01-01 00:00:00+00|2026-01-01 00:17:00+00")
}

func sameRows(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(sorted(got), "\n") != strings.Join(sorted(want), "\n") {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
