package clients

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker     = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	race       = flag.Bool("race-broker", true, "build the broker with the race detector")
	acceptance = flag.Bool("acceptance", false, "every client over every storage, and those that take minutes")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

var allCodecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Why a client lacks a case of demanded.
const (
	noPattern     = "subscribes to names only"
	noCooperation = "no cooperative rebalancing"
	noInstance    = "members have no group.instance.id"
)

// clients is every client with a program under this folder. docs/compatibility.md has
// them as a table.
var clients = []client{
	{name: "franz", title: "franz-go (kgo, kadm)", version: "1.22.2", codecs: allCodecs, everywhere: true, install: goProgram("franz"),
		differs: map[string]string{"static members": "true 2"}}, // its leader, come back, asks for a rebalance
	{name: "python", title: "confluent-kafka for Python (librdkafka)", version: peers.ConfluentKafka.Version, codecs: allCodecs, everywhere: true,
		install: pythonProgram("python/client.py", peers.ConfluentKafka)},
	{name: "node", title: "kafkajs", version: peers.KafkaJS.Version, codecs: []string{"none", "gzip"}, everywhere: true, stuck: true,
		install: nodeProgram("node/client.js", peers.KafkaJS),
		lacks:   map[string]string{"cooperative members": noCooperation, "static members": noInstance}},
	{name: "java44", title: "Apache Kafka's Java client", version: peers.JavaNewest, codecs: allCodecs, install: javaProgram(peers.JavaNewest)},
	{name: "java39", title: "Apache Kafka's Java client", version: peers.Java39, codecs: allCodecs, install: javaProgram(peers.Java39)},
	{name: "java28", title: "Apache Kafka's Java client", version: peers.Java28, codecs: allCodecs, install: javaProgram(peers.Java28)},
	{name: "sarama", title: "IBM sarama", version: "1.61.1", codecs: allCodecs, install: goProgram("sarama"),
		lacks: map[string]string{"regex subscription": noPattern, "cooperative members": noCooperation}},
	{name: "kafkago", title: "segmentio/kafka-go", version: "0.4.51", codecs: allCodecs, install: goProgram("kafkago"), rereads: true,
		lacks: map[string]string{"pause and resume": "a reader that is not read is one that pauses", "regex subscription": noPattern,
			"cooperative members": noCooperation, "static members": noInstance}},
	{name: "kafkapython", title: "kafka-python", version: peers.KafkaPython.Version, codecs: allCodecs, content: keyOrValue,
		install: pythonProgram("kafkapython/client.py", peers.KafkaPython)},
	{name: "aiokafka", title: "aiokafka", version: peers.AIOKafka.Version, codecs: allCodecs, content: keyOrValue,
		install: pythonProgram("aiokafka/client.py", peers.AIOKafka),
		lacks:   map[string]string{"cooperative members": noCooperation}},
	{name: "kcat", title: "kcat (librdkafka 2.0.2)", version: "1.7.1", codecs: allCodecs, content: withValue, makesNoTopics: true,
		install: kcatProgram,
		lacks: map[string]string{"seek by time": "gives records no time of their own", "pause and resume": "no such command", "manual commit": "no such command",
			"cooperative members": "says nothing of what it gives up", "static members": "leaves when it ends"}},
	{name: "confluentgo", title: "confluent-kafka-go (librdkafka 2.11.1)", version: "2.11.1", codecs: allCodecs,
		slow: true, install: goProgram("confluentgo")}, // needs a C compiler, and minutes to link
	{name: "confluentjs", title: "@confluentinc/kafka-javascript (librdkafka 2.15.1)", version: peers.ConfluentJS.Version, codecs: allCodecs,
		slow: true, install: withNode("confluentjs/client.js", peers.NodeConfluent)}, // minutes to compile
	{name: "rust", title: "rdkafka for Rust (librdkafka 2.12.1)", version: "0.39.0", codecs: allCodecs,
		slow: true, install: rustProgram}, // minutes to compile
	{name: "platformatic", title: "@platformatic/kafka", version: peers.Platformatic.Version, codecs: []string{"none", "gzip", "snappy", "lz4"}, // zstd takes a Node.js 22
		slow:    true, // minutes: it waits for sessions to end after each restart
		install: nodeProgram("platformatic/client.js", peers.Platformatic),
		lacks: map[string]string{"manual commit": "no metadata beside an offset", "regex subscription": noPattern, "cooperative members": noCooperation,
			"static members": "leaves the group when it closes"}},
}

// TestClients runs every client's program through the story that all of them share.
func TestClients(t *testing.T) {
	for _, c := range clients {
		if c.slow && !*acceptance {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.command = c.install(t)
			c.run(t)
		})
	}
}

// commandOf makes the command line of a mode of a program.
type commandOf = func(mode string, args ...string) peers.Command

// goProgram builds the program of a folder.
func goProgram(folder string) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		binary := filepath.Join(peers.Folder(t), folder)
		if err := peers.GoBuild(t.Context(), folder, binary); err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return peers.Command{Path: binary, Args: append([]string{mode}, args...)}
		}
	}
}

func pythonProgram(path string, l peers.Library) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		python, err := peers.Python(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return peers.Command{Path: python, Args: append([]string{path, mode}, args...)}
		}
	}
}

func nodeProgram(path string, l peers.Library) func(t *testing.T) commandOf {
	return withNode(path, func(ctx context.Context) (string, error) { return peers.Node(ctx, l) })
}

// withNode is a program of Node.js with the library that install brings.
func withNode(path string, install func(context.Context) (dir string, err error)) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		dir, err := install(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return peers.Command{Path: "node", Args: append([]string{path, mode}, args...),
				Env: []string{"CLIENT_DIR=" + dir, "KAFKAJS_NO_PARTITIONER_WARNING=1"}}
		}
	}
}

// rustProgram builds rust/.
func rustProgram(t *testing.T) commandOf {
	t.Helper()
	binary, err := peers.Rust(t.Context(), "rust")
	if err != nil {
		t.Fatal(err)
	}
	return func(mode string, args ...string) peers.Command {
		return peers.Command{Path: binary, Args: append([]string{mode}, args...)}
	}
}

// javaProgram compiles java/Client.java against a version of the Java client.
func javaProgram(version string) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		java, err := peers.KafkaClients(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		if java, err = java.Compile(t.Context(), peers.Folder(t), "java/Client.java", "java/Demand.java"); err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return java.Command("Client", 192, append([]string{mode}, args...)...)
		}
	}
}

// kcatProgram is a script around the system's kcat.
func kcatProgram(t *testing.T) commandOf {
	t.Helper()
	if err := peers.Programs(t.Context(), "kcat", "python3"); err != nil {
		t.Fatal(err)
	}
	return func(mode string, args ...string) peers.Command {
		return peers.Command{Path: "python3", Args: append([]string{"kcat/client.py", mode}, args...)}
	}
}
