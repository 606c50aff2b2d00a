package schema

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// ReadJSON reads a text that is one JSON value, which read takes from the decoder. Numbers
// keep their digits. Errors are *Invalid with line and column.
func ReadJSON[T any](text string, read func(*json.Decoder) (T, error)) (T, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := read(d)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("something follows the schema")
		} else if errors.Is(err, io.EOF) {
			return v, nil
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	bad := Invalidf("not JSON: %v", err)
	at := min(int(d.InputOffset()), len(text))
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = min(int(syntax.Offset), len(text))
	}
	bad.Line = 1 + strings.Count(text[:at], "\n")
	bad.Column = at - strings.LastIndexByte(text[:at], '\n')
	var none T
	return none, bad
}
