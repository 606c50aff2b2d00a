package jsonschema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// object is a JSON object whose members keep their order. Other values are what
// encoding/json has for them: nil, bool, string, json.Number, []any.
type object struct {
	names  []string
	values []any
}

func (o *object) get(name string) any {
	if i := slices.Index(o.names, name); i >= 0 {
		return o.values[i]
	}
	return nil
}

// numberMax is how long a number may be (Jackson's bound), and how large its exponent:
// exact decimals grow with it.
const numberMax = 1000

// decode reads one JSON text. Errors are *schema.Invalid with the place.
func decode(text string) (any, error) {
	return schema.ReadJSON(text, func(d *json.Decoder) (any, error) { return (&decoder{d, 0}).value() })
}

type decoder struct {
	*json.Decoder
	depth int
}

func (d *decoder) value() (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if d.depth++; d.depth > schema.DepthMax {
			return nil, fmt.Errorf("brackets are nested more than %d deep", schema.DepthMax)
		}
		defer func() { d.depth-- }()
		if t == '{' {
			return d.object()
		}
		return d.array()
	case json.Number:
		return t, boundNumber(string(t))
	}
	return t, nil
}

func boundNumber(text string) error {
	if len(text) > numberMax {
		return fmt.Errorf("a number has more than %d characters", numberMax)
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if n, err := strconv.Atoi(text[i+1:]); err != nil || n > numberMax || n < -numberMax {
			return fmt.Errorf("the number %s has an exponent beyond %d", text, numberMax)
		}
	}
	return nil
}

func (d *decoder) array() (any, error) {
	out := []any{}
	for d.More() {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

func (d *decoder) object() (any, error) {
	out := &object{}
	at := map[string]int{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		name := t.(string)
		if i, twice := at[name]; twice { // the last value counts, at the first one's place
			out.values[i] = v
			continue
		}
		at[name] = len(out.names)
		out.names = append(out.names, name)
		out.values = append(out.values, v)
	}
	_, err := d.Token()
	return out, err
}

// appendValue writes a value as Jackson does with exact decimals: compact; sorted orders
// members at any depth.
func appendValue(b []byte, v any, sorted bool) []byte {
	switch v := v.(type) {
	case *object:
		b = append(b, '{')
		for i, at := range v.order(sorted) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, v.names[at]), ':')
			b = appendValue(b, v.values[at], sorted)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, v[i], sorted)
		}
		return append(b, ']')
	case string:
		return appendString(b, v)
	case json.Number:
		return appendNumber(b, string(v))
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}

// order has the places of the members in the order in which they are written.
func (o *object) order(sorted bool) []int {
	at := make([]int, len(o.names))
	for i := range at {
		at[i] = i
	}
	if sorted {
		slices.SortFunc(at, func(a, b int) int { return compareUTF16(o.names[a], o.names[b]) })
	}
	return at
}

// compareUTF16 orders strings as Java does, by UTF-16 units: a character beyond the
// basic plane comes before U+E000.
func compareUTF16(a, b string) int {
	if n := commonPrefix(a, b); n < len(a) && n < len(b) && (a[n] >= 0xee || b[n] >= 0xee) {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	}
	return strings.Compare(a, b)
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

const hexDigits = "0123456789ABCDEF"

// appendString escapes what Jackson escapes: quotes, backslashes and control characters.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case strings.IndexByte("\b\t\n\f\r", c) >= 0:
			b = append(b, '\\', "btn\x00fr"[c-'\b'])
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(b, '"')
}

// appendNumber writes what Java's BigDecimal.toString gives for a number with a fraction
// or an exponent; integers stay as they are.
func appendNumber(b []byte, text string) []byte {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return append(b, '0')
		}
		return append(b, text...)
	}
	negative, digits, scale := decimal(text)
	if negative {
		b = append(b, '-')
	}
	return appendDecimal(b, digits, scale)
}

// decimal is a number as digits times 10^-scale.
func decimal(text string) (negative bool, digits string, scale int) {
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		exponent, _ = strconv.Atoi(text[i+1:]) // bounded where it was read
	}
	mantissa, negative = strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		digits, negative = "0", false
	}
	return negative, digits, len(fraction) - exponent
}

// appendExact writes a number so that equal ones are written alike: 1.0 as 1.
func appendExact(b []byte, text string) []byte {
	negative, digits, scale := decimal(text)
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return append(b, '0')
	}
	if negative {
		b = append(b, '-')
	}
	b = append(append(b, short...), 'e')
	return strconv.AppendInt(b, int64(len(digits)-len(short)-scale), 10)
}

// appendDecimal writes digits times 10^-scale.
func appendDecimal(b []byte, digits string, scale int) []byte {
	adjusted := len(digits) - 1 - scale
	switch {
	case scale == 0:
		return append(b, digits...)
	case scale > 0 && adjusted >= -6:
		if n := len(digits) - scale; n > 0 {
			return append(append(append(b, digits[:n]...), '.'), digits[n:]...)
		}
		b = append(b, "0."...)
		b = append(b, strings.Repeat("0", scale-len(digits))...)
		return append(b, digits...)
	}
	b = append(b, digits[0])
	if len(digits) > 1 {
		b = append(append(b, '.'), digits[1:]...)
	}
	if adjusted == 0 {
		return b
	}
	b = append(b, 'E')
	if adjusted > 0 {
		b = append(b, '+')
	}
	return strconv.AppendInt(b, int64(adjusted), 10)
}
