package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGroups(t *testing.T) {
	addr := cluster(t)
	dir := t.TempDir()
	undo := filepath.Join(dir, "undo")
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte(`{"topic":"orders","partition":0,"offset":-4}`), 0o644); err != nil {
		t.Fatal(err)
	}
	walk(t, addr, []step{
		{line: "topic create orders --partitions 2", out: "created"},
		{line: "produce orders --partition 0", stdin: "a\nb\nc\nd\n", err: "4 records"},
		{line: "produce orders --partition 1", stdin: "e\nf\n", err: "2 records"},
		{line: "group reset g --to latest", err: `group "g" does not exist`, code: 3},
		{line: "group reset g --to latest --topic orders --yes --undo " + undo, out: "orders  0          -    4    -", err: "takes it back"},
		{line: "group list", out: "g      Empty"},
		{line: "groups list x*", err: `no group is like "x*"`, code: 3},
		{line: "group describe g", out: "orders  1          2          2    0"},
		{line: "group reset g --to -1 --dry-run", out: "orders  0          4    3    -1"},
		{line: "group reset g --to +9 --dry-run", out: "orders  0          4    4    +0"},
		{line: "group reset g --to earliest --topic orders:1 --dry-run", out: "orders  1          2    0    -2"},
		{line: "group reset g --to 3 --dry-run", out: "orders  1          2    2    +0"},
		{line: "group reset g --to group:nosuch --dry-run", err: `group "nosuch" does not exist`, code: 3},
		{line: "group reset g --to earliest", out: "orders  0          4    0", err: "no terminal to ask on", code: 2},
		{line: "group reset g", err: "needs --to", code: 2},
		{line: "group reset g --to noon", err: "is no place", code: 2},
		{line: "group reset g --to 0 --topic orders:7 --dry-run", err: "has no partition 7", code: 3},
		{line: "group reset g --to 0 --topic orders: --dry-run", err: "write TOPIC or TOPIC:0,3-5", code: 2},
		{line: "group reset h --to -1 --topic orders --dry-run", err: "nothing to go on or back from", code: 2},
		{line: "group reset g --to file:" + broken, err: "offset 1 cannot be read", code: 2},
		{line: "group reset g --to earliest --yes --undo " + undo, out: "orders  0          4    0", err: "nothing was changed", code: 1},
		{line: "group reset g --to file:" + undo + " --yes --undo " + filepath.Join(dir, "again"), out: "orders  0          4    -    -", err: "takes it back"},
		{line: "group describe g", out: "members      0\n"},
		{line: "group reset g --to file:" + filepath.Join(dir, "again") + " --yes --undo " + filepath.Join(dir, "third"), out: "orders  0          -    4", err: "takes it back"},
		{line: "group delete-offsets g --topic orders:1 --yes", out: "deleted offsets of group \"g\"", err: "forget what"},
		{line: "group delete-offsets g", err: "needs --topic", code: 2},
		{line: "group delete g --dry-run", err: `delete group "g" (Empty)`},
		{line: "group delete g g* --yes", out: "deleted group \"g\"", err: "all that it has committed"},
		{line: "group delete g --yes", err: `group "g" does not exist`, code: 3},
	})
}

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{"a/b\\c:d": "a_b_c_d", "..": "__", "ä": "ä", strings.Repeat("x", 300): strings.Repeat("x", 100)} {
		if got := fileName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
