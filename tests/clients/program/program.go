// Package program is what the Go programs in the folders beside it have in common: the
// commands that they are told and the events that they print, in the words of package
// clients above. It knows no client library. The programs are modules of their own, so
// that only they depend on their libraries, and this is one because they import it.
package program

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

// Modes is what a program does in each of its modes, at a bootstrap address.
type Modes struct {
	// Admin makes the topic, and reads it back.
	Admin func(broker, topic string) error
	// Produce carries out one command, with a client of its own.
	Produce func(broker, topic string, c Command) error
	// Consume reads as a member of a group until ctx ends, then commits and leaves; with
	// committed in isolation level read_committed.
	Consume func(ctx context.Context, broker, topic, group string, committed bool) error
	// Demand is what it does in each case, within ctx and in groups whose names begin
	// with groups.
	Demand func(ctx context.Context, broker, topic, groups string) Demands
}

// Command says which records to send: Count of them, from number First.
type Command struct {
	Codec        string
	First, Count int
	PaceMs       int `json:"pace_ms"`
}

// Pace is how long to wait after each record.
func (c Command) Pace() time.Duration { return time.Duration(c.PaceMs) * time.Millisecond }

// Event is a line that a program prints.
type Event struct {
	Event      string  `json:"event"`
	N          int     `json:"n"`
	Partition  int32   `json:"partition"`
	Offset     int64   `json:"offset"`
	Key        Text    `json:"key"`
	Value      Text    `json:"value"`
	Partitions []int32 `json:"partitions,omitempty"`
	Error      string  `json:"error,omitempty"`
	Case       string  `json:"case,omitempty"`
}

// Text is what a record has as its key or value: printed as a string, and nil as null.
type Text []byte

// MarshalJSON prints bytes as the text they are.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == nil {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Main does what the program's arguments say, and prints how it ended.
func Main(m Modes) {
	if err := m.run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		Emit(Event{Event: "error", Error: err.Error()})
		os.Exit(1)
	}
	Emit(Event{Event: "done"})
}

func (m Modes) run(mode, broker, topic string, more []string) error {
	switch mode {
	case "admin":
		return m.Admin(broker, topic)
	case "produce":
		return commands(func(c Command) error { return m.Produce(broker, topic, c) })
	case "consume":
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { // ends with standard input, or the program
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		return m.Consume(ctx, broker, topic, more[0], more[1] == "read_committed")
	case "demand":
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		return m.Demand(ctx, broker, topic, more[0]).run()
	}
	return fmt.Errorf("mode %q", mode)
}

// commands carries out what standard input says.
func commands(carryOut func(Command) error) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c Command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		if err := carryOut(c); err != nil {
			return err
		}
		Emit(Event{Event: "produced"})
	}
	return lines.Err()
}

var output = struct {
	sync.Mutex
	*json.Encoder
}{Encoder: json.NewEncoder(os.Stdout)}

// Emit prints an event. Any goroutine may.
func Emit(e Event) {
	output.Lock()
	defer output.Unlock()
	if err := output.Encode(e); err != nil {
		os.Exit(2) // whoever started us is gone
	}
}

// Content is the key and the value of the n-th record that every client sends, nil where
// it has none. Its only header, named n, is its number in decimal.
func Content(n int) (key, value []byte) {
	if n%5 != 0 {
		key = fmt.Appendf(nil, "key-%d", n%17)
	}
	if n%13 != 0 {
		value = fmt.Appendf(nil, "välue-%d", n)
	}
	return key, value
}

// Number is a record's number by its header; -1 if that has none.
func Number(header []byte) int {
	n, err := strconv.Atoi(string(header))
	if err != nil {
		return -1
	}
	return n
}
