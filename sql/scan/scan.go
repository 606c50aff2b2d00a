// Package scan reads topics for queries: committed records of partitions that this broker
// leads, as rows of the columns that a query asks for.
package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/sql/exec"
	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/topic"
)

// Partition is one partition of the log. storage/log has the contracts.
type Partition interface {
	Bounds() log.Bounds
	Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error)
	OffsetForTime(ctx context.Context, timestamp int64, committed bool) (record.TimestampOffset, bool, error)
}

// Opener opens a partition of a topic by its handle. Errors are protocol codes.
type Opener interface {
	Open(ctx context.Context, handle any, partition int32) (Partition, error)
}

const (
	// readBytes is what one read asks for; a larger batch comes alone.
	readBytes = 1 << 20
	// recordMax bounds one record in bytes.
	recordMax = 64 << 20
	// rowsMax and arenaMax end a batch within a record batch, which is then decompressed
	// once more for the rest.
	rowsMax  = 16384
	arenaMax = 4 << 20
	// itersMax is how many scans of a query are asked for paths that they did not find.
	itersMax = 64
)

// Progress counts what a query has read.
type Progress struct {
	Rows, Bytes, Reads atomic.Int64
}

// Reader is the source of one query. The ends of the topics that it reads are those of the
// time at which it first sees them.
type Reader struct {
	Opener Opener
	// BytesMax bounds what is read, in bytes as they are stored; Setting is its name.
	BytesMax int64
	Setting  string
	Progress Progress
	// Warned counts what was not as expected, by kind, with the first place.
	Warned map[string]*Warning
	ends   map[any][]part
	// missing are paths that no record had so far, by topic and path, with a field that is near.
	missing map[string]string
	iters   []*iter // the first itersMax
}

