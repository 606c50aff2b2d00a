package settings

import (
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/config"
)

// TestEveryFaultAtOnce: flags, variables and file are all looked at before the start
// is refused.
func TestEveryFaultAtOnce(t *testing.T) {
	_, err := load(t, "log:\n  level: loud\n  levl: info\nnum.partitions: 1\nnum: {partitions: 2}\n",
		[]string{"--nonsense=1", "stray", "--set", "novalue", "--data", "a", "--data", "b"},
		[]string{"STREAMHOUSE_SEAL_MAX_AGE=1", "STREAMHOUSE_LISTEN=:1", "STREAMHOUSE_LISTENERS=PLAINTEXT://:2", "STREAMHOUSE_BUCKET_URL=ftp://x"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"log.level (", "log.levl (", "did you mean log.level?", "num.partitions (", "given already at",
		"nonsense (flag --nonsense)", "stray: not a flag", "--set novalue", "data.dir: given twice", "seal.max.age (variable STREAMHOUSE_SEAL_MAX_AGE)",
		"did you mean seal.max.age.ms?", "listeners (variable STREAMHOUSE_",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

// TestRefused: each is refused, and the error names the setting.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		file string
		args []string
		want string
	}{
		{args: []string{"--bucket=ftp://x"}, want: "bucket.url: "},
		{args: []string{"--http=8080"}, want: "http.listen: "},
		{args: []string{"--s3.access.key=x"}, want: "s3.access.key, s3.secret.key: "},
		{args: []string{"--log.retention.ms=0"}, want: "log.retention.ms"},
		{args: []string{"--group.min.session.timeout.ms=2000000"}, want: "group.min.session.timeout.ms: "},
		{args: []string{"--listeners="}, want: "listeners"},
		{args: []string{"--listeners=PLAINTEXT://:1,PLAINTEXT://:2"}, want: "twice"},
		{args: []string{"--listeners=PLAINTEXT://:99999"}, want: "from 0 to 65535"},
		{args: []string{"--listeners=localhost:9092"}, want: "not of the form"},
		{args: []string{"--advertised.listeners=PLAINTEXT://a:1,PLAINTEXT://b:1"}, want: "advertised.listeners: the name PLAINTEXT is there twice"},
		{args: []string{"--listener.security.protocol.map=PLAINTEXT"}, want: "listener.security.protocol.map: "},
		{args: []string{"--security.inter.broker.protocol=TLS"}, want: "security.inter.broker.protocol"},
		{args: []string{"--node.id=-1"}, want: "node.id"},
		{args: []string{"--listeners=KERBEROS://:1", "--listener.security.protocol.map=KERBEROS:GSS"}, want: "asks for GSS, which is none of PLAINTEXT, SSL"},
		{args: []string{"--listener.name.outside.ssl.client.auth=required"}, want: "there is no listener OUTSIDE"},
		{args: []string{"--listener.name.plaintext.ssl.client.auht=required"}, want: "listener.name.NAME.SETTING"},
		{args: []string{"--listener.name.PLAINTEXT.ssl.client.auth=required"}, want: "small letters"},
		{args: []string{"--listener.name.plaintext.ssl.client.auth=perhaps"}, want: "listener.name.plaintext.ssl.client.auth"},
		{args: []string{"--listener.name.plaintext.num.partitions=3"}, want: "listener.name.NAME.SETTING"},
		{args: []string{"--config", "/no/such/file"}, want: "/no/such/file"},
		{file: "a: [1, 2", want: "config: "},
		{file: "a", want: "name: value"},
		{file: "num.partitions: 1\n---\nnum.partitions: 2\n", want: "only one document"},
		{file: "num.partitions: 1\nnum.partitions: 2\n", want: "given already"},
		{file: "x: &a 1\nnum.partitions: *a\n", want: "aliases"},
		{file: "listeners: [{a: b}]\n", want: "plain values"},
	} {
		_, err := load(t, c.file, c.args, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %q: %v, want %q", c.args, c.file, err, c.want)
		}
	}
}

// TestAccepted: what looks like a fault and is none.
func TestAccepted(t *testing.T) {
	for _, c := range []struct {
		file string
		args []string
	}{
		{args: []string{"--security.inter.broker.protocol=PLAINTEXT", "--authorizer.class.name="}},
		{args: []string{"--broker.id=7", "--node.id=7"}},
		{args: []string{"--data", "a", "--data", "a"}},
		{args: []string{"--listeners=plaintext://[::1]:9092"}},
		{args: []string{"--http="}},
		{args: []string{"--log.retention.ms=-1", "--log.retention.hours=0"}},
		{file: "# nothing\n"},
		{file: "num.partitions:\nlisteners:\n- PLAINTEXT://:9092\n"},
		{file: "log:\n  retention:\n    ms: 5\n    bytes: 6\n  retention.hours: 7\nlog.roll.ms: 8\n"},
	} {
		if _, err := load(t, c.file, c.args, nil); err != nil {
			t.Errorf("%v %q: %v", c.args, c.file, err)
		}
	}
}

// TestSecretsStayOut: no error and no list repeats a secret.
func TestSecretsStayOut(t *testing.T) {
	for _, d := range all() {
		if d.Type != config.Password {
			continue
		}
		s, err := Load([]string{"--" + d.Name + "=hunter2"}, nil)
		if err != nil {
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", d.Name, err)
			}
			continue
		}
		var out strings.Builder
		if err := s.Print(&out); err != nil || strings.Contains(out.String(), "hunter2") {
			t.Errorf("%s is shown (%v)", d.Name, err)
		}
	}
}

// TestVariableNames: no two settings have the same variable.
func TestVariableNames(t *testing.T) {
	seen := map[string]string{}
	for _, d := range all() {
		if other := seen[envName(d.Name)]; other != "" {
			t.Errorf("%s and %s are both %s", other, d.Name, envName(d.Name))
		}
		seen[envName(d.Name)] = d.Name
	}
}

// TestKafkaNames: what a tool asks Kafka for is told truly.
func TestKafkaNames(t *testing.T) {
	s, err := Load([]string{"--data=/var/lib/sh", "--broker.id=4", "--num.io.threads=3", "--group.share.max.size=5"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := s.Broker()
	for name, want := range map[string]string{"log.dirs": "/var/lib/sh", "node.id": "4", "broker.id": "4", "process.roles": "broker,controller"} {
		if got := b.String(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := strings.Join(s.WithoutEffect(), " "); got != "group.share.max.size num.io.threads" {
		t.Errorf("%s", got)
	}
}
