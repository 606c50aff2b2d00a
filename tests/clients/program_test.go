package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// event is a line that a program printed.
type event struct {
	Event      string
	N          int
	Partition  int32
	Offset     int64
	Key, Value *string
	Partitions []int32
	Error      string
	Case       string `json:"case"`

	at time.Time // when it was read
}

// String is for reports.
func (e event) String() string {
	what := e.Event
	switch e.Event {
	case "case":
		what += fmt.Sprintf(" %s: %s", e.Case, show(e.Value))
	case "assigned":
		what += fmt.Sprint(" ", e.Partitions)
	case "acked", "record":
		what += fmt.Sprintf(" %d at %d/%d", e.N, e.Partition, e.Offset)
	}
	return e.at.Format("15:04:05.000 ") + what
}

// program is a running client program. Its events are kept in order.
type program struct {
	name    string
	process *peers.Process
	stdin   io.WriteCloser
	errors  *lastLines
	parse   func(line string) (event, error)

	mu      sync.Mutex
	events  []event
	changed chan struct{} // closed and replaced with each event and at the end
	ended   bool
	broken  error // a line that is no event
}

// start runs one of the small client programs for this test; it is killed with the test.
func start(t *testing.T, name string, command peers.Command) *program {
	t.Helper()
	return startParsed(t, name, command, func(line string) (e event, err error) {
		err = json.Unmarshal([]byte(line), &e)
		return e, err
	})
}

// startParsed is start for a program that prints in a way of its own.
func startParsed(t *testing.T, name string, command peers.Command, parse func(line string) (event, error)) *program {
	t.Helper()
	stdinReader, stdin := io.Pipe()
	stdout, stdoutWriter := io.Pipe()
	p := &program{name: name, stdin: stdin, errors: &lastLines{}, parse: parse, changed: make(chan struct{})}
	process, err := command.Start(stdinReader, stdoutWriter, p.errors)
	if err != nil {
		t.Fatal(err)
	}
	p.process = process
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(stdout)
	}()
	go func() {
		<-process.Done()
		stdoutWriter.Close()
		stdinReader.Close()
	}()
	t.Cleanup(func() {
		stdin.Close()
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
		<-read
		if t.Failed() {
			t.Logf("%s: standard error ends:\n%s", name, p.errors)
		}
	})
	return p
}

func (p *program) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e, err := p.parse(lines.Text())
		e.at = time.Now()
		p.mu.Lock()
		if err != nil {
			p.broken = fmt.Errorf("%s printed %q: %w", p.name, lines.Text(), err)
		}
		p.events = append(p.events, e)
		p.notify()
		p.mu.Unlock()
	}
	p.mu.Lock()
	if err := lines.Err(); err != nil && p.broken == nil {
		p.broken = fmt.Errorf("%s: %w", p.name, err)
	}
	p.ended = true
	p.notify()
	p.mu.Unlock()
	_, _ = io.Copy(io.Discard, stdout) // a program that writes on is killed, not waited for
}

func (p *program) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait returns when done holds for the events so far. A program that ends or reports an
// error first fails the test.
func (p *program) wait(t *testing.T, what string, bound time.Duration, done func([]event) bool) {
	t.Helper()
	timeout := time.After(bound)
	for {
		p.mu.Lock()
		events, ended, broken, changed := p.events, p.ended, p.broken, p.changed
		p.mu.Unlock()
		if broken != nil {
			t.Fatal(broken)
		}
		if n := len(events); n > 0 && events[n-1].Event == "error" {
			t.Fatalf("%s: waiting for %s: error: %s", p.name, what, events[n-1].Error)
		}
		if done(events) {
			return
		}
		if ended {
			t.Fatalf("%s ended while waiting for %s\n%s", p.name, what, p.errors)
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: no %s within %v; %d events, the last: %v", p.name, what, bound, len(events), events[max(0, len(events)-3):])
		}
	}
}

// snapshot returns the events so far.
func (p *program) snapshot() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[:len(p.events):len(p.events)]
}

// tell sends a line to the program.
func (p *program) tell(t *testing.T, line any) {
	t.Helper()
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(text, '\n')); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// write sends text to the program as it is.
func (p *program) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// end closes the program's input and asks it to stop with SIGTERM if it does not end by
// that.
func (p *program) end(t *testing.T, term bool) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if term {
		if err := p.process.Stop(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	p.wait(t, "its end", time.Minute, func([]event) bool {
		select {
		case <-p.process.Done():
			return true
		default:
			return false
		}
	})
}

// finish ends the program's input and waits until it has said that it is done.
func (p *program) finish(t *testing.T) {
	t.Helper()
	p.finishWithin(t, time.Minute)
}

// finishWithin is finish with a bound of its own.
func (p *program) finishWithin(t *testing.T, bound time.Duration) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	p.wait(t, "its end", bound, func(events []event) bool {
		return len(events) > 0 && events[len(events)-1].Event == "done"
	})
}

// lastLines keeps the end of what was written to it.
type lastLines struct {
	mu   sync.Mutex
	text []byte
}

func (l *lastLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	const keep = 4000
	l.text = l.text[max(0, len(l.text)-keep):]
	return len(b), nil
}

func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
