package scan

import (
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/sql/exec"
	"github.com/streamhouse/streamhouse/sql/value"
)

// latest is TABLE(t): the newest record of each key, by partition and offset; a tombstone
// deletes its key. Records without a key are in no table.
type latest struct {
	it    *iter
	rows  map[string][]value.Value
	order []string
	read  bool
	batch exec.Batch
}

func (l *latest) readAll() error {
	l.rows = map[string][]value.Value{}
	var failed error
	l.it.visit = func(_ int32, rec *record.Record, row []value.Value) {
		if rec.Key == nil || failed != nil {
			return
		}
		old, had := l.rows[string(rec.Key)]
		if had {
			l.it.q.Mem.Shrink(sizeOf(old))
		}
		if rec.Value == nil {
			delete(l.rows, string(rec.Key))
			return
		}
		own := make([]value.Value, len(row))
		for i, v := range row {
			own[i] = v.Clone()
		}
		size := sizeOf(own)
		if !had {
			size += int64(len(rec.Key)) + 64
			l.order = append(l.order, string(rec.Key))
		}
		failed = l.it.q.Mem.Grow("TABLE", size)
		l.rows[string(rec.Key)] = own
	}
	for {
		b, err := l.it.Next()
		if err != nil || failed != nil {
			return errorOf(failed, err)
		}
		if b == nil {
			return nil
		}
	}
}

func errorOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func sizeOf(row []value.Value) int64 {
	n := int64(24)
	for _, v := range row {
		n += v.Size()
	}
	return n
}

// Next gives the next rows.
func (l *latest) Next() (*exec.Batch, error) {
	if !l.read {
		if err := l.readAll(); err != nil {
			return nil, err
		}
		l.read = true
	}
	l.batch.Width, l.batch.N, l.batch.Vals = len(l.it.s.Cols), 0, l.batch.Vals[:0]
	for len(l.order) > 0 && l.batch.N < l.it.q.Rows {
		key := l.order[0]
		l.order = l.order[1:]
		row, ok := l.rows[key]
		if !ok {
			continue
		}
		delete(l.rows, key) // a key that came back after a tombstone is listed twice
		copy(l.batch.Add(), row)
	}
	if l.batch.N == 0 {
		return nil, nil
	}
	return &l.batch, nil
}

// Close ends it.
func (l *latest) Close() {}
