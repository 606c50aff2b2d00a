package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestPage holds docs/cli.md to the tree of commands. It is written with: go test ./cli -update
func TestPage(t *testing.T) {
	const path = "../docs/cli.md"
	if *update {
		if err := os.WriteFile(path, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page() {
		t.Errorf("%s is not what the commands say; run: go test ./cli -update", path)
	}
}

const pageHead = "# The command line\n\n" +
	"This page is made from the tree of commands in `cli`; change it there and run `go test ./cli -update`.\n\n" +
	"Commands work with any Kafka cluster: they speak Kafka's protocol and nothing else. The cluster is the one of `-b` (`--bootstrap-server`), else of the\n" +
	"variable `" + variable + "`, else " + defaultServer + ". Nouns may be plural. Data go to stdout and all else to stderr, so that\n" +
	"output can be piped; what deletes shows what it is about to do and asks, and without a terminal it wants `--yes`.\n\n" +
	"    streamhouse topics create orders --partitions 16\n" +
	"    echo \"hello\" | streamhouse produce orders --key user123\n" +
	"    streamhouse consume orders --group analytics --from earliest\n" +
	"    streamhouse lag show --group analytics\n\n" +
	"## Exit codes\n\n" +
	"A command that fails says in one line what, why and what next, and ends with one of these (`server` has its own: [operations.md](operations.md)):\n\n" +
	"| code | meaning |\n|---|---|\n| 0 | done; or nobody reads its output any more |\n"

// page is docs/cli.md.
func page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, k := range client.Kinds() {
		fmt.Fprintf(&b, "| %d | %s |\n", k.Kind.Exit(), k.Meaning)
	}
	fmt.Fprintf(&b, "| %d, %d | ended by Ctrl-C; by SIGTERM |\n\n## Commands\n", exitInterrupted, exitTerminated)
	leaves(tree(&session{}, nil), func(c *cobra.Command) {
		fmt.Fprintf(&b, "\n### %s\n\n```\n%s```\n", named(c), helpText(c))
	})
	return b.String()
}

// leaves calls f with every command that does something.
func leaves(c *cobra.Command, f func(*cobra.Command)) {
	for _, sub := range told(c) {
		if sub.HasSubCommands() {
			leaves(sub, f)
		} else {
			f(sub)
		}
	}
}
