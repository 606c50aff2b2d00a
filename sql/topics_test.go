package sql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/scan"
	"github.com/streamhouse/streamhouse/sql/value"
	"github.com/streamhouse/streamhouse/storage/log"
)

// memory is topics in memory, in the form in which the log gives them.
type memory map[string]*memTopic

type memTopic struct {
	name  string
	parts []*memPartition
}

type memPartition struct {
	start, end int64
	batches    [][]byte
	aborted    []log.Aborted
	err        error
}

// rec is one record; key and value may be nil.
type rec struct {
	ts         int64 // ms
	key, value any   // nil, or a string
}

func (m memory) topic(name string, partitions int) *memTopic {
	t := &memTopic{name: name}
	for range partitions {
		t.parts = append(t.parts, &memPartition{})
	}
	m[name] = t
	return t
}

func bytesOf(v any) []byte {
	if s, ok := v.(string); ok {
		return append([]byte{}, s...)
	}
	return nil
}

// add appends a batch, compressed by codec, and leaves a hole behind it.
func (t *memTopic) add(partition int, codec record.Codec, hole int64, records ...rec) {
	b := record.NewBuilder()
	for _, r := range records {
		b.Append(r.ts, bytesOf(r.key), bytesOf(r.value))
	}
	t.append(partition, codec, hole, b)
}

func (t *memTopic) append(partition int, codec record.Codec, hole int64, b *record.Builder) {
	out := slices.Clone(b.Batch())
	if codec != record.CodecNone {
		var err error
		if out, err = record.Recompress(nil, out, record.Recompression{Codec: codec, MaxBytes: 1 << 24, Wait: context.Background()}); err != nil {
			panic(err)
		}
	}
	p := t.parts[partition]
	record.SetOffset(out, p.end, 0)
	p.batches = append(p.batches, out)
	p.end += int64(b.Len()) + hole
}

func (m memory) Topic(_ User, name string) *plan.Topic {
	t := m[name]
	if t == nil {
		return nil
	}
	return &plan.Topic{Name: name, Handle: t, Partitions: int32(len(t.parts))}
}

func (m memory) Names(User) []string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func (m memory) Open(_ context.Context, handle any, partition int32) (scan.Partition, error) {
	return handle.(*memTopic).parts[partition], nil
}

func (p *memPartition) Bounds() log.Bounds {
	return log.Bounds{LogStart: p.start, HighWatermark: p.end, LastStable: p.end}
}

func (p *memPartition) Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error) {
	if p.err != nil {
		return log.ReadResult{}, p.err
	}
	if req.Offset < p.start || req.Offset > p.end {
		return log.ReadResult{}, protocol.OffsetOutOfRange
	}
	res := log.ReadResult{Bounds: p.Bounds(), Aborted: p.aborted}
	for _, b := range p.batches {
		h, err := record.ParseHeader(b)
		if err != nil {
			return res, err
		}
		if h.LastOffset() < req.Offset {
			continue
		}
		if res.Bytes > 0 && res.Bytes+len(b) > min(req.MaxBytes, 4096) {
			break
		}
		res.Chunks = append(res.Chunks, log.Chunk{Mem: b, Len: int64(len(b))})
		res.Bytes += len(b)
	}
	return res, nil
}

func (p *memPartition) OffsetForTime(_ context.Context, timestamp int64, _ bool) (record.TimestampOffset, bool, error) {
	for _, b := range p.batches {
		if at, ok, err := record.FindTimestamp(b, timestamp, 0); ok || err != nil {
			return at, ok, err
		}
	}
	return record.TimestampOffset{}, false, nil
}

func engine(m memory) *Engine {
	return New(Config{
		Topics: m, MemoryBytes: 256 << 20, QueryBytes: 64 << 20, ScanBytes: 1 << 36, Timeout: time.Minute, QueriesMax: 16, Workers: 2,
		Now: func() time.Time { return time.UnixMilli(1_800_000_000_000) },
	})
}

