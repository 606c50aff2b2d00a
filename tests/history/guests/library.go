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
	// Leaks says why its readers return records of aborted transactions though they are
	// told not to, "" if they do not. Such a library reads uncommitted here.
	Leaks string
	// Plain: it lacks codecs that producers of a load compress with.
	Plain bool
	// Slow: what it needs takes a compiler, and long to build.
	Slow bool

	// install brings what the program needs, building into dir, and returns how it is
	// called with its configuration.
	install func(ctx context.Context, dir string) (call, error)
	command call // after Install
}

// call makes the command line of a program with its configuration.
type call = func(config string) peers.Command

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
	before890 := []int{1}
	return []*Library{
		{Name: "librdkafka", Version: peers.ConfluentKafka.Version, Versions: before890, Stable: true, install: python("librdkafka", peers.ConfluentKafka)},
		{Name: "kafkajs", Version: peers.KafkaJS.Version, Versions: before890, install: node("kafkajs", of(peers.KafkaJS)),
			Plain: true, Leaks: "takes the aborted transactions of a fetch in the order they come in, which is that of their ends, for that of their beginnings"},
		{Name: "platformatic", Version: peers.Platformatic.Version, Versions: before890, install: node("platformatic", of(peers.Platformatic)),
			Plain: true, Leaks: "skips one aborted transaction of a producer in each answer, the last, and none whose marker the answer does not have"},
		{Name: "java44", Version: peers.JavaNewest, Versions: []int{1, 2}, Stable: true, install: java(peers.JavaNewest)},
		{Name: "sarama", Version: "1.61.1", Versions: before890, install: module("sarama")},
		{Name: "aiokafka", Version: peers.AIOKafka.Version, Versions: before890, install: python("aiokafka", peers.AIOKafka)},
		{Name: "java39", Version: peers.Java39, Versions: before890, Stable: true, install: java(peers.Java39)},
		{Name: "kafkapython", Version: peers.KafkaPython.Version, Versions: before890, Stable: true, install: python("kafkapython", peers.KafkaPython)},
		{Name: "kafkago", Version: "0.4.51", install: module("kafkago"),
			Leaks: "passes the isolation level on and ignores what the answer says was aborted"},
		{Name: "java28", Version: peers.Java28, Versions: before890, Stable: true, install: java(peers.Java28)},
		{Name: "confluentjs", Version: peers.ConfluentJS.Version, Versions: before890, Stable: true, install: node("confluentjs", peers.NodeConfluent), Slow: true},
		{Name: "confluentgo", Version: "2.11.1", Versions: before890, Stable: true, install: module("confluentgo"), Slow: true},
	}
}

// folder is this package's: tests of other packages use it from theirs.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

func python(name string, l peers.Library) func(context.Context, string) (call, error) {
	return func(ctx context.Context, _ string) (call, error) {
		interpreter, err := peers.Python(ctx, l)
		return func(config string) peers.Command {
			return peers.Command{Path: interpreter, Args: []string{filepath.Join(folder(), name, "guest.py"), config}}
		}, err
	}
}

// node is a program of Node.js with the library that bring installs.
func node(name string, bring func(context.Context) (dir string, err error)) func(context.Context, string) (call, error) {
	return func(ctx context.Context, _ string) (call, error) {
		dir, err := bring(ctx)
		return func(config string) peers.Command {
			return peers.Command{Path: "node", Args: []string{filepath.Join(folder(), name, "guest.js"), config},
				Env: []string{"CLIENT_DIR=" + dir, "KAFKAJS_NO_PARTITIONER_WARNING=1"}}
		}, err
	}
}

// of installs what npm has.
func of(l peers.Library) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return peers.Node(ctx, l) }
}

// module builds a program that is a Go module of its own.
func module(name string) func(context.Context, string) (call, error) {
	return func(ctx context.Context, dir string) (call, error) {
		binary := filepath.Join(dir, name)
		return func(config string) peers.Command {
			return peers.Command{Path: binary, Args: []string{config}}
		}, peers.GoBuild(ctx, filepath.Join(folder(), name), binary)
	}
}

func java(version string) func(context.Context, string) (call, error) {
	return func(ctx context.Context, dir string) (call, error) {
		jars, err := peers.KafkaClients(ctx, version)
		if err != nil {
			return nil, err
		}
		compiled, err := jars.Compile(ctx, dir, filepath.Join(folder(), "java", "Guest.java"))
		return func(config string) peers.Command { return compiled.Command("Guest", 96, config) }, err
	}
}
