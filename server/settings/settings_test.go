package settings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func load(t *testing.T, yaml string, args, env []string) (*Settings, error) {
	t.Helper()
	if yaml != "" {
		file := filepath.Join(t.TempDir(), "broker.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", file}, args...)
	}
	return Load(args, env)
}

func TestPrecedence(t *testing.T) {
	const file = "num:\n  partitions: 2\nlog.retention.hours: 5\nlog.level: debug\n"
	env := []string{"STREAMHOUSE_NUM_PARTITIONS=3", "STREAMHOUSE_LOG_RETENTION_HOURS=6", "PATH=/bin"}
	s, err := load(t, file, []string{"--num.partitions=4", "--data", "/x"}, env)
	if err != nil {
		t.Fatal(err)
	}
	b := s.Broker()
	for name, want := range map[string]string{
		"num.partitions": "4", "log.retention.hours": "6", "log.level": "debug", "data.dir": "/x", "log.format": "console",
	} {
		if got := b.String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"flag --num.partitions", "variable STREAMHOUSE_LOG_RETENTION_HOURS", "broker.yaml:4", "# default"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the settings shown do not say %q", want)
		}
	}
}

// All faults come at once, each under its name and with a hint.
func TestFaults(t *testing.T) {
	_, err := load(t, "num.partitons: 3\nlog.format: xml\n",
		[]string{"--journal", "tape", "--set", "num.network.threads=many", "--s3.access.key=x"}, []string{"STREAMHOUSE_LOG_RETENTION_MIN=5"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"num.partitons", "did you mean num.partitions?", "log.format", "journal.kind", "num.network.threads", "log.retention.min ", "s3.secret.key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	for name, c := range map[string][]string{
		"no value":             {"--data"},
		"not a flag":           {"data"},
		"given twice":          {"--data", "a", "--data", "b"},
		"two node ids":         {"--node.id=1", "--broker.id=2"},
		"a topic's setting":    {"--retention.ms=5"},
		"Kerberos listener":    {"--listeners=GSS://:9093", "--listener.security.protocol.map=GSS:GSS"},
		"unmapped listener":    {"--listeners=INSIDE://:9093"},
		"same address":         {"--listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT", "--listeners=A://:1,B://:1"},
		"no port":              {"--listen", "localhost"},
		"advertised, unknown":  {"--advertised.listeners=OUT://h:1"},
		"advertised, wildcard": {"--advertised.listeners=PLAINTEXT://0.0.0.0:1"},
		"authorizer":           {"--authorizer.class.name=x.y.Z"},
	} {
		if _, err := Load(c, nil); err == nil {
			t.Errorf("%s: accepted %v", name, c)
		}
	}
	if _, err := Load([]string{"--help"}, nil); !errors.Is(err, ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestListeners(t *testing.T) {
	s, err := Load([]string{
		"--listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT",
		"--listeners=IN://10.0.0.1:9092,OUT://:19092",
		"--advertised.listeners=OUT://kafka.example.com:443",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Advertised(); got["IN"] != (Address{"10.0.0.1", 9092}) || got["OUT"] != (Address{"kafka.example.com", 443}) {
		t.Errorf("advertised %v", got)
	}
	if l := s.Listeners(); len(l) != 2 || l[1].Bind() != ":19092" {
		t.Errorf("listeners %v", l)
	}
	s, err = Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Advertised()["PLAINTEXT"]; got != (Address{"localhost", 9092}) {
		t.Errorf("by default %v", got)
	}
	if s.Broker().NodeID != 1 {
		t.Errorf("node id %d", s.Broker().NodeID)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	s, err := Load([]string{"--s3.access.key=hunter2", "--s3.secret.key=hunter2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Print(&out); err != nil || strings.Contains(out.String(), "hunter2") {
		t.Fatalf("shown: %v", err)
	}
}
