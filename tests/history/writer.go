package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// Writer writes a history. Its methods may be called by many goroutines; events of one
// client are kept in the order of its calls.
type Writer struct {
	began time.Time

	mu      sync.Mutex
	buffer  *bufio.Writer
	encoder *json.Encoder
	count   int64
	done    map[done]int
	err     error // the first failure; Close returns it
}

// done is an operation of a client that ended well.
type done struct {
	client string
	op     Op
}

// NewWriter begins a run: its clock stands at 0 now.
func NewWriter(w io.Writer) *Writer {
	buffer := bufio.NewWriterSize(w, 256<<10)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	return &Writer{began: time.Now(), buffer: buffer, encoder: encoder, done: map[done]int{}}
}

// Now is the run's clock, in ns. It is monotonic.
func (w *Writer) Now() int64 { return int64(time.Since(w.began)) }

// Add appends an event. A failure is kept for Close: the history is then incomplete
// and has no last line, so that it cannot be judged.
func (w *Writer) Add(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if w.err = e.Validate(); w.err == nil {
		w.err = w.encoder.Encode(e)
	}
	w.count++
	if e.Outcome == OK {
		w.done[done{e.Client, e.Op}]++
	}
}

// Done counts operations with outcome ok so far, of all clients whose names begin so.
func (w *Writer) Done(clients string, op Op) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for d, times := range w.done {
		if d.op == op && strings.HasPrefix(d.client, clients) {
			n += times
		}
	}
	return n
}

// Close writes the last line and everything that is buffered. Nothing may be added
// afterwards.
func (w *Writer) Close() error {
	now := w.Now()
	w.mu.Lock()
	count := w.count
	w.mu.Unlock()
	w.Add(Event{Start: now, End: now, Client: "writer", Op: Close, Outcome: OK, Count: count})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("history is closed")
	return w.buffer.Flush()
}
