// Package cli is the command line: the tree of commands over what package client can do.
// Data go to stdout and all else to stderr, and every failure is one line there with an exit
// code of [client.Kind].
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/streamhouse/streamhouse/client"
)

// Outside is a command that somebody else implements: it is told of in help and docs, and
// handed its arguments as they are.
type Outside struct {
	Name   string
	Short  string // one line of help
	Help   string // the whole of it; empty: Short is all
	Hidden bool   // runs, and is not told of
	Run    func(args []string) int
}

// Process is what a command line stands in.
type Process struct {
	In       io.Reader
	Out, Err io.Writer
	Terminal bool                // In is a terminal: questions can be asked
	Getenv   func(string) string // reads a variable
	// CreateUser makes a user in the data folder of a broker that does not run.
	CreateUser func(ctx context.Context, data string, n client.NewUser) error
}

// Exit codes beside those of client.Kind.
const (
	exitUsage       = 2
	exitInterrupted = 130 // as a shell says it of SIGINT
	exitTerminated  = 143 // and of SIGTERM
)

// Run runs a command line, without the program's name, and returns the exit code.
func Run(args []string, p Process, outside ...Outside) int {
	if len(args) > 0 {
		for _, o := range outside {
			if o.Name == args[0] {
				return o.Run(args[1:])
			}
		}
	}
	ctx, stop := interruptible()
	defer stop()
	s := &session{Process: p}
	root := tree(s, outside)
	root.SetArgs(args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	return s.exit(ctx, root.ExecuteContext(ctx))
}

// exit tells an error and returns the exit code.
func (s *session) exit(ctx context.Context, err error) int {
	var sig interrupted
	switch {
	case errors.As(context.Cause(ctx), &sig):
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(s.Err, "streamhouse: %v\n", err)
		}
		if sig.signal == syscall.SIGTERM {
			return exitTerminated
		}
		return exitInterrupted
	case err == nil, errors.Is(err, syscall.EPIPE):
		// Who reads stdout has seen enough (| head).
		return 0
	case errors.Is(err, errHelp):
		return exitUsage
	}
	fmt.Fprintf(s.Err, "streamhouse: %v\n", err)
	return client.KindOf(err).Exit()
}

// interrupted is why a context ended: somebody pressed Ctrl-C, or asked for the end.
type interrupted struct{ signal os.Signal }

func (i interrupted) Error() string { return i.signal.String() }

// interruptible returns a context that ends at the first SIGINT or SIGTERM, so that a command
// can end in order; the second ends the process. Writing to a closed pipe becomes an error.
// stop ends the goroutine that waits for the signal.
func interruptible() (ctx context.Context, stop func()) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case got := <-signals:
			signal.Stop(signals)
			cancel(interrupted{got})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
