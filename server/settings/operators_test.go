package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServicesVariables: Kubernetes gives these to every container in a namespace with
// Services called streamhouse, streamhouse-headless and streamhouse-http.
func TestServicesVariables(t *testing.T) {
	environ := []string{
		"STREAMHOUSE_SERVICE_HOST=10.0.0.7", "STREAMHOUSE_SERVICE_PORT=9092", "STREAMHOUSE_SERVICE_PORT_KAFKA=9092",
		"STREAMHOUSE_PORT=tcp://10.0.0.7:9092", "STREAMHOUSE_PORT_9092_TCP=tcp://10.0.0.7:9092", "STREAMHOUSE_PORT_9092_TCP_PROTO=tcp",
		"STREAMHOUSE_PORT_9092_TCP_PORT=9092", "STREAMHOUSE_PORT_9092_TCP_ADDR=10.0.0.7", "STREAMHOUSE_PORT_53_UDP=udp://10.0.0.7:53",
		"STREAMHOUSE_HEADLESS_SERVICE_HOST=10.0.0.8", "STREAMHOUSE_HTTP_PORT=tcp://10.0.0.9:8080", "STREAMHOUSE_HTTP_PORT_8080_TCP=tcp://10.0.0.9:8080",
	}
	s, err := Load(nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings()) > 0 {
		t.Errorf("warned: %v", s.Warnings())
	}
}

// TestVariablesOfTheCommandLine: a shell in which somebody uses the command line may start a
// broker too, whatever those names are near to.
func TestVariablesOfTheCommandLine(t *testing.T) {
	s, err := Load(nil, []string{"STREAMHOUSE_CLI_BOOTSTRAP_SERVERS=localhost:9092", "STREAMHOUSE_CLI_NUM_PARTITIONS=3"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings()) > 0 {
		t.Errorf("warned: %v", s.Warnings())
	}
}

// TestUnknownVariables: a slip stops the start, what was meant for something else is
// said, and flags and entries of a file stop it in either case.
func TestUnknownVariables(t *testing.T) {
	for _, c := range []struct{ variable, fault, warning string }{
		{variable: "STREAMHOUSE_HOME=/opt", warning: "STREAMHOUSE_HOME"},
		{variable: "STREAMHOUSE_IMAGE_VERSION=7", warning: "STREAMHOUSE_IMAGE_VERSION"},
		{variable: "STREAMHOUSE_PORT=9092", warning: "STREAMHOUSE_PORT"},
		{variable: "STREAMHOUSE_NUM_PARTITION=3", fault: "did you mean num.partitions?"},
		{variable: "STREAMHOUSE_DATADIR=/x", fault: "did you mean data.dir?"},
		{variable: "STREAMHOUSE_LISTNER=:1", fault: "did you mean listen"},
		{variable: "STREAMHOUSE_RETENTION_MS=1", fault: "a topic's setting"},
		{variable: "STREAMHOUSE_NUM_PARTITION=", fault: "did you mean num.partitions?"},
	} {
		s, err := Load(nil, []string{c.variable})
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: %v, want %q", c.variable, err, c.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.variable, err)
		} else if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, c.warning) {
			t.Errorf("%s: warned %q", c.variable, w)
		}
	}
	for _, name := range []string{"home", "service.host", "port.9092.tcp"} {
		if _, err := Load([]string{"--" + name + "=x"}, nil); err == nil {
			t.Errorf("flag --%s: accepted", name)
		}
		if _, err := load(t, name+": x\n", nil, nil); err == nil {
			t.Errorf("%s in the file: accepted", name)
		}
	}
}

