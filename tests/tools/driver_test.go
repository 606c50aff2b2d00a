package tools

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// driver is the JVM that runs the tools, one call at a time.
type driver struct {
	stdin   io.WriteCloser
	answers *bufio.Scanner
	process *peers.Process
}

// call is a tool's run.
type call struct {
	Class   string   `json:"class"`
	Args    []string `json:"args"`
	Stdin   string   `json:"stdin"`
	Timeout int64    `json:"timeout_ms"`
}

// result is what came of a call.
type result struct {
	Lines    []string `json:"lines"`
	Exit     int      `json:"exit"`
	TimedOut bool     `json:"timeout"`
}

// callBound is how long a tool may run before it counts as one that never ends.
const callBound = 30 * time.Second

func startDriver(t *testing.T) *driver {
	t.Helper()
	// A single source file is compiled as it is started, which takes the compiler.
	if err := peers.Programs(t.Context(), "javac"); err != nil {
		t.Fatal(err)
	}
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command := java.Command("driver/Driver.java", 384)
	command.Args = append([]string{"--add-opens=java.base/java.lang=ALL-UNNAMED", "-Dlog4j2.configurationFile=driver/log4j2.yaml"}, without(command.Args, "-Dlog4j2.")...)
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	process, err := command.Start(in, out, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		<-process.Done()
		out.Close()
		in.Close()
	}()
	d := &driver{stdin: stdin, answers: bufio.NewScanner(stdout), process: process}
	d.answers.Buffer(nil, 16<<20)
	t.Cleanup(func() {
		stdin.Close()
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *driver) call(c call) (result, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return result{}, err
	}
	if _, err := d.stdin.Write(append(text, '\n')); err != nil {
		return result{}, fmt.Errorf("%s: the JVM of the tools has ended: %w", c.Class, err)
	}
	if !d.answers.Scan() {
		return result{}, fmt.Errorf("%s: the JVM of the tools has ended: %v", c.Class, d.answers.Err())
	}
	var r result
	err = json.Unmarshal(d.answers.Bytes(), &r)
	return r, err
}
