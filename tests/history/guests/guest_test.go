package guests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/workload"
	"github.com/streamhouse/streamhouse/tests/peers"
)

// scripted makes this test's binary a program that gives one answer to each kind of
// request, and repeats what it is told on standard error.
const scripted = "GUEST_ANSWERS"

func answerAsScripted(script string) {
	var answers map[string]json.RawMessage
	if err := json.Unmarshal([]byte(script), &answers); err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		fmt.Fprintf(os.Stderr, "%s;", strings.TrimSpace(r.Do+" "+r.What))
		answer, ok := answers[r.Do]
		if string(answer) == `"end"` {
			return
		}
		if !ok {
			answer = json.RawMessage("{}")
		}
		fmt.Println(string(answer))
	}
}

// What a library answers becomes an event that claims no more than was said, and the guest
// goes on as its documentation asks for.
func TestAnswersBecomeEvents(t *testing.T) {
	offset := `{"records":[{"offset":7}]}`
	for _, c := range []struct {
		name, answers string
		commit        bool // what is asked for, if it can be
		want          string
		told          string // last
	}{
		{"commit", `{"send":` + offset + `}`, true, "begin ok, produce ok 7, end ok commit=true", "commit"},
		{"abort", `{"send":` + offset + `}`, false, "begin ok, produce ok 7, end ok commit=false", "abort"},
		{"a commit fails", `{"send":` + offset + `,"commit":{"error":"fenced"}}`, true,
			"begin ok, produce ok 7, end unknown commit=true", "commit;drop producer"},
		{"a commit fails, and is to be aborted", `{"send":` + offset + `,"commit":{"error":"timed out","abort":true}}`, true,
			"begin ok, produce ok 7, end unknown commit=true", "commit;abort"},
		{"an abort fails", `{"send":` + offset + `,"abort":{"error":"fenced"}}`, false,
			"begin ok, produce ok 7, end unknown commit=false", "abort;drop producer"},
		{"a record fails", `{"send":{"records":[{"error":"timed out"}]}}`, true, "begin ok, produce unknown -1, end ok commit=false", "abort"},
		{"all records fail", `{"send":{"error":"timed out"}}`, true, "begin ok, produce unknown -1, end ok commit=false", "abort"},
		{"no transaction begins", `{"begin":{"error":"fenced"}}`, true, "", "begin;drop producer"},
		{"a producer can not be dropped", `{"begin":{"error":"fenced"},"drop":{"error":"it hangs"}}`, true, "", "begin;drop producer"},
		{"no producer", `{"open":{"error":"timed out"}}`, true, "", "open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var text bytes.Buffer
			g := acting(t, &text, c.answers)
			if err := g.run(); err != nil {
				t.Fatal(err)
			}
			said := g.program.errors
			txn, err := g.begin()
			if err == nil && txn != "" {
				var good bool
				if good, err = g.send(txn, []outgoing{{to: g.seat.Data[0]}}); err == nil {
					_, err = g.end(txn, good && c.commit, nil)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := g.halt(); err != nil {
				t.Fatal(err)
			}
			if got := shown(t, g.w, &text); got != c.want {
				t.Errorf("events: %s\nwant: %s", got, c.want)
			}
			if got := said.String(); !strings.HasSuffix(got, c.told+";") {
				t.Errorf("told: %s\nwant at the end: %s", got, c.told)
			}
		})
	}
}

// A member whose offsets are refused is given up: its group may have gone on without it, and
// then refuses them for ever.
func TestRefusedOffsets(t *testing.T) {
	var text bytes.Buffer
	g := acting(t, &text, `{"take":{"parts":[{"topic":"topic","records":[{"offset":3,"value":""}]}]},
		"send":{"records":[{"offset":7}]},"offsets":{"error":"unknown member"}}`)
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
	said := g.program.errors
	for range 100 { // a fifth are aborted without offsets
		if err := g.copy(); err != nil {
			t.Fatal(err)
		}
		if g.member == nil {
			break
		}
	}
	if err := g.halt(); err != nil {
		t.Fatal(err)
	}
	if got, want := said.String(), "send;offsets;abort;drop member;"; !strings.HasSuffix(got, want) {
		t.Errorf("told: %s\nwant at the end: %s", got, want)
	}
}

// A program that ends by itself is a fault of the test, which its report shows; what was
// under way is of unknown outcome all the same.
func TestProgramEnds(t *testing.T) {
	var text bytes.Buffer
	g := acting(t, &text, `{"commit":"end"}`)
	txn, err := g.begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = g.end(txn, true, nil); err == nil || !strings.Contains(err.Error(), "told to commit") || !strings.Contains(err.Error(), "open;begin;commit;") {
		t.Errorf("error: %v", err)
	}
	if err := g.halt(); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(t, g.w, &text), "begin ok, end unknown commit=true"; got != want {
		t.Errorf("events: %s\nwant: %s", got, want)
	}
}

// acting is a guest whose program answers as scripted.
func acting(t *testing.T, text *bytes.Buffer, answers string) *Guest {
	t.Helper()
	l := &Library{Name: "acting", Versions: []int{1}, command: func(string) peers.Command {
		return peers.Command{Path: os.Args[0], Env: []string{scripted + "=" + answers}}
	}}
	g := l.New(0)
	at := []workload.Place{{Topic: "topic", TopicID: "1"}}
	g.w, g.random = history.NewWriter(text), rand.New(rand.NewPCG(1, 1))
	g.seat = workload.Seat{Writer: g.w, Data: at, In: at, Out: at, Group: "group"}
	t.Cleanup(func() {
		if err := g.halt(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// shown are the events of a history, in short.
func shown(t *testing.T, w *history.Writer, text *bytes.Buffer) string {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	events, err := history.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		s := fmt.Sprintf("%s %s", e.Op, e.Outcome)
		switch e.Op {
		case history.Close:
			continue
		case history.Produce:
			s += fmt.Sprintf(" %d", e.Offset)
		case history.EndTxn:
			s += fmt.Sprintf(" commit=%t", e.Commit)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}
