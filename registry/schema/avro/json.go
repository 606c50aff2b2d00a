package avro

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// value is a JSON value whose members keep their order.
type value struct {
	kind    byte // '{' '[' '"' '0' 't' 'f' 'n'
	text    string
	members []member
	items   []value
}

type member struct {
	name  string
	value value
}

func (v *value) get(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return &v.members[i].value
		}
	}
	return nil
}

// decode reads one JSON text. Errors are *schema.Invalid with the place.
func decode(text string) (value, error) {
	return schema.ReadJSON(text, func(d *json.Decoder) (value, error) { return (&decoder{d, 0}).value() })
}

type decoder struct {
	*json.Decoder
	depth int
}

func (d *decoder) value() (value, error) {
	t, err := d.Token()
	if err != nil {
		return value{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		if d.depth++; d.depth > schema.DepthMax {
			return value{}, errors.New("brackets are nested too deeply")
		}
		v, err := d.composite(byte(t))
		d.depth--
		return v, err
	case string:
		return value{kind: '"', text: t}, nil
	case json.Number:
		return value{kind: '0', text: string(t)}, nil
	case bool:
		if t {
			return value{kind: 't', text: "true"}, nil
		}
		return value{kind: 'f', text: "false"}, nil
	}
	return value{kind: 'n', text: "null"}, nil
}

func (d *decoder) composite(kind byte) (value, error) {
	v := value{kind: kind}
	var at map[string]int // of members, once there are many
	for d.More() {
		var key string
		if kind == '{' {
			t, err := d.Token()
			if err != nil {
				return v, err
			}
			key = t.(string)
		}
		item, err := d.value()
		if err != nil {
			return v, err
		}
		if kind == '[' {
			v.items = append(v.items, item)
			continue
		}
		if at == nil {
			at = map[string]int{}
		}
		if i, twice := at[key]; twice { // the last value counts, at the first one's place
			v.members[i].value = item
			continue
		}
		at[key] = len(v.members)
		v.members = append(v.members, member{key, item})
	}
	_, err := d.Token()
	return v, err
}

// appendValue writes a value as Jackson does: compact, numbers with a fraction or an
// exponent as Java prints a double. sorted orders members, at any depth.
func appendValue(b []byte, v *value, sorted bool) []byte {
	switch v.kind {
	case '{':
		members := v.members
		if sorted {
			members = sortedMembers(members)
		}
		b = append(b, '{')
		for i := range members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, members[i].name), ':')
			b = appendValue(b, &members[i].value, sorted)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, &v.items[i], sorted)
		}
		return append(b, ']')
	case '"':
		return appendString(b, v.text)
	case '0':
		return appendNumber(b, v.text)
	}
	return append(b, v.text...)
}

func sortedMembers(m []member) []member {
	m = slices.Clone(m)
	slices.SortStableFunc(m, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return m
}

const hexDigits = "0123456789ABCDEF"

// appendString escapes what Jackson escapes: quotes, backslashes and control characters.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func appendNumber(b []byte, text string) []byte {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return append(b, '0')
		}
		return append(b, text...)
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range is infinite, as in Java
	return appendDouble(b, f)
}

// appendDouble writes what Java's Double.toString gives (since JDK 19 the shortest digits).
func appendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	case f == 0:
		return strconv.AppendFloat(b, f, 'f', 1, 64)
	}
	if abs := math.Abs(f); abs >= 1e-3 && abs < 1e7 {
		from := len(b)
		b = strconv.AppendFloat(b, f, 'f', -1, 64)
		if !slices.Contains(b[from:], '.') {
			b = append(b, ".0"...)
		}
		return b
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	b = append(b, digits...)
	if !strings.Contains(digits, ".") {
		b = append(b, ".0"...)
	}
	n, _ := strconv.Atoi(exponent)
	return strconv.AppendInt(append(b, 'E'), int64(n), 10)
}

// integral returns a number without a fraction; false for others and for what is no
// number.
func (v *value) integral() (*big.Int, bool) {
	if v.kind != '0' || strings.ContainsAny(v.text, ".eE") {
		return nil, false
	}
	return new(big.Int).SetString(v.text, 10)
}
