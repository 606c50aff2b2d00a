package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLineBytes bounds one event: a poll of a few ten thousand records.
const maxLineBytes = 64 << 20

// Read reads a whole history and refuses anything that a Writer would not have written:
// unknown fields, impossible events, a missing or wrong last line. The last line is not
// among the events that it returns.
func Read(r io.Reader) ([]Event, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLineBytes)
	var events []Event
	for n := 1; lines.Scan(); n++ {
		e, err := readLine(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if e.Op != Close {
			events = append(events, e)
			continue
		}
		if e.Count != int64(len(events)) {
			return nil, fmt.Errorf("line %d: %d events, the last line says %d", n, len(events), e.Count)
		}
		if lines.Scan() {
			return nil, fmt.Errorf("line %d: more after the last line", n+1)
		}
		return events, lines.Err()
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("history breaks off after %d events: %w", len(events), io.ErrUnexpectedEOF)
}

func readLine(line []byte) (Event, error) {
	var e Event
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return e, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("more than one value")
	}
	return e, e.Validate()
}
