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
	{"librdkafka", "confluent-kafka " + peers.ConfluentKafka.Version, python("librdkafka", peers.ConfluentKafka)},
	{"kafkajs", "kafkajs " + peers.KafkaJS.Version, node("kafkajs", peers.KafkaJS)},
	{"aiokafka", "aiokafka " + peers.AIOKafka.Version, python("aiokafka", peers.AIOKafka)},
	{"sarama", "sarama 1.61.1", module("sarama")},
}

func python(folder string, l peers.Library) func(*testing.T) func(...string) peers.Command {
	return func(t *testing.T) func(...string) peers.Command {
		t.Helper()
		interpreter, err := peers.Python(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		return func(args ...string) peers.Command {
			return peers.Command{Path: interpreter, Args: append([]string{filepath.Join(folder, "client.py")}, args...)}
		}
	}
}

func node(folder string, l peers.Library) func(*testing.T) func(...string) peers.Command {
	return func(t *testing.T) func(...string) peers.Command {
		t.Helper()
		dir, err := peers.Node(t.Context(), l)
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
		if err := peers.GoBuild(peers.Context(t, 5*time.Minute), folder, binary); err != nil {
			t.Fatal(err)
		}
		return func(args ...string) peers.Command { return peers.Command{Path: binary, Args: args} }
	}
}
