package guests

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// Library is a client library with a program in a folder here.
type Library struct {
	Name, Version string
	// Versions are those of the transaction protocol that it speaks; none: it has no
	// transactions, and what it sends may be there twice.
	Versions []int
	// Stable: its members ask for offsets that wait for open transactions.
	Stable bool

	// install brings what the program needs, building into dir, and returns how it is
	// called with its configuration.
	install func(ctx context.Context, dir string) (func(config string) peers.Command, error)
	command func(config string) peers.Command // after Install
}

func (l *Library) transactional() bool { return len(l.Versions) > 0 }

// Install brings what the library's program needs. dir is kept for as long as the program
// is to run.
func (l *Library) Install(ctx context.Context, dir string) error {
	command, err := l.install(ctx, dir)
	if err != nil {
		return fmt.Errorf("install %s: %w", l.Name, err)
	}
	l.command = command
	return nil
}

// Libraries are all that are brought into loads.
func Libraries() []*Library {
	return []*Library{
		{Name: "librdkafka", Version: peers.ConfluentKafka.Version, Versions: []int{1}, Stable: true, install: python("librdkafka", peers.ConfluentKafka)},
	}
}

// folder is this package's.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

func python(name string, l peers.Library) func(context.Context, string) (func(string) peers.Command, error) {
	return func(ctx context.Context, _ string) (func(string) peers.Command, error) {
		interpreter, err := peers.Python(ctx, l)
		return func(config string) peers.Command {
			return peers.Command{Path: interpreter, Args: []string{filepath.Join(folder(), name, "guest.py"), config}}
		}, err
	}
}
