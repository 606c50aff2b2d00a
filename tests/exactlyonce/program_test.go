package exactlyonce

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// program is a running program that ends when its standard input does.
type program struct {
	*peers.Process
	stdin *os.File
}

// startProgram runs a program; it is killed with the test at the latest.
func startProgram(t *testing.T, c peers.Command, out io.Writer) *program {
	t.Helper()
	in, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() // the program has its own
	process, err := c.Start(in, out, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
	})
	return &program{process, stdin}
}

// end closes the program's input and waits until it has ended by itself.
func (p *program) end(t *testing.T) {
	t.Helper()
	p.stdin.Close()
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Fatal("a program did not end within a minute of its input's end")
	}
	if err := p.Err(); err != nil {
		t.Fatalf("a program ended with %v", err)
	}
}
