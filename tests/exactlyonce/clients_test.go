package exactlyonce

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// client is a library with a program in a folder of its name.
type client struct {
	name, version string
	// build installs what the program needs and returns how it is called.
	build func(*testing.T) func(args ...string) peers.Command
}

var clients = []client{
	{"librdkafka", "confluent-kafka 2.16.0", python("librdkafka", "confluent-kafka==2.16.0")},
	{"kafkajs", "kafkajs 2.2.4", node("kafkajs", "kafkajs@2.2.4")},
	{"aiokafka", "aiokafka 0.14.0", python("aiokafka", "aiokafka==0.14.0")},
	{"sarama", "sarama 1.61.1", module("sarama")},
}

func python(folder, distribution string) func(*testing.T) func(...string) peers.Command {
	return func(t *testing.T) func(...string) peers.Command {
		t.Helper()
		interpreter, err := peers.Python(t.Context(), distribution)
		if err != nil {
			t.Fatal(err)
		}
		return func(args ...string) peers.Command {
			return peers.Command{Path: interpreter, Args: append([]string{filepath.Join(folder, "client.py")}, args...)}
		}
	}
}

func node(folder, pkg string) func(*testing.T) func(...string) peers.Command {
	return func(t *testing.T) func(...string) peers.Command {
		t.Helper()
		dir, err := peers.Node(t.Context(), pkg)
		if err != nil {
			t.Fatal(err)
		}
		return func(args ...string) peers.Command {
			return peers.Command{Path: "node", Args: append([]string{filepath.Join(folder, "client.js")}, args...),
				Env: []string{"CLIENT_DIR=" + dir, "KAFKAJS_NO_PARTITIONER_WARNING=1"}}
		}
	}
}

// module builds a program that is a Go module of its own.
func module(folder string) func(*testing.T) func(...string) peers.Command {
	return func(t *testing.T) func(...string) peers.Command {
		t.Helper()
		binary := filepath.Join(peers.Folder(t), folder)
		build := peers.Command{Path: "go", Args: []string{"build", "-C", folder, "-o", binary, "."}}
		if _, err := build.Run(peers.Context(t, 5*time.Minute), ""); err != nil {
			t.Fatal(err)
		}
		return func(args ...string) peers.Command { return peers.Command{Path: binary, Args: args} }
	}
}
