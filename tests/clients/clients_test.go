package clients

import (
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
	{name: "franz", title: "franz-go (kgo, kadm)", version: "1.22.2", codecs: allCodecs, everywhere: true, install: goProgram("franz", "."),
		differs: map[string]string{"static members": "true 2"}}, // its leader, come back, asks for a rebalance
	{name: "python", title: "confluent-kafka for Python (librdkafka)", version: "2.16.0", codecs: allCodecs, everywhere: true,
		install: pythonProgram("python/client.py", "confluent-kafka==2.16.0")},
	{name: "node", title: "kafkajs", version: "2.2.4", codecs: []string{"none", "gzip"}, everywhere: true,
		install: nodeProgram("node/client.js", "kafkajs@2.2.4"),
		lacks:   map[string]string{"cooperative members": noCooperation, "static members": noInstance}},
	{name: "java44", title: "Apache Kafka's Java client", version: "4.4.0", codecs: allCodecs, install: javaProgram("4.4.0")},
	{name: "java39", title: "Apache Kafka's Java client", version: "3.9.1", codecs: allCodecs, install: javaProgram("3.9.1")},
	{name: "java28", title: "Apache Kafka's Java client", version: "2.8.2", codecs: allCodecs, install: javaProgram("2.8.2")},
	{name: "sarama", title: "IBM sarama", version: "1.61.1", codecs: allCodecs, install: goProgram("sarama", "sarama"),
		lacks: map[string]string{"regex subscription": noPattern, "cooperative members": noCooperation}},
	{name: "kafkago", title: "segmentio/kafka-go", version: "0.4.51", codecs: allCodecs, install: goProgram("kafkago", "kafkago"),
		lacks: map[string]string{"pause and resume": "a reader that is not read is one that pauses", "regex subscription": noPattern,
			"cooperative members": noCooperation, "static members": noInstance}},
	{name: "kafkapython", title: "kafka-python", version: "3.0.12", codecs: allCodecs, content: keyOrValue,
		install: pythonProgram("kafkapython/client.py", "kafka-python==3.0.12", "crc32c", "lz4", "python-snappy", "zstandard")},
	{name: "aiokafka", title: "aiokafka", version: "0.14.0", codecs: allCodecs, content: keyOrValue,
		install: pythonProgram("aiokafka/client.py", "aiokafka==0.14.0", "cramjam"),
		lacks:   map[string]string{"cooperative members": noCooperation}},
	{name: "kcat", title: "kcat (librdkafka 2.0.2)", version: "1.7.1", codecs: allCodecs, content: withValue, makesNoTopics: true,
		install: kcatProgram,
		lacks: map[string]string{"seek by time": "gives records no time of their own", "pause and resume": "no such command", "manual commit": "no such command",
			"cooperative members": "says nothing of what it gives up", "static members": "leaves when it ends"}},
	{name: "confluentgo", title: "confluent-kafka-go (librdkafka 2.11.1)", version: "2.11.1", codecs: allCodecs,
		slow: true, install: goProgram("confluentgo", "confluentgo")}, // needs a C compiler, and minutes to link
	{name: "confluentjs", title: "@confluentinc/kafka-javascript (librdkafka 2.15.1)", version: "1.10.1", codecs: allCodecs,
		slow: true, install: confluentJS}, // minutes to compile
	{name: "rust", title: "rdkafka for Rust (librdkafka 2.12.1)", version: "0.39.0", codecs: allCodecs,
		slow: true, install: rustProgram}, // minutes to compile
	{name: "platformatic", title: "@platformatic/kafka", version: "1.35.0", codecs: []string{"none", "gzip", "snappy", "lz4"}, // zstd takes a Node.js 22
		slow:    true, // minutes: it waits for sessions to end after each restart
		install: nodeProgram("platformatic/client.js", "@platformatic/kafka@1.35.0"),
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

// goProgram builds a program whose folder is a package of the module in folder module:
// what only one client needs stays out of the broker's own dependencies.
func goProgram(name, module string) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		binary := filepath.Join(peers.Folder(t), name)
		args := []string{"build", "-o", binary, "."}
		if module == "." {
			args[3] = "./" + name
		}
		args = append([]string{"-C", module}, args...)
		build := peers.Command{Path: "go", Args: append([]string{args[2], args[0], args[1]}, args[3:]...)}
		if _, err := build.Run(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return peers.Command{Path: binary, Args: append([]string{mode}, args...)}
		}
	}
}

func pythonProgram(path, distribution string, beside ...string) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		python, err := peers.Python(t.Context(), distribution, beside...)
		if err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return peers.Command{Path: python, Args: append([]string{path, mode}, args...)}
		}
	}
}

func nodeProgram(path, pkg string, env ...string) func(t *testing.T) commandOf {
	return func(t *testing.T) commandOf {
		t.Helper()
		dir, err := peers.Node(t.Context(), pkg, env...)
		if err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			return peers.Command{Path: "node", Args: append([]string{path, mode}, args...),
				Env: []string{"CLIENT_DIR=" + dir, "KAFKAJS_NO_PARTITIONER_WARNING=1"}}
		}
	}
}

// confluentJS needs a compiler and what librdkafka is made with: there is no binary of it for
// every machine.
func confluentJS(t *testing.T) commandOf {
	t.Helper()
	if err := peers.Programs(t.Context(), "g++", "make"); err != nil {
		t.Fatal(err)
	}
	if err := peers.Libraries(t.Context(), "zlib1g-dev", "libssl-dev", "libzstd-dev", "libcurl4-openssl-dev", "libsasl2-dev"); err != nil {
		t.Fatal(err)
	}
	return nodeProgram("confluentjs/client.js", "@confluentinc/kafka-javascript@1.10.1", "CKJS_LINKING=dynamic")(t)
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
		classes := peers.Folder(t)
		compile := peers.Command{Path: "javac", Args: []string{"-cp", java.ClassPath(), "-d", classes, "java/Client.java", "java/Demand.java"}}
		if _, err := compile.Run(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		return func(mode string, args ...string) peers.Command {
			c := java.Command("Client", 192, append([]string{mode}, args...)...)
			for i, a := range c.Args {
				if a == java.ClassPath() {
					c.Args[i] = classes + ":" + a
				}
			}
			return c
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
