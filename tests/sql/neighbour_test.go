package sql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// post sends a statement and returns the status and what came until ctx ended.
func post(ctx context.Context, t *testing.T, b *peers.Broker, statement string) (int, string) {
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
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // as far as it came
	return resp.StatusCode, string(text)
}

// TestBudgets: a statement that wants more than it may have fails with the setting's name, one
// that nobody waits for any more ends, the process stays small, and producers go on.
func TestBudgets(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Env: []string{"GOMEMLIMIT=400MiB"}, Settings: map[string]string{
		"sql.listen": "", "sql.query.memory.bytes": "8388608", "sql.memory.bytes": "16777216", "sql.query.timeout.ms": "120000", "sql.queries.max": "4",
	}})
	ctx := peers.Context(t, 3*time.Minute)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("wide"), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var failed atomic.Pointer[error]
	for i := range 300_000 {
		cl.Produce(ctx, &kgo.Record{Value: fmt.Appendf(nil, `{"id": %d, "text": "some text that differs from %d"}`, i, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil || failed.Load() != nil {
		t.Fatal(err, failed.Load())
	}
	producing, stop := context.WithCancel(ctx)
	var produced atomic.Int64
	done := make(chan error, 1)
	go func() {
		for producing.Err() == nil {
			if err := cl.ProduceSync(ctx, kgo.StringRecord("beside")).FirstErr(); err != nil {
				done <- err
				return
			}
			produced.Add(1)
		}
		done <- nil
	}()
	for name, statement := range map[string]string{
		"groups":   `SELECT id, count(*) FROM wide GROUP BY id`,
		"distinct": `SELECT count(DISTINCT text) FROM wide`,
		"sort":     `SELECT text FROM wide ORDER BY text`,
		"join":     `SELECT count(*) FROM wide a JOIN wide b ON a.text = b.text`,
		"over":     `SELECT text, row_number() OVER (ORDER BY text) FROM wide`,
	} {
		if status, text := post(ctx, t, b, statement); status == http.StatusOK || !strings.Contains(text, "53200") || !strings.Contains(text, "sql.query.memory.bytes") {
			t.Errorf("%s: %d %.300s", name, status, text)
		}
	}
	// Nobody waits for these any more: their places are free again.
	for range 6 {
		hungUp, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		if status, text := post(hungUp, t, b, `SELECT count(*) FROM wide a, wide b WHERE a.id + b.id = -1`); status == http.StatusOK {
			t.Errorf("a product of 90 billion rows was counted: %.200s", text)
		}
		cancel()
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, text := post(ctx, t, b, `SELECT count(*) FROM wide WHERE id = 7`)
		if status == http.StatusOK && strings.Contains(text, "1") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %.300s", status, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil || produced.Load() < 20 {
		t.Errorf("%d records were produced beside: %v", produced.Load(), err)
	}
	if v, err := b.Metric(ctx, "streamhouse_sql_memory_bytes"); err != nil || v != 0 {
		t.Errorf("%.0f bytes are held though no query runs: %v", v, err)
	}
	if peak := b.MemoryMiB(t, peers.ResidentMost); peak > 400 {
		t.Errorf("%d MiB were resident", peak)
	}
}
