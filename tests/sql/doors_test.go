// Package sql asks a real broker for SQL as its users do: over HTTP, with psql, and with the
// command line.
package sql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// The users' own statements, byte for byte.
const (
	windows = `SELECT COUNT(*), SUM(json_extract(value, '$.amount')) as total
    FROM orders
    GROUP BY TUMBLE(timestamp, '5 minutes');`
	outliers = `SELECT offset, json_extract(value, '$.amount') as amount,
           zscore(json_extract(value, '$.amount')) as z_score,
           anomaly(json_extract(value, '$.amount'), 2.0) as is_outlier
    FROM orders LIMIT 100;`
	nearest = `SELECT key, cosine_similarity(json_extract(value, '$.embedding'), '[0.1, 0.2, 0.3]') as score
    FROM documents ORDER BY score DESC LIMIT 10;`
	joined = `SELECT o.*, u.name FROM orders o JOIN users u ON o.user_id = u.id`
)

const orders = 100

// fill makes topics whose answers are known by arithmetic: an order every ten seconds, of
// amount i + 0.5 and user i % 3, in three partitions and each codec, some in transactions;
// what was aborted, and what is no JSON, does not count.
func fill(ctx context.Context, t *testing.T, b *peers.Broker) {
	t.Helper()
	manual := []kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	cl, err := kgo.NewClient(manual...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	for topic, n := range map[string]int32{"orders": 3, "documents": 1, "users": 1} {
		if _, err := admin.CreateTopic(ctx, n, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	order := func(i int) *kgo.Record {
		return &kgo.Record{Topic: "orders", Partition: int32(i % 3), Timestamp: begin.Add(time.Duration(i) * 10 * time.Second),
			Key: fmt.Append(nil, "k", i%4), Value: fmt.Appendf(nil, `{"amount": %d.5, "user_id": %d, "event": "e%d"}`, i, i%3, i%2)}
	}
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for c, codec := range codecs {
		txn, err := kgo.NewClient(append(slices.Clone(manual), kgo.TransactionalID(fmt.Sprint("fill-", c)), kgo.ProducerBatchCompression(codec))...)
		if err != nil {
			t.Fatal(err)
		}
		for _, commit := range []bool{false, true} {
			if err := txn.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for i := c; i < orders; i += len(codecs) {
				if err := txn.ProduceSync(ctx, order(i)).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if err := txn.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
				t.Fatal(err)
			}
		}
		txn.Close()
	}
	var rest []*kgo.Record
	for key, embedding := range map[string]string{
		"same": "[0.1, 0.2, 0.3]", "right": "[0.3, 0, -0.1]", "against": "[-0.1, -0.2, -0.3]", "short": "[0.1]", "near": "[0.1, 0.2, 0.2]",
	} {
		rest = append(rest, &kgo.Record{Topic: "documents", Key: []byte(key), Value: fmt.Appendf(nil, `{"embedding": %s}`, embedding)})
	}
	for id, name := range []string{"ann", "tom", "zoe"} {
		rest = append(rest, &kgo.Record{Topic: "users", Key: fmt.Append(nil, id), Value: fmt.Appendf(nil, `{"id": %d, "name": %q}`, id, name)})
	}
	if err := cl.ProduceSync(ctx, rest...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// ask is a way to a statement's rows, as text; NULL is an empty text.
type ask func(statement string) [][]string

// byHTTP asks for NDJSON.
func byHTTP(ctx context.Context, t *testing.T, b *peers.Broker) ask {
	return func(statement string) [][]string {
		t.Helper()
		body, err := json.Marshal(map[string]string{"query": statement})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.HTTP()+"/api/v1/sql", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s %v", statement, resp.StatusCode, text, err)
		}
		var answer struct{ Rows [][]any }
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&answer); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		var rows [][]string
		for _, r := range answer.Rows {
			var row []string
			for _, v := range r {
				switch v := v.(type) {
				case nil:
					row = append(row, "")
				case bool:
					row = append(row, map[bool]string{true: "t", false: "f"}[v])
				default:
					row = append(row, fmt.Sprint(v))
				}
			}
			rows = append(rows, row)
		}
		return rows
	}
}

// byProgram asks a program that prints rows as CSV or with a separator.
func byProgram(ctx context.Context, t *testing.T, command func(statement string) peers.Command, separator string) ask {
	return func(statement string) [][]string {
		t.Helper()
		out, err := command(statement).Run(ctx, "")
		if err != nil {
			t.Fatalf("%s: %v\n%s", statement, err, out)
		}
		var rows [][]string
		for line := range strings.Lines(out) {
			var row []string
			for cell := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), separator) {
				switch cell {
				case "true":
					cell = "t"
				case "false":
					cell = "f"
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
		return rows
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// judge holds the answers of a way to arithmetic.
func judge(t *testing.T, way ask) {
	t.Helper()
	rows := way(windows)
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[2], b[2]) })
	if len(rows) != 4 {
		t.Fatalf("%d windows: %q", len(rows), rows)
	}
	for w, r := range rows {
		n, sum := 0, 0.0
		for i := w * 30; i < min((w+1)*30, orders); i++ {
			n++
			sum += float64(i) + 0.5
		}
		if len(r) != 4 || r[0] != strconv.Itoa(n) || number(t, r[1]) != sum || !strings.Contains(r[2], fmt.Sprintf("00:%02d:00", 5*w)) {
			t.Errorf("window %d: %q, want %d and %v", w, r, n, sum)
		}
	}
	mean, dev := 50.0, math.Sqrt((100.0*100-1)/12)
	rows = way(outliers)
	if len(rows) != orders {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		z := (number(t, r[1]) - mean) / dev
		if math.Abs(number(t, r[2])-z) > 1e-12 || r[3] != map[bool]string{true: "t", false: "f"}[math.Abs(z) > 2] {
			t.Errorf("%q, want %v", r, z)
		}
	}
	var keys []string
	for _, r := range way(nearest) {
		keys = append(keys, r[0])
		if r[0] == "short" && r[1] != "" {
			t.Errorf("a score of vectors of other lengths: %q", r)
		}
	}
	if got := strings.Join(keys, " "); got != "same near right against short" {
		t.Errorf("by similarity: %s", got)
	}
	names := map[string]int{}
	for _, r := range way(joined) {
		names[r[len(r)-1]]++
	}
	if names["ann"] != 34 || names["tom"] != 33 || names["zoe"] != 33 || len(names) != 3 {
		t.Errorf("joined: %v", names)
	}
}

// TestUsersStatements: the users' own statements give the same rows, which arithmetic knows,
// over HTTP, with psql and with the command line, before a kill -9 and after it.
func TestUsersStatements(t *testing.T) {
	ctx := peers.Context(t, 4*time.Minute)
	if err := peers.Programs(ctx, "psql"); err != nil {
		t.Fatal(err)
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Settings: map[string]string{"sql.listen": address}})
	binary, err := peers.Build(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	fill(ctx, t, b)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]ask{
		"HTTP": byHTTP(ctx, t, b),
		"psql": byProgram(ctx, t, func(statement string) peers.Command {
			return peers.Command{Path: "psql", Args: []string{"-X", "-q", "-A", "-t", "-F", "\t", "-h", host, "-p", port, "-d", "streamhouse", "-U", "anybody", "-c", statement}}
		}, "\t"),
		"streamhouse sql": byProgram(ctx, t, func(statement string) peers.Command {
			// The heading of CSV is taken off by tail.
			return peers.Command{Path: "sh", Args: []string{"-c", `"$0" sql --http "$1" -o csv -c "$2" | tail -n +2`, binary, b.HTTP(), statement}}
		}, ","),
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) { judge(t, way) })
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("after a kill", func(t *testing.T) { judge(t, ways["HTTP"]) })
}
