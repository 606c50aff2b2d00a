package cli

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/streamhouse/streamhouse/client"
)

func TestRecordsInAndOut(t *testing.T) {
	long := strings.Repeat("x", 2_000_000)
	walk(t, cluster(t), []step{
		{line: "topic create orders --partitions 3", out: "created"},
		{line: "topic create one --partitions 1", out: "created"},
		{line: "produce one", stdin: "a\n\nb\r\nc", err: `4 records written to "one"`},
		{line: "consume one -n 4", out: "a\n\nb\r\nc\n", err: "4 records read"},
		{line: "produce one", err: `0 records written to "one"`},
		{line: "produce ordres", stdin: "a\n", err: `topic "ordres" does not exist; did you mean "orders"?`, code: 3},
		{line: "produce", err: "produce needs a TOPIC", code: 2},
		{line: "produce one orders", err: `"orders" is too much`, code: 2},
		{line: "produce orders --partition 3", stdin: "a\n", err: `topic "orders" has no partition 3; it has 0 to 2`, code: 3},
		{line: "produce orders --partition -1", err: "--partition -1 is none", code: 2},
		{line: "produce orders --header h", err: "write NAME=VALUE", code: 2},
		{line: "produce orders --key a --key-separator :", err: "two things", code: 2},
		{line: "produce orders --key-separator :", stdin: "k:v\nnone\n", err: `line 2 has no ":" between key and value; 1 line before it went in`, code: 2},
		{line: "produce orders", stdin: "a\n" + long + "\n", err: "line 2 is longer than", code: 2},
		{line: "consume orders -n 2 --group g --from earliest", out: "v\n", err: `2 records read and committed; left group "g"`},
		{line: "produce orders --partition 2 --header a=b", stdin: "late\n", err: "1 record written"},
		{line: "consume orders -n 1 --group g", out: "late\n", err: "1 record read and committed"},
		{line: "consume nosuch", err: `topic "nosuch" does not exist`, code: 3},
		{line: "consume orders --from noon", err: "--from: \"noon\" is no place in a log; give start, end", code: 2},
		{line: "consume orders --from 1 --to 0", err: "lies before", code: 2},
		{line: "consume orders -e --to 5", err: "two things about the end", code: 2},
		{line: "consume orders -e --group g", err: "shares out partitions", code: 2},
		{line: "consume orders --no-commit", err: "without a group", code: 2},
		{line: "consume orders -e -p 7", err: `has no partition 7; it has 0 to 2`, code: 3},
		{line: "consume orders -e -p 1-0", err: "are no partitions", code: 2},
		{line: "consume orders -e -o xml", err: "is no form", code: 2},
		{line: "consume orders -e --grep (", err: "no regular expression", code: 2},
		{line: "consume nosuch.* --regex -e", err: "no topic fits", code: 3},
		{line: "consume one --from -2 -e", out: "b\r\nc\n", err: "2 records read"},
		{line: "consume one --from 1 --to 3", out: "\nb\r\n", err: "2 records read"},
		{line: "consume one --from 1h -e --grep ^[ab]", out: "a\nb\r\n", err: "4 records read"},
		{line: "consume one --from 2199-01-01 -e", err: "0 records read"},
		{line: "consume o.e --regex -e -n 1", out: "a\n", err: "1 record read"},
		{line: "consume orders --from group:g -e", err: "0 records read"},
		{line: "consume orders --from group:gg -e", err: `did you mean "g"?`, code: 3},
		{line: "produce one --tombstone --key k", err: "1 record written"},
		{line: "consume one --from -1 -e -o ndjson", out: `"offset":4,"timestamp_ms":`, err: "1 record read"},
		{line: "produce one --input ndjson", stdin: `{"key":"a","value":null}` + "\n" + `{"valeu":"b"}`, err: "line 2 is no record", code: 2},
		{line: "produce one --input whole --compression zstd --timestamp 2026-01-31", stdin: "all\nof it\n", err: "1 record written"},
		{line: "consume one --from -1 -e", out: "all\nof it\n\n", err: "1 record read"},
		{line: "produce one --compression rar", err: "no compression", code: 2},
		{line: "produce one --input ndjson --key k", err: "says itself", code: 2},
		{line: "produce one --file /nowhere", err: "no such file", code: 2},
		{line: "consume orders -n 0", err: "--max 0 is no number", code: 2},
		{line: "lag show --group g", out: "    0    -\n"},
		{line: "lag show", out: "g      orders  2 "},
		{line: "lag show --group gg", err: `group "gg" does not exist; did you mean "g"?`, code: 3},
		{line: "lag shwo", err: `lag has no command "shwo"; did you mean "show"?`, code: 2},
	})
}

// TestHeadEndsConsume: what could not be written is not committed, and nothing has failed.
func TestHeadEndsConsume(t *testing.T) {
	addr := cluster(t)
	walk(t, addr, []step{
		{line: "topic create one --partitions 1", out: "created"},
		{line: "produce one", stdin: "a\nb\n", err: "2 records written"},
	})
	p := Process{In: strings.NewReader(""), Out: closed{}, Err: io.Discard, Getenv: at(addr)}
	if code := Run(strings.Fields("consume one --group g"), p); code != 0 {
		t.Errorf("exit code %d", code)
	}
	walk(t, addr, []step{{line: "consume one --group g -n 2", out: "a\nb\n", err: "2 records read and committed"}})
}

// closed is a pipe that nobody reads any more.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestStdinThatFails: what was read before goes in, and the fault is told.
func TestStdinThatFails(t *testing.T) {
	addr := cluster(t)
	walk(t, addr, []step{{line: "topic create one --partitions 1", out: "created"}})
	var errs strings.Builder
	in := io.MultiReader(strings.NewReader("a\nb\n"), broken{})
	code := Run([]string{"produce", "one"}, Process{In: in, Out: io.Discard, Err: &errs, Getenv: at(addr)})
	if code != client.Other.Exit() || !strings.Contains(errs.String(), "2 records written") || !strings.Contains(errs.String(), "cannot read the input: disk on fire") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	walk(t, addr, []step{{line: "consume one -n 2", out: "a\nb\n", err: "2 records read"}})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
