package clients

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	race   = flag.Bool("race-broker", true, "build the broker with the race detector")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

func TestFranzGo(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(peers.Folder(t), "franz")
	build := peers.Command{Path: "go", Args: []string{"build", "-o", binary, "./franz"}}
	if _, err := build.Run(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	client{name: "franz", codecs: []string{"none", "gzip", "snappy", "lz4", "zstd"},
		command: func(mode string, args ...string) peers.Command {
			return peers.Command{Path: binary, Args: append([]string{mode}, args...)}
		}}.run(t)
}

func TestConfluentKafkaForPython(t *testing.T) {
	t.Parallel()
	python, err := peers.Python(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client{name: "python", codecs: []string{"none", "gzip", "snappy", "lz4", "zstd"},
		command: func(mode string, args ...string) peers.Command {
			return peers.Command{Path: python, Args: append([]string{"python/client.py", mode}, args...)}
		}}.run(t)
}

func TestKafkaJS(t *testing.T) {
	t.Parallel()
	dir, err := peers.Node(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client{name: "node", codecs: []string{"none", "gzip"},
		command: func(mode string, args ...string) peers.Command {
			return peers.Command{Path: "node", Args: append([]string{"node/client.js", mode}, args...),
				Env: []string{"KAFKAJS_DIR=" + dir, "KAFKAJS_NO_PARTITIONER_WARNING=1"}}
		}}.run(t)
}
