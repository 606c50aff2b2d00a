package tools

import (
	"fmt"
	"os"
	"strings"
)

// session is a file of testdata.
type session struct {
	name  string
	steps []*step
}

// step is one command or directive of a session, with what it leads to.
type step struct {
	line     int
	comments []string // with their #
	verb     byte     // $ for a tool, @ for a directive
	words    string   // what follows the verb
	stdin    []string
	kafka    []string // what Apache Kafka leads to
	here     []string // what this broker leads to
	why      string   // why they differ
}

func readSession(name, path string) (*session, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &session{name: name}
	var comments []string
	for n, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if line == "" {
			continue
		}
		mark, rest, _ := strings.Cut(line, " ")
		switch mark {
		case "#":
			comments = append(comments, line)
			continue
		case "$", "@":
			s.steps = append(s.steps, &step{line: n + 1, comments: comments, verb: mark[0], words: rest})
			comments = nil
			continue
		}
		if len(s.steps) == 0 {
			return nil, fmt.Errorf("%s:%d: no command above %q", path, n+1, line)
		}
		if err := s.steps[len(s.steps)-1].add(mark, rest); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
	}
	return s, nil
}

// add takes a line below a command.
func (s *step) add(mark, rest string) error {
	switch mark {
	case "<":
		s.stdin = append(s.stdin, rest)
	case ">":
		s.kafka, s.here = append(s.kafka, rest), append(s.here, rest)
	case "-":
		s.kafka = append(s.kafka, rest)
	case "+":
		s.here = append(s.here, rest)
	case "why:":
		s.why = rest
	default:
		return fmt.Errorf("a line begins with %q", mark)
	}
	return nil
}

// write makes the file anew.
func (s *session) write(path string) error {
	var b strings.Builder
	for i, step := range s.steps {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, c := range step.comments {
			b.WriteString(c + "\n")
		}
		fmt.Fprintf(&b, "%c %s\n", step.verb, step.words)
		for _, line := range step.stdin {
			fmt.Fprintf(&b, "< %s\n", line)
		}
		for _, d := range diff(step.kafka, step.here) {
			b.WriteString(d + "\n")
		}
		if step.why != "" {
			fmt.Fprintf(&b, "why: %s\n", step.why)
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// diff shows two lists of lines as one: "> " both, "- " only a, "+ " only b.
func diff(a, b []string) []string {
	// common[i][j] is the length of the longest common part of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out, i, j = append(out, "> "+a[i]), i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out, i = append(out, "- "+a[i]), i+1
		default:
			out, j = append(out, "+ "+b[j]), j+1
		}
	}
	return out
}

// fields splits a command as a shell would: single quotes keep blanks.
func fields(line string) []string {
	var out []string
	var word strings.Builder
	quoted, open := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, open = !quoted, true
		case r == ' ' && !quoted:
			if open {
				out = append(out, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		out = append(out, word.String())
	}
	return out
}
