package value

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// String is the value as text, as PostgreSQL's wire and casts have it.
func (v Value) String() string {
	if v.K == Text || v.K == JSON || v.K == Array {
		return v.S
	}
	return string(v.AppendText(nil))
}

// AppendText appends the value as text; nothing for NULL.
func (v Value) AppendText(b []byte) []byte {
	switch v.K {
	case Bool:
		if v.N != 0 {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case Int:
		return strconv.AppendInt(b, v.N, 10)
	case Numeric:
		return appendNumeric(b, v)
	case Float:
		return appendFloat(b, v.Float())
	case Text, JSON, Array:
		return append(b, v.S...)
	case Time:
		return appendTime(b, v.N, true)
	case Date:
		return time.Unix(v.N*86400, 0).UTC().AppendFormat(b, "2006-01-02")
	case Interval:
		return appendInterval(b, v)
	case Bytes:
		return hex.AppendEncode(append(b, '\\', 'x'), []byte(v.S))
	}
	return b
}

// AppendTyped appends the value as PostgreSQL shows it in a column of type t.
func (v Value) AppendTyped(b []byte, t Type) []byte {
	switch {
	case v.K == Bool && t == TBool:
		if v.N != 0 {
			return append(b, 't')
		}
		return append(b, 'f')
	case v.K == Time && t == TTimestamp:
		return appendTime(b, v.N, false)
	case v.K == Array && t.Array():
		return appendArray(b, v.S)
	}
	return v.AppendText(b)
}

func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case f != 0 && (math.Abs(f) < 1e-4 || math.Abs(f) >= 1e15):
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// appendArray turns a JSON array into PostgreSQL's text form: {1,"a b",NULL}.
func appendArray(b []byte, s string) []byte {
	b = append(b, '{')
	first := true
	for e := range Elements(s) {
		if !first {
			b = append(b, ',')
		}
		first = false
		switch {
		case e.K == Null:
			b = append(b, "NULL"...)
		case e.K == Text || e.K == JSON:
			b = append(b, '"')
			b = append(b, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(e.S)...)
			b = append(b, '"')
		default:
			b = e.AppendText(b)
		}
	}
	return append(b, '}')
}

// AppendJSON appends the value as JSON. Times are RFC 3339, what JSON has no number for is
// a string.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.K {
	case Null:
		return append(b, "null"...)
	case Bool, Int, Numeric:
		return v.AppendText(b)
	case Float:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return append(v.AppendText(append(b, '"')), '"')
		}
		return v.AppendText(b)
	case JSON, Array:
		return append(b, v.S...)
	case Time:
		b = append(b, '"')
		b = time.UnixMicro(v.N).UTC().AppendFormat(b, "2006-01-02T15:04:05.999999Z07:00")
		return append(b, '"')
	}
	return AppendQuoted(b, v.String())
}

// AppendQuoted appends a text as a JSON string. What is no UTF-8 becomes U+FFFD.
func AppendQuoted(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
