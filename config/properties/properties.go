// Package properties reads the form of java.util.Properties, which Kafka's files of settings
// have: name=value, name:value or name value, comments behind # and !, lines that go on after
// a backslash. It is pure. Bytes are UTF-8, where Java has Latin-1.
package properties

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Property is a name and its value.
type Property struct {
	Line        int // where it begins, from 1
	Name, Value string
}

// Read goes through a text. An error is about the property that comes with it, whose line it
// has, and does not end it.
func Read(text string) iter.Seq2[Property, error] {
	return func(yield func(Property, error) bool) {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		lines := strings.Split(text, "\n")
		for i := 0; i < len(lines); i++ {
			line := strings.TrimLeft(lines[i], blanks)
			p := Property{Line: i + 1}
			if line == "" || line[0] == '#' || line[0] == '!' {
				continue
			}
			for continues(line) && i+1 < len(lines) {
				i++
				line = line[:len(line)-1] + strings.TrimLeft(lines[i], blanks)
			}
			var err error
			p.Name, p.Value, err = property(line)
			if !yield(p, err) {
				return
			}
		}
	}
}

// blanks are what Java skips around a name.
const blanks = " \t\f"

// continues says whether a line ends with a backslash that no other one makes plain.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, "\\")))%2 == 1
}

// property splits a logical line at its first separator that no backslash makes plain.
func property(line string) (name, raw string, err error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=:"+blanks, line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], blanks)
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], blanks)
	}
	name, nameErr := unescape(line[:end])
	raw, rawErr := unescape(rest)
	return name, raw, errors.Join(nameErr, rawErr)
}

// unescape resolves backslashes.
func unescape(text string) (string, error) {
	if !strings.Contains(text, "\\") {
		return text, nil
	}
	var out strings.Builder
	var units []uint16 // of a run of \uXXXX, since two of them can be one letter
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && text[i+1] == 'u' {
			u, err := strconv.ParseUint(text[min(i+2, len(text)):min(i+6, len(text))], 16, 16)
			if err != nil || i+6 > len(text) {
				return "", fmt.Errorf("%s: four hexadecimal digits belong behind \\u", text)
			}
			units = append(units, uint16(u))
			i += 5
			continue
		}
		out.WriteString(string(utf16.Decode(units)))
		units = units[:0]
		if text[i] == '\\' {
			if i++; i == len(text) { // the file ends with it
				break
			}
			out.WriteByte(plain(text[i]))
			continue
		}
		out.WriteByte(text[i])
	}
	out.WriteString(string(utf16.Decode(units)))
	return out.String(), nil
}

// plain is what a letter behind a backslash stands for.
func plain(c byte) byte {
	switch c {
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}
