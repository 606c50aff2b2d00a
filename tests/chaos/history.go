// Package chaos kills the broker under load and looks for what that may never do: lose,
// double, reorder or renumber an acknowledged record, or take a committed offset back.
//
// Clients write what they saw as JSON lines (README.md has the format); judgement comes
// after, from the lines alone, so that it can be tested with made-up histories.
package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Operations of an Event.
const (
	OpProduce   = "produce"   // one record was sent
	OpRead      = "read"      // one record was read while the load ran
	OpFinal     = "final"     // one record was read after the last start
	OpCommit    = "commit"    // one offset was committed for a group
	OpCommitted = "committed" // a group's committed offset was asked for
	OpKill      = "kill"      // the broker was killed
	OpReady     = "ready"     // the broker serves again
)

// Outcomes of an Event.
const (
	OK = "ok"
	// Unknown: no answer, or an error after which the effect may be there all the same.
	Unknown = "unknown"
	// Corrupt: a record was read whose value is not what any client sent.
	Corrupt = "corrupt"
)

// Event is one line of a history.
type Event struct {
	Start     int64  `json:"start"` // ns since the run began: sent or asked
	End       int64  `json:"end"`   // ns since the run began: answered, or given up
	Client    string `json:"client"`
	Op        string `json:"op"`
	Outcome   string `json:"outcome,omitempty"`
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Producer  string `json:"producer,omitempty"` // who made the record
	Sequence  int64  `json:"sequence"`           // its number within producer and partition
	Group     string `json:"group,omitempty"`
	Error     string `json:"error,omitempty"`
}

// History writes events of many clients, each to a file of its own.
type History struct {
	dir   string
	began time.Time

	mu      sync.Mutex
	writers []*Writer
}

// NewHistory writes into dir, which it makes.
func NewHistory(dir string) (*History, error) {
	return &History{dir: dir, began: time.Now()}, os.MkdirAll(dir, 0o755)
}

// Now is the run's clock, in ns.
func (h *History) Now() int64 { return int64(time.Since(h.began)) }

// Writer opens the file of a client. It may be written by several goroutines.
func (h *History) Writer(client string) (*Writer, error) {
	f, err := os.Create(filepath.Join(h.dir, client+".jsonl"))
	if err != nil {
		return nil, err
	}
	w := &Writer{client: client, file: f, buffer: bufio.NewWriterSize(f, 64<<10)}
	w.encoder = json.NewEncoder(w.buffer)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writers = append(h.writers, w)
	return w, nil
}

// Close writes everything out.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all error
	for _, w := range h.writers {
		all = errors.Join(all, w.close())
	}
	h.writers = nil
	return all
}

// Writer takes the events of one client.
type Writer struct {
	client string

	mu      sync.Mutex
	file    *os.File
	buffer  *bufio.Writer
	encoder *json.Encoder
	err     error // the first failure; Close returns it
}

// Add appends an event. A failure to write is kept for Close: the history is then
// incomplete and must not be judged.
func (w *Writer) Add(e Event) {
	e.Client = w.client
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.encoder.Encode(e); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *Writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.err, w.buffer.Flush(), w.file.Close())
}

// Load reads all events of a history's folder, file by file, each in its order.
func Load(dir string) ([]Event, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var events []Event
	for _, name := range names {
		if events, err = loadFile(events, name); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func loadFile(events []Event, name string) ([]Event, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	decoder := json.NewDecoder(bufio.NewReaderSize(f, 256<<10))
	for decoder.More() {
		var e Event
		if err := decoder.Decode(&e); err != nil {
			return nil, fmt.Errorf("%s: event %d: %w", name, len(events), err)
		}
		events = append(events, e)
	}
	return events, nil
}