// Missing are the paths that no record had, each as a sentence.
func (r *Reader) Missing() []string {
	var out []string
	for _, i := range r.iters {
		i.note()
	}
	for path, near := range r.missing {
		s := "no record had " + path
		if near != "" {
			s += ", and some have " + strconv.Quote(near)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// note says which of a scan's paths no record had, of those that were read.
func (i *iter) note() {
	if i.rows == 0 || i.s.Latest {
		return
	}
	for n, p := range i.s.Paths {
		name := "topic " + i.s.Topic.Name + ": " + p.String()
		if i.seen[n] || p[0].Array {
			delete(i.r.missing, name)
			continue
		}
		if i.r.missing == nil {
			i.r.missing = map[string]string{}
		}
		i.r.missing[name] = plan.Near(p[0].Key, i.fields)
	}
}

// Warning is something that was not as expected in some records.
type Warning struct {
	Count     int64
	Partition int32
	Offset    int64
}

// part is a partition as a query sees it.
type part struct {
	p          Partition
	start, end int64
}

func (r *Reader) warn(kind string, partition int32, offset int64) {
	w := r.Warned[kind]
	if w == nil {
		if r.Warned == nil {
			r.Warned = map[string]*Warning{}
		}
		w = &Warning{Partition: partition, Offset: offset}
		r.Warned[kind] = w
	}
	w.Count++
}

// Ends are the offsets at which the query ends in a topic's partitions.
func (r *Reader) open(ctx context.Context, t *plan.Topic) ([]part, error) {
	if list, ok := r.ends[t.Handle]; ok {
		return list, nil
	}
	list := make([]part, t.Partitions)
	for i := range list {
		p, err := r.Opener.Open(ctx, t.Handle, int32(i))
		if err != nil {
			return nil, fault(t.Name, int32(i), 0, err)
		}
		b := p.Bounds()
		list[i] = part{p, b.LogStart, b.LastStable}
	}
	if r.ends == nil {
		r.ends = map[any][]part{}
	}
	r.ends[t.Handle] = list
	return list, nil
}

// fault says where a read failed.
func fault(topic string, partition int32, offset int64, err error) error {
	if sql, ok := err.(*value.Error); ok {
		return sql
	}
	switch {
	case errors.Is(err, protocol.UnknownTopicOrPartition):
		return value.Errorf(value.UndefinedTable, "topic %q was deleted while the query ran (partition %d, offset %d)", topic, partition, offset)
	case errors.Is(err, protocol.OffsetOutOfRange):
		return value.Errorf("55000", "topic %q, partition %d: the records from offset %d on went by retention while the query ran", topic, partition, offset)
	}
	return value.Errorf(value.IOError, "topic %q, partition %d, offset %d cannot be read: %v", topic, partition, offset, err)
}

// Scan implements exec.Source.
func (r *Reader) Scan(q *exec.Query, s *plan.Scan) (exec.Iter, error) {
	parts, err := r.open(q.Ctx, s.Topic)
	if err != nil {
		return nil, err
	}
	it := &iter{q: q, r: r, s: s, set: jsonpath.NewSet(s.Paths), found: make([]value.Value, len(s.Paths)), seen: make([]bool, len(s.Paths))}
	if len(r.iters) < itersMax {
		r.iters = append(r.iters, it)
	}
	for i, p := range parts {
		if s.Partitions != nil && !holds(s.Partitions, int32(i)) {
			continue
		}
		it.todo = append(it.todo, run{number: int32(i), part: p})
	}
	if s.Latest {
		return &latest{it: it}, nil
	}
	return it, nil
}

func holds(list []int32, n int32) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

// run is a partition that is read, from at to its end.
type run struct {
	number int32
	part
	at     int64
	placed bool
}

// iter gives the records of partitions, one after the other.
type iter struct {
	q     *exec.Query
	r     *Reader
	s     *plan.Scan
	set   *jsonpath.Set
	found []value.Value
	todo  []run
	data  []byte // of the last read
	left  []byte // of data
	void  *topic.AbortedRanges
	seen  []bool // paths that a record had
	// rows were read; fields are those of the first record that is an object.
	rows   int64
	fields []string
	in     record.Batch // the batch being read, if any of it is left
	batch  exec.Batch
	arena  []byte
	// counted is what was taken for the arena.
	counted int64
	// visit, if set, sees every record, tombstones too, for TABLE(t).
	visit func(partition int32, rec *record.Record, row []value.Value)
}

// Next gives the next rows.
func (i *iter) Next() (*exec.Batch, error) {
	i.batch.Width, i.batch.N, i.batch.Vals = len(i.s.Cols), 0, i.batch.Vals[:0]
	i.arena = i.arena[:0]
	for i.batch.N < i.q.Rows && len(i.arena) < arenaMax {
		if err := i.q.Ctx.Err(); err != nil {
			return nil, context.Cause(i.q.Ctx)
		}
		if len(i.todo) == 0 {
			break
		}
		run := &i.todo[0]
		more, err := i.step(run)
		if err != nil {
			return nil, fault(i.s.Topic.Name, run.number, run.at, err)
		}
		if !more {
			i.todo = i.todo[1:]
			i.in, i.left = record.Batch{}, nil
		}
	}
	if i.q.Yield != nil {
		if err := i.q.Yield(i.q.Ctx); err != nil {
			return nil, err
		}
	}
	if grown := int64(cap(i.arena)) - i.counted; grown > 0 {
		if err := i.q.Mem.Grow("scan", grown); err != nil {
			return nil, err
		}
		i.counted += grown
	}
	if i.batch.N == 0 {
		return nil, nil
	}
	i.r.Progress.Rows.Add(int64(i.batch.N))
	return &i.batch, nil
}

// Close ends it.
func (i *iter) Close() {}

// place finds where a run begins and ends.
func (i *iter) place(run *run) error {
	run.placed = true
	run.at = max(run.start, i.s.OffsetFrom)
	if i.s.OffsetTo != 0 {
		run.end = min(run.end, i.s.OffsetTo)
	}
	if i.s.SinceMillis <= 0 || run.at >= run.end {
		return nil
	}
	found, ok, err := run.p.OffsetForTime(i.q.Ctx, i.s.SinceMillis, true)
	if err != nil {
		return err
	}
	if !ok {
		run.at = run.end
		return nil
	}
	run.at = max(run.at, found.Offset)
	return nil
}

// step reads some records of a run; more is false at its end.
func (i *iter) step(run *run) (more bool, err error) {
	if !run.placed {
		if err := i.place(run); err != nil {
			return false, err
		}
	}
	if i.in.Bytes != nil {
		return true, i.records(run)
	}
	if run.at >= run.end {
		return false, nil
	}
	if len(i.left) == 0 {
		return i.read(run)
	}
	for b, err := range record.Batches(i.left) {
		if err != nil {
			return false, err
		}
		i.left = i.left[len(b.Bytes):]
		if b.Header.BaseOffset >= run.end {
			run.at = run.end
			return false, nil
		}
		if i.void.Skips(&b) || b.Header.LastOffset() < run.at {
			run.at = max(run.at, b.Header.LastOffset()+1)
			return true, nil
		}
		i.in = b
		break
	}
	return true, nil
}

// read gets the next bytes of a run.
func (i *iter) read(run *run) (bool, error) {
	res, err := run.p.Read(i.q.Ctx, log.ReadRequest{Offset: run.at, MaxBytes: readBytes, AtLeastOne: true, Committed: true})
	if err != nil {
		if i.q.Ctx.Err() != nil {
			return false, context.Cause(i.q.Ctx)
		}
		return false, err
	}
	defer res.Release()
	if res.Bytes == 0 {
		run.at = run.end // what is left was compacted away
		return false, nil
	}
	if grown := res.Bytes - cap(i.data); grown > 0 {
		if err := i.q.Mem.Grow("scan", int64(grown)); err != nil {
			return false, err
		}
		i.data = make([]byte, 0, res.Bytes)
	}
	if i.data, err = appendChunks(i.data[:0], &res); err != nil {
		return false, err
	}
	i.left, i.void = i.data, topic.NewAborted(res.Aborted)
	i.r.Progress.Reads.Add(1)
	if n := i.r.Progress.Bytes.Add(int64(res.Bytes)); i.r.BytesMax > 0 && n > i.r.BytesMax {
		return false, value.Errorf(value.OutOfMemory, "the query reads more than %d bytes", i.r.BytesMax).
			WithHint("raise %s, or read less: bound timestamp, partition or offset", i.r.Setting)
	}
	return true, nil
}

func appendChunks(data []byte, res *log.ReadResult) ([]byte, error) {
	for n := range res.Chunks {
		c := &res.Chunks[n]
		if c.File == nil {
			data = append(data, c.Mem...)
			continue
		}
		from := len(data)
		data = data[:from+int(c.Len)]
		if _, err := c.File.ReadAt(data[from:], c.Pos); err != nil {
			return nil, fmt.Errorf("stored batches: %w", err)
		}
	}
	return data, nil
}

// records makes rows of the batch's records, up to a full batch of rows.
func (i *iter) records(run *run) error {
	b := i.in
	i.in = record.Batch{}
	for rec, err := range record.Records(b.Bytes, recordMax) {
		if err != nil {
			return err
		}
		if rec.Offset < run.at {
			continue
		}
		if rec.Offset >= run.end {
			break
		}
		if i.batch.N >= rowsMax || len(i.arena) >= arenaMax {
			i.in = b // it is gone through once more from here
			return nil
		}
		run.at = rec.Offset + 1
		if err := i.row(run.number, rec); err != nil {
			return err
		}
	}
	run.at = max(run.at, b.Header.LastOffset()+1)
	return nil
}

// row adds a record as a row. The record's bytes are gone afterwards: text is copied.
func (i *iter) row(partition int32, rec *record.Record) error {
	if len(i.s.Paths) > 0 {
		clear(i.found)
		if rec.Value != nil && !i.set.Find(unsafe.String(unsafe.SliceData(rec.Value), len(rec.Value)), i.found) {
			i.r.warn("values that are no JSON", partition, rec.Offset)
		}
		if i.rows++; i.fields == nil && rec.Value != nil {
			i.fields = []string{}
			for k := range value.Fields(string(rec.Value)) {
				if len(i.fields) < 64 {
					i.fields = append(i.fields, k)
				}
			}
		}
	}
	row := i.batch.Add()
	for n, c := range i.s.Cols {
		switch c.Field {
		case plan.PathField:
			v := i.found[c.Path]
			if v.K != value.Null {
				i.seen[c.Path] = true
			}
			if v.S != "" {
				v.S = i.keep(v.S)
			}
			row[n] = v
		case plan.PartitionField:
			row[n] = value.OfInt(int64(partition))
		case plan.OffsetField:
			row[n] = value.OfInt(rec.Offset)
		case plan.TimestampField:
			if rec.Timestamp != record.NoTimestamp {
				row[n] = value.OfTime(rec.Timestamp * 1000)
			}
		case plan.TopicField:
			row[n] = value.OfText(i.s.Topic.Name)
		case plan.KeyField:
			row[n] = i.text(rec.Key, partition, rec.Offset)
		case plan.ValueField:
			row[n] = i.text(rec.Value, partition, rec.Offset)
		case plan.KeyBytesField:
			row[n] = i.bytes(rec.Key)
		case plan.ValueBytesField:
			row[n] = i.bytes(rec.Value)
		case plan.HeadersField:
			row[n] = headers(rec.Headers)
		}
	}
	if i.visit != nil {
		i.visit(partition, rec, row)
	}
	return nil
}

// keep copies a text into the batch's arena. Where the arena grows, what was given out stays
// in the old one.
func (i *iter) keep(s string) string {
	from := len(i.arena)
	i.arena = append(i.arena, s...)
	return unsafe.String(unsafe.SliceData(i.arena[from:]), len(s))
}

func (i *iter) text(b []byte, partition int32, offset int64) value.Value {
	switch {
	case b == nil:
		return value.Value{}
	case len(b) == 0:
		return value.OfText("")
	case !utf8.Valid(b):
		i.r.warn("keys or values that are no UTF-8, shown as \\x..", partition, offset)
		return value.OfText(value.Value{K: value.Bytes, S: string(b)}.String())
	}
	return value.OfText(i.keep(unsafe.String(unsafe.SliceData(b), len(b))))
}

func (i *iter) bytes(b []byte) value.Value {
	if b == nil {
		return value.Value{}
	}
	return value.Value{K: value.Bytes, S: string(b)}
}

// headers is a JSON array of pairs: names repeat.
func headers(list []record.Field) value.Value {
	b := []byte{'['}
	for n, h := range list {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(value.AppendQuoted(append(b, '['), h.Key), ',')
		switch {
		case h.Value == nil:
			b = append(b, "null"...)
		case utf8.Valid(h.Value):
			b = value.AppendQuoted(b, string(h.Value))
		default:
			b = value.AppendQuoted(b, value.Value{K: value.Bytes, S: string(h.Value)}.String())
		}
		b = append(b, ']')
	}
	return value.Value{K: value.JSON, S: string(append(b, ']'))}
}
