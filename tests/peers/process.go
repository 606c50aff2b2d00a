package peers

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is a program with its arguments.
type Command struct {
	Path string
	Args []string
	Env  []string // in addition to the test's own
}

func (c Command) String() string {
	return c.Path + " " + strings.Join(c.Args, " ")
}

// Run executes the command with input on its standard input, and returns its standard
// output. An error repeats the command and both outputs.
func (c Command) Run(ctx context.Context, input string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), fmt.Errorf("%s: %w\n%s\n%s", c, err, out.String(), errs.String())
	}
	return out.String(), nil
}

// Process is a running program. Its end is noticed at once, so that a wait for
// something it should do can stop early.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid after done
}

// Start runs the command with its standard input, output and errors as given; nil means
// none. The goroutine that waits for it ends with it.
func (c Command) Start(stdin io.Reader, stdout, stderr io.Writer) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	// A test that dies takes its brokers with it.
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil for exit code 0. Valid after Done.
func (p *Process) Err() error { return p.err }

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && err != os.ErrProcessDone {
		return err
	}
	<-p.done
	return nil
}

// Stop asks the process to end with SIGTERM and waits for it; after the bound it is
// killed, which is an error.
func (p *Process) Stop(bound time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && err != os.ErrProcessDone {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(bound):
		if err := p.Kill(); err != nil {
			return err
		}
		return fmt.Errorf("%s did not stop within %v of SIGTERM and was killed", p.cmd.Path, bound)
	}
}