// ask runs one statement and gives its rows, fields parted by |, NULL as NULL.
func ask(s *Session, text string, params ...value.Value) (cols, rows, notices []string, err error) {
	list, err := parse.Parse(text)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, st := range list {
		p, err := s.Prepare(st, nil)
		if err != nil {
			return nil, nil, nil, err
		}
		r, err := s.Run(context.Background(), p, params, 0)
		if err != nil {
			return nil, nil, nil, err
		}
		defer r.Close()
		cols, rows = nil, nil
		for _, c := range r.Columns {
			cols = append(cols, c.Name)
		}
		for {
			b, err := r.Next()
			if err != nil {
				return cols, rows, nil, err
			}
			if b == nil {
				break
			}
			for i := range b.N {
				var fields []string
				for j, v := range b.Row(i) {
					if v.IsNull() {
						fields = append(fields, "NULL")
					} else {
						fields = append(fields, string(v.AppendTyped(nil, r.Columns[j].Type)))
					}
				}
				rows = append(rows, strings.Join(fields, "|"))
			}
		}
		notices = r.Notices()
	}
	return cols, rows, notices, nil
}

func wantRows(t *testing.T, s *Session, text string, want ...string) {
	t.Helper()
	_, rows, _, err := ask(s, text)
	if err != nil {
		t.Errorf("%s\n%v", text, err)
		return
	}
	if !slices.Equal(rows, want) {
		t.Errorf("%s\ngot\n  %s\nwant\n  %s", text, strings.Join(rows, "\n  "), strings.Join(want, "\n  "))
	}
}

// shop is the topics of the user's own statements. Orders 0..99 have amount i + 0.5, a
// second apart from 2026-01-01, over three partitions and all codecs, with holes, a tombstone,
// a record that is no JSON and an aborted transaction.
func shop() memory {
	m := memory{}
	orders := m.topic("orders", 3)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	codecs := []record.Codec{record.CodecNone, record.CodecGzip, record.CodecSnappy, record.CodecLZ4, record.CodecZstd}
	for i := 0; i < 100; i += 5 {
		var batch []rec
		for j := i; j < i+5; j++ {
			batch = append(batch, rec{start + int64(j)*10_000, fmt.Sprint("k", j%4), fmt.Sprintf(`{"id":%d,"user_id":%d,"amount":%d.5,"customer":{"name":"c%d"},"event":"e%d"}`, j, j%3, j, j%7, j%2)})
		}
		orders.add(i/5%3, codecs[i/5%5], int64(i%3), batch...)
	}
	orders.add(0, record.CodecNone, 0, rec{start, "gone", nil}, rec{-1, "bad", "no json"})
	b := record.NewBuilder()
	b.Transactional, b.Producer = true, record.Producer{ID: 7}
	b.Append(start, []byte("aborted"), []byte(`{"amount":1000000}`))
	first := orders.parts[1].end
	orders.append(1, record.CodecNone, 0, b)
	orders.parts[1].batches = append(orders.parts[1].batches, marker(orders.parts[1].end, 7))
	orders.parts[1].end++
	orders.parts[1].aborted = []log.Aborted{{ProducerID: 7, FirstOffset: first}}

	users := m.topic("users", 2)
	users.add(0, record.CodecNone, 0, rec{start, "0", `{"id":0,"name":"zoe"}`}, rec{start, "2", `{"id":2,"name":"old"}`}, rec{start, "2", `{"id":2,"name":"tom"}`})
	users.add(1, record.CodecNone, 0, rec{start, "1", `{"id":1,"name":"ann"}`}, rec{start, "9", `{"id":9,"name":"gone"}`}, rec{start, "9", nil})

	docs := m.topic("documents", 1)
	docs.add(0, record.CodecLZ4, 0,
		rec{start, "same", `{"embedding":[0.1,0.2,0.3]}`}, rec{start, "twice", `{"embedding":[0.2,0.4,0.6]}`},
		rec{start, "right", `{"embedding":[0.3,0,-0.1]}`}, rec{start, "against", `{"embedding":[-0.1,-0.2,-0.3]}`},
		rec{start, "short", `{"embedding":[0.1]}`}, rec{start, "zero", `{"embedding":[0,0,0]}`}, rec{start, "none", `{"x":1}`})
	return m
}

func marker(offset int64, producer int64) []byte {
	b := record.AppendMarker(nil, producer, 0, record.EndMarker{}, 0)
	record.SetOffset(b, offset, 0)
	return b
}
