package guests

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// request is one line to a program; README.md says what each asks for.
type request struct {
	Do        string   `json:"do"`
	What      string   `json:"what,omitempty"`      // drop
	Isolation string   `json:"isolation,omitempty"` // read
	Records   []record `json:"records,omitempty"`   // send
	Offsets   []place  `json:"offsets,omitempty"`   // read, offsets
}

// record is one to be sent.
type record struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Value     []byte `json:"value"`
}

// place is an offset of a partition.
type place struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// reply is one line of a program.
type reply struct {
	Error   string // what the library said; "" if it did what it was told
	Abort   bool   // it says that the transaction is to be aborted, and the producer then goes on
	Records []sent // send: one for each record, in their order
	Parts   []part // poll, take
}

// sent is what became of a record: an offset, or an error that leaves its effect open.
type sent struct {
	Offset *int64
	Error  string
}

// part is what a poll gave of one partition.
type part struct {
	Topic      string
	Partition  int32
	Assignment int64  // take: rises with each that the member gets
	From, Next *int64 // its position before and after, where the library says so
	Records    []got
}

// got is a record that was read.
type got struct {
	Offset int64
	Value  []byte
}

// program is a running one. It carries out one request at a time.
type program struct {
	process *peers.Process
	stdin   *os.File
	answers chan []byte // lines; closed when there are no more
	errors  *tail
	read    chan struct{} // closed when nobody reads its output any more
}

// launch starts a program; halt ends it, and what was started with it.
func launch(c peers.Command) (*program, error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close() // the program has its own
	stdout, out, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return nil, err
	}
	defer out.Close()
	p := &program{stdin: stdin, answers: make(chan []byte, 1), errors: &tail{}, read: make(chan struct{})}
	if p.process, err = c.Start(in, out, p.errors); err != nil {
		stdin.Close()
		stdout.Close()
		return nil, err
	}
	go func() {
		defer close(p.read)
		defer stdout.Close()
		defer close(p.answers)
		lines := bufio.NewReaderSize(stdout, 1<<20)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			p.answers <- line
		}
	}()
	return p, nil
}

// errOverdue is that an answer did not come in time.
var errOverdue = errors.New("the program does not answer")

// call has the program carry out a request. Any error but errOverdue is a fault of the
// program: it ended by itself, or printed something else.
func (p *program) call(r request, bound time.Duration) (reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return reply{}, p.fault(r, err)
	}
	select {
	case answer, ok := <-p.answers:
		if !ok {
			return reply{}, p.fault(r, io.ErrUnexpectedEOF)
		}
		var got reply
		if err := json.Unmarshal(answer, &got); err != nil {
			return reply{}, p.fault(r, fmt.Errorf("%q: %w", answer, err))
		}
		return got, nil
	case <-time.After(bound):
		return reply{}, errOverdue
	}
}

func (p *program) fault(r request, err error) error {
	select { // its last words are complete when it is gone
	case <-p.process.Done():
	case <-time.After(time.Second):
	}
	return fmt.Errorf("told to %s: %w; standard error ends:\n%s", r.Do, err, p.errors)
}

// halt kills the program.
func (p *program) halt() error {
	p.stdin.Close()
	err := p.process.Kill()
	for range p.answers { // one that nobody waits for any more
	}
	<-p.read
	return err
}

// tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const keep = 16000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-keep):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
