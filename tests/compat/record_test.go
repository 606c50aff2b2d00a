package compat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A recording is what Kafka answered to one suite: a line per case and run of lanes,
// in the order of the cases.
type recording map[string][]answer

type recordedLine struct {
	Case     string `json:"case"`
	Versions string `json:"versions"`
	Answer   any    `json:"answer"`
}

func recordingPath(suite string) string { return filepath.Join("testdata", suite+".jsonl") }

func writeRecording(s *suite, r recording) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for i := range s.cases {
		for _, a := range r[s.cases[i].name] {
			if err := encoder.Encode(recordedLine{s.cases[i].name, span(a.From, a.To), a.Answer}); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(recordingPath(s.name), out.Bytes(), 0o644)
}

func readRecording(suite string) (recording, error) {
	data, err := os.ReadFile(recordingPath(suite))
	if err != nil {
		return nil, err
	}
	out := make(recording)
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber()
		var l recordedLine
		if err := decoder.Decode(&l); err != nil {
			return nil, fmt.Errorf("%s: %w", suite, err)
		}
		from, to, err := parseSpan(l.Versions)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", suite, l.Case, err)
		}
		out[l.Case] = append(out[l.Case], answer{from, to, l.Answer})
	}
	return out, lines.Err()
}

// at is the answer of a lane; ok is false if there is none.
func at(answers []answer, lane int16) (any, bool) {
	for _, a := range answers {
		if lane >= a.From && lane <= a.To {
			return a.Answer, true
		}
	}
	return nil, false
}
