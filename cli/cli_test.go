package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// cluster is a Kafka that is not ours: the command line is for any.
func cluster(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// result is what a command line left behind.
type result struct {
	out, err string
	code     int
}

// run runs a command line against a cluster; its words are separated by spaces.
func run(t *testing.T, addr, stdin, line string) result {
	t.Helper()
	var out, errs bytes.Buffer
	p := Process{In: strings.NewReader(stdin), Out: &out, Err: &errs, Getenv: func(name string) string {
		if name == variable {
			return addr
		}
		return ""
	}}
	code := Run(strings.Fields(line), p, Outside{Name: "server", Short: "start", Help: "usage of the server\n", Run: func([]string) int { return 78 }})
	return result{out.String(), errs.String(), code}
}

// step is a command line and what has to come of it. out and err are parts of what is
// written; "" means that nothing is.
type step struct {
	line     string
	stdin    string
	out, err string
	code     int
}

func walk(t *testing.T, addr string, steps []step) {
	t.Helper()
	for _, s := range steps {
		got := run(t, addr, s.stdin, s.line)
		if got.code != s.code || !strings.Contains(got.out, s.out) || !strings.Contains(got.err, s.err) ||
			(s.out == "") != (got.out == "") || (s.err == "") != (got.err == "") {
			t.Errorf("streamhouse %s: exit code %d\nstdout: %s\nstderr: %s\nwant %d, stdout with %q, stderr with %q", s.line, got.code, got.out, got.err, s.code, s.out, s.err)
		}
		if s.code > 0 && s.code < 8 && strings.Count(got.err, "\n") < 1 {
			t.Errorf("streamhouse %s failed without a line", s.line)
		}
	}
}

func TestCommandLinesThatCannotBeUsed(t *testing.T) {
	walk(t, "127.0.0.1:1", []step{
		{line: "", err: "Commands:", code: 2},
		{line: "help", out: "Commands:"},
		{line: "--help", out: "Commands:"},
		{line: "help server", out: "usage of the server"},
		{line: "server --anything", code: 78},
		{line: "help topics create", out: "streamhouse topic create NAME..."},
		{line: "topic create --help", out: "streamhouse topic create NAME..."},
		{line: "help topci", err: `streamhouse: there is no command "topci"; did you mean "topic"?`, code: 2},
		{line: "servre", err: `did you mean "server"?`, code: 2},
		{line: "frobnicate", err: `there is no command "frobnicate"; see "streamhouse --help"`, code: 2},
		{line: "topic", err: "Commands:", code: 2},
		{line: "topic crate x", err: `streamhouse: topic has no command "crate"; did you mean "create"?`, code: 2},
		{line: "topic create", err: `topic create needs a NAME; see "streamhouse topic create --help"`, code: 2},
		{line: "topic create a --partition 3", err: `topic create has no flag "--partition"; did you mean --partitions?`, code: 2},
		{line: "topic create a --partitions many", err: "many", code: 2},
		{line: "topic create a --partitions 0", err: "--partitions 0 is none", code: 2},
		{line: "topic create a --config retention.ms", err: "write NAME=VALUE", code: 2},
		{line: "topic list a b", err: `topic list has no use for "b"`, code: 2},
		{line: "topic list -Z", err: `topic list has no flag "-Z"`, code: 2},
		{line: "topic list", err: "no broker answers at 127.0.0.1:1: connection refused; start one", code: 6},
		{line: "topic list -b 127.0.0.1:2", err: "no broker answers at 127.0.0.1:2", code: 6},
		{line: "topic list -b ,", err: "names no broker", code: 2},
	})
}

func TestTopics(t *testing.T) {
	walk(t, cluster(t), []step{
		{line: "topic list", out: "TOPIC", err: "there are no topics"},
		{line: "topics create orders --partitions 16", out: "created topic \"orders\" with 16 partitions\n"},
		{line: "topic create orders", err: `topic "orders" exists already; `, code: 5},
		{line: "topic create orders --if-not-exists", err: "exists already"},
		{line: "topic create a1 a2 orders --config retention.ms=5000", out: "created topic \"a2\"", err: "1 of 3 failed", code: 7},
		{line: "topic list", out: "orders  16          "},
		{line: "topic list a?", out: "a2"},
		{line: "topic list z*", err: `no topic is like "z*"`, code: 3},
		{line: "topic list [", err: "cannot be read", code: 2},
		{line: "topic list ordres", err: `topic "ordres" does not exist; did you mean "orders"?`, code: 3},
		{line: "topic describe a1", out: "retention.ms  5000"},
		{line: "topic describe orders", out: "\n15         "},
		{line: "topic describe nothing.like.it", err: `does not exist; "streamhouse topic create nothing.like.it" creates it`, code: 3},
		{line: "topic delete a*", err: "give --yes", code: 2},
		{line: "topic delete a* --dry-run", err: `delete topic "a2" with `},
		{line: "topic delete a* nosuch --yes", err: `topic "nosuch" does not exist`, code: 3},
		{line: "topic list a*", out: "a1"},
		{line: "topic delete a* a1 --yes", out: "deleted topic \"a1\"\ndeleted topic \"a2\"\n", err: "delete topic"},
		{line: "topic list a*", err: "no topic is like", code: 3},
	})
}

func TestDeletingAsks(t *testing.T) {
	addr := cluster(t)
	walk(t, addr, []step{{line: "topic create orders", out: "created"}})
	for _, c := range []struct {
		answer string
		code   int
	}{{"", 2}, {"n\n", 2}, {"yes, surely\n", 2}, {"y\n", 0}} {
		var out, errs bytes.Buffer
		p := Process{In: strings.NewReader(c.answer), Out: &out, Err: &errs, Terminal: true, Getenv: at(addr)}
		if code := Run([]string{"topic", "delete", "orders"}, p); code != c.code || !strings.Contains(errs.String(), "Delete 1 topic? [y/N]") {
			t.Errorf("answer %q: exit code %d, want %d; %s", c.answer, code, c.code, errs.String())
		}
	}
	walk(t, addr, []step{{line: "topic describe orders", err: "does not exist", code: 3}})
}

// at is an environment that says where the cluster is.
func at(addr string) func(string) string {
	return func(name string) string {
		if name == variable {
			return addr
		}
		return ""
	}
}
