package faults

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/guests"
)

// Sum is what happened in one run, or in many.
type Sum struct {
	Length                           time.Duration // of the histories, on their own clocks
	Acknowledged, Committed, Aborted int
	Faults                           map[string]int        // by name
	Guests                           map[string]guests.Did // by library and version of its transactions
}

// Add adds another.
func (s *Sum) Add(o Sum) {
	s.Length += o.Length
	s.Acknowledged += o.Acknowledged
	s.Committed += o.Committed
	s.Aborted += o.Aborted
	if s.Faults == nil {
		s.Faults = map[string]int{}
	}
	for name, n := range o.Faults {
		s.Faults[name] += n
	}
	if s.Guests == nil {
		s.Guests = map[string]guests.Did{}
	}
	for name, did := range o.Guests {
		did.Add(s.Guests[name])
		s.Guests[name] = did
	}
}

// Of counts the faults whose names begin so.
func (s *Sum) Of(prefix string) int {
	all := 0
	for name, n := range s.Faults {
		if strings.HasPrefix(name, prefix) {
			all += n
		}
	}
	return all
}

// String is one line for the totals, and one for each guest and each fault.
func (s *Sum) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%v of histories, %d records acknowledged, %d transactions committed, %d aborted, %d faults",
		s.Length.Round(time.Second), s.Acknowledged, s.Committed, s.Aborted, s.Of(""))
	for _, name := range slices.Sorted(maps.Keys(s.Guests)) {
		fmt.Fprintf(&text, "\n  %-30s %v", name, s.Guests[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Faults)) {
		fmt.Fprintf(&text, "\n  %4d %s", s.Faults[name], name)
	}
	return text.String()
}

// Judge reads a history and says what it shows and what happened in it.
func Judge(r io.Reader) (check.Verdict, Sum, error) {
	events, err := history.Read(r)
	if err != nil {
		return check.Verdict{}, Sum{}, err
	}
	v, err := check.Check(events)
	s := Sum{Acknowledged: v.Counts.Acknowledged, Committed: v.Counts.Committed, Aborted: v.Counts.Aborted, Faults: map[string]int{}}
	for _, e := range events {
		s.Length = max(s.Length, time.Duration(e.End))
		if e.Op == history.Fault {
			s.Faults[e.Fault]++
		}
	}
	return v, s, err
}

// Keep copies a history into a folder, under a name of its own, with what repeats it
// beside it.
func Keep(folder, name, history, report string) (string, error) {
	dir := filepath.Join(folder, strings.ReplaceAll(name, "/", "_"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	from, err := os.Open(history)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	return dir, errors.Join(err, to.Close(), os.WriteFile(filepath.Join(dir, "report.txt"), []byte(report), 0o644))
}