// TestEmptyVariable: compose writes X= for ${X} that is not set.
func TestEmptyVariable(t *testing.T) {
	s, err := Load(nil, []string{"STREAMHOUSE_NUM_PARTITIONS=", "STREAMHOUSE_LISTENERS=", "STREAMHOUSE_LISTEN=", "STREAMHOUSE_CONFIG=",
		"STREAMHOUSE_HTTP_LISTEN=", "STREAMHOUSE_S3_ACCESS_KEY=", "STREAMHOUSE_LOG_LEVEL=INFO", "STREAMHOUSE_LOG_FORMAT=Json"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"num.partitions": "1", "listeners": "PLAINTEXT://:9092", "http.listen": "localhost:8080", "log.level": "info", "log.format": "json",
	} {
		if got := s.Broker().String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestListen: the short name means the same wherever it stands.
func TestListen(t *testing.T) {
	for raw, want := range map[string]string{
		"9092": ":9092", ":9093": ":9093", "10.0.0.1:9092": "10.0.0.1:9092", "PLAINTEXT://h:1": "h:1",
	} {
		for source, c := range map[string]func() (*Settings, error){
			"flag":     func() (*Settings, error) { return Load([]string{"--listen", raw}, nil) },
			"variable": func() (*Settings, error) { return Load(nil, []string{"STREAMHOUSE_LISTEN=" + raw}) },
			"file":     func() (*Settings, error) { return load(t, "listen: "+raw+"\n", nil, nil) },
		} {
			s, err := c()
			if err != nil {
				t.Errorf("%s %s: %v", source, raw, err)
			} else if got := s.Listeners()[0].Bind(); got != want {
				t.Errorf("%s %s: listens on %s", source, raw, got)
			}
		}
	}
}

// TestKafkasOwnFile: server.properties of Kafka 4.4, read as it is.
func TestKafkasOwnFile(t *testing.T) {
	s, err := Load([]string{"--config", "testdata/server.properties"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := s.Broker()
	for name, want := range map[string]string{
		"data.dir": "/tmp/kraft-combined-logs", "log.dirs": "/tmp/kraft-combined-logs", "socket.send.buffer.bytes": "102400",
		"log.retention.check.interval.ms": "300000", "transaction.state.log.min.isr": "1", "num.partitions": "1",
	} {
		if got := b.String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if l := s.Listeners(); len(l) != 1 || l[0].Name != "PLAINTEXT" || l[0].Local {
		t.Errorf("listens on %v: the controller's port is open, or PLAINTEXT is said not to be advertised", l)
	}
	if a := s.Advertised(); len(a) != 1 || a["PLAINTEXT"] != (Address{"localhost", 9092}) {
		t.Errorf("advertised %v", a)
	}
	if len(s.Warnings()) > 0 {
		t.Errorf("warned: %v", s.Warnings())
	}
	s, err = Load([]string{"--config", "testdata/server.properties"}, []string{"STREAMHOUSE_DATA_DIR=/data"})
	if err != nil || s.Broker().String("data.dir") != "/data" {
		t.Errorf("the variable for data.dir does not override the file's log.dirs: %v", err)
	}
}

// TestControllersAlone: what is a controller and nothing else has no port for clients.
func TestControllersAlone(t *testing.T) {
	_, err := Load([]string{"--listeners=CONTROLLER://:9093", "--controller.listener.names=CONTROLLER"}, nil)
	if err == nil || !strings.Contains(err.Error(), "controller.listener.names") {
		t.Errorf("%v", err)
	}
}

func TestLogDirs(t *testing.T) {
	for _, c := range []struct {
		args  []string
		dir   string
		fault string
	}{
		{args: []string{"--log.dirs=/a"}, dir: "/a"},
		{args: []string{"--log.dir=/a"}, dir: "/a"},
		{args: []string{"--log.dir=/a", "--log.dirs=/b"}, dir: "/b"}, // as in Kafka
		{args: []string{"--log.dirs=/a", "--data=/a"}, dir: "/a"},
		{args: []string{"--log.dirs=/a,/b"}, fault: "several folders"},
		{args: []string{"--log.dirs=/a", "--data=/b"}, fault: "differs from data.dir=/b"},
		{args: []string{"--log.dirs="}, fault: "data.dir (flag --log.dirs, as log.dirs)"},
	} {
		s, err := Load(c.args, nil)
		switch {
		case c.fault != "":
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%v: %v, want %q", c.args, err, c.fault)
			}
		case err != nil:
			t.Errorf("%v: %v", c.args, err)
		case s.Broker().String("data.dir") != c.dir || s.Broker().String("log.dirs") != c.dir:
			t.Errorf("%v: data.dir is %s, log.dirs is %s", c.args, s.Broker().String("data.dir"), s.Broker().String("log.dirs"))
		}
	}
}

// TestProperties: the form of java.util.Properties.
func TestProperties(t *testing.T) {
	const text = "# comment\n ! another, that does not go on \\\n" +
		"num.partitions = 3\r\nlog.retention.hours:5\nmessage.max.bytes 7\n" +
		"advertised.listeners=PLAINTEXT://h:1,\\\n    PLAIN2://h:2\n" +
		"listeners=\\u0050LAINTEXT://:1,PLAIN2://:2\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,PLAIN2:PLAINTEXT\n" +
		"data\\.dir=/a\\ b\\\\c\\u00e4\nbroker.rack=\nnum.partitions=4\nbucket.url=/x\\"
	s, err := loadProperties(t, text)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"num.partitions": "4", "log.retention.hours": "5", "message.max.bytes": "7", "data.dir": `/a b\cä`, "broker.rack": "",
		"advertised.listeners": "PLAINTEXT://h:1,PLAIN2://h:2", "listeners": "PLAINTEXT://:1,PLAIN2://:2", "bucket.url": "/x",
	} {
		if got := s.Broker().String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if w := strings.Join(s.Warnings(), "\n"); strings.Count(w, "num.partitions") != 1 || !strings.Contains(w, ":3 too") {
		t.Errorf("the second num.partitions: warned %q", w)
	}
	for text, want := range map[string]string{
		"x\\u12=1":                 "four hexadecimal digits",
		"\n\nnum.partitons=1":      "broker.properties:3",
		"num.partitions=1\\\n\n=5": "broker.properties:3",
		"log.dirs=/a,/b":           "several folders",
	} {
		if _, err := loadProperties(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzProperties: whatever is in the file, it is read or refused.
func FuzzProperties(f *testing.F) {
	own, err := os.ReadFile("testdata/server.properties")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(own), "a\\", "\\u", "a=\\ud83d\\ude00", "=", "a\\\n\\\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newSource()
		s.properties("x", text)
		if lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1; len(s.set)+len(s.faults) > lines {
			t.Errorf("%d settings and %d faults of %d lines", len(s.set), len(s.faults), lines)
		}
	})
}

func loadProperties(t *testing.T, text string) (*Settings, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "broker.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load([]string{"--config", file}, nil)
}
