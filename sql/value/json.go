package value

import (
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// DepthMax is how deep JSON may nest.
const DepthMax = 128

// Skip returns where the JSON value that begins at i (behind spaces) ends, or -1 if there is
// no sound one.
func Skip(s string, i int) int { return skip(s, i, 0) }

// Space returns the first place from i on that is no white space.
func Space(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

func skip(s string, i, depth int) int {
	i = Space(s, i)
	if i >= len(s) || depth > DepthMax {
		return -1
	}
	switch c := s[i]; c {
	case '"':
		return SkipString(s, i)
	case '{', '[':
		return skipNested(s, i, depth)
	case 't':
		return word(s, i, "true")
	case 'f':
		return word(s, i, "false")
	case 'n':
		return word(s, i, "null")
	}
	return skipNumber(s, i)
}

func skipNested(s string, i, depth int) int {
	object := s[i] == '{'
	end := byte(']')
	if object {
		end = '}'
	}
	i = Space(s, i+1)
	if i < len(s) && s[i] == end {
		return i + 1
	}
	for {
		if object {
			if i = Space(s, i); i >= len(s) || s[i] != '"' {
				return -1
			}
			if i = SkipString(s, i); i < 0 {
				return -1
			}
			if i = Space(s, i); i >= len(s) || s[i] != ':' {
				return -1
			}
			i++
		}
		if i = skip(s, i, depth+1); i < 0 {
			return -1
		}
		if i = Space(s, i); i >= len(s) {
			return -1
		}
		switch s[i] {
		case ',':
			i++
		case end:
			return i + 1
		default:
			return -1
		}
	}
}

func word(s string, i int, w string) int {
	if strings.HasPrefix(s[i:], w) {
		return i + len(w)
	}
	return -1
}

func skipNumber(s string, i int) int {
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return -1
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

// SkipString returns where the string that begins at i ends, or -1.
func SkipString(s string, i int) int {
	for i++; i < len(s); i++ {
		// Most strings are short and have no escapes: one pass, byte by byte.
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			i++
			if i >= len(s) {
				return -1
			}
			if s[i] == 'u' {
				if i+4 >= len(s) || hex4(s[i+1:i+5]) < 0 {
					return -1
				}
				i += 4
			} else if strings.IndexByte(`"\/bfnrt`, s[i]) < 0 {
				return -1
			}
		case c < ' ':
			return -1
		}
	}
	return -1
}

func hex4(s string) rune {
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// Unquote is the text of a JSON string, which is sound and with its quotes. It allocates only
// where there are escapes.
func Unquote(s string) string {
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 < len(s)+0 && s[i+1] == '\\' && s[i+2] == 'u' {
					low = hex4(s[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// FromJSON is a piece of sound JSON as a value: null, bool, number (numeric, or float8),
// text, or json.
func FromJSON(s string) Value {
	switch s[0] {
	case '"':
		return OfText(Unquote(s))
	case '{', '[':
		return OfJSON(s)
	case 't':
		return OfBool(true)
	case 'f':
		return OfBool(false)
	case 'n':
		return Value{}
	}
	v, _ := ParseNumber(s)
	return v
}

// Elements are the elements of a JSON array; none if it is no sound one.
func Elements(s string) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for e := range RawElements(s) {
			if !yield(FromJSON(e)) {
				return
			}
		}
	}
}

// RawElements are the elements of a JSON array as they are written.
func RawElements(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		i := Space(s, 0)
		if i >= len(s) || s[i] != '[' {
			return
		}
		i = Space(s, i+1)
		for i < len(s) && s[i] != ']' {
			end := Skip(s, i)
			if end < 0 || !yield(s[i:end]) {
				return
			}
			if i = Space(s, end); i < len(s) && s[i] == ',' {
				i = Space(s, i+1)
			}
		}
	}
}

// Fields are the fields of a JSON object: keys, and values as they are written.
func Fields(s string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		i := Space(s, 0)
		if i >= len(s) || s[i] != '{' {
			return
		}
		i = Space(s, i+1)
		for i < len(s) && s[i] == '"' {
			end := SkipString(s, i)
			if end < 0 {
				return
			}
			key := Unquote(s[i:end])
			if i = Space(s, end); i >= len(s) || s[i] != ':' {
				return
			}
			i = Space(s, i+1)
			if end = Skip(s, i); end < 0 || !yield(key, s[i:end]) {
				return
			}
			if i = Space(s, end); i < len(s) && s[i] == ',' {
				i = Space(s, i+1)
			}
		}
	}
}
