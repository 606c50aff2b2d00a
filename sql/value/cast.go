package value

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// Cast makes of a value that is not NULL one of type t.
func Cast(v Value, t Type) (Value, error) {
	if v.K == Text {
		return fromText(v.S, t)
	}
	bad := func() (Value, error) {
		return Value{}, Errorf("42846", "cannot cast %s to %s", kindNames[v.K], t)
	}
	switch t {
	case Unknown, Dynamic:
		return v, nil
	case TText, TName, TChar, TUUID:
		return OfText(v.String()), nil
	case TBool:
		switch v.K {
		case Bool:
			return v, nil
		case Int:
			return OfBool(v.N != 0), nil
		}
		return bad()
	case TInt4, TInt8, TOID, TRegclass, TRegproc, TRegtype:
		if v.K == Bool {
			return OfInt(v.N), nil
		}
		if !v.Number() {
			return bad()
		}
		n, err := ToInt(v)
		if err == nil && t == TInt4 && (n.N > math.MaxInt32 || n.N < math.MinInt32) {
			return Value{}, Errorf(OutOfRange, "integer out of range")
		}
		return n, err
	case TNumeric:
		if !v.Number() {
			return bad()
		}
		return ToNumeric(v)
	case TFloat8:
		if !v.Number() {
			return bad()
		}
		return OfFloat(v.Float()), nil
	case TJSON, TJSONB:
		return OfJSON(string(v.AppendJSON(nil))), nil
	case TTimestamp, TTimestamptz:
		switch v.K {
		case Time:
			return v, nil
		case Date:
			return OfTime(v.micros()), nil
		}
		return bad()
	case TDate:
		switch v.K {
		case Time:
			return DateOf(v.N), nil
		case Date:
			return v, nil
		}
		return bad()
	case TInterval:
		if v.K == Interval {
			return v, nil
		}
		return bad()
	case TBytea:
		if v.K == Bytes {
			return v, nil
		}
		return bad()
	}
	if v.K == JSON || v.K == Array {
		return Value{K: Array, S: v.S}, nil
	}
	return bad()
}

var kindNames = [...]string{"NULL", "boolean", "bigint", "numeric", "double precision", "text", "json", "timestamp", "date", "interval", "bytea", "array"}

func fromText(s string, t Type) (Value, error) {
	bad := Errorf(InvalidText, "invalid input syntax for type %s: %q", t, s)
	trimmed := strings.TrimSpace(s)
	switch t {
	case Unknown, Dynamic, TText, TName, TChar, TUUID:
		return OfText(s), nil
	case TBool:
		switch strings.ToLower(trimmed) {
		case "t", "true", "yes", "y", "on", "1":
			return OfBool(true), nil
		case "f", "false", "no", "n", "off", "0":
			return OfBool(false), nil
		}
		return Value{}, bad
	case TInt4, TInt8, TOID, TRegclass, TRegproc, TRegtype:
		n, err := strconv.ParseInt(trimmed, 10, 64)
		if err != nil {
			if strings.Contains(err.Error(), "range") {
				return Value{}, Errorf(OutOfRange, "value %q is out of range for type %s", s, t)
			}
			return Value{}, bad
		}
		return Cast(OfInt(n), t)
	case TNumeric:
		v, ok := ParseNumber(trimmed)
		if !ok {
			return Value{}, bad
		}
		return ToNumeric(v)
	case TFloat8:
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil {
			return Value{}, bad
		}
		return OfFloat(f), nil
	case TJSON, TJSONB:
		if end := Skip(s, 0); end < 0 || Space(s, end) != len(s) {
			return Value{}, bad
		}
		return OfJSON(s), nil
	case TTimestamp, TTimestamptz:
		return ParseTime(s)
	case TDate:
		v, err := ParseTime(s)
		if err != nil {
			return Value{}, err
		}
		return DateOf(v.N), nil
	case TInterval:
		return ParseInterval(s)
	case TBytea:
		if rest, ok := strings.CutPrefix(s, `\x`); ok {
			b, err := hex.DecodeString(rest)
			if err != nil {
				return Value{}, bad
			}
			return Value{K: Bytes, S: string(b)}, nil
		}
		return Value{K: Bytes, S: s}, nil
	}
	return arrayFromText(s, t)
}

// arrayFromText reads {1,2} and [1,2].
func arrayFromText(s string, t Type) (Value, error) {
	s = strings.TrimSpace(s)
	bad := Errorf(InvalidText, "malformed array literal: %q", s)
	if strings.HasPrefix(s, "[") {
		if end := Skip(s, 0); end != len(s) {
			return Value{}, bad
		}
		return Value{K: Array, S: s}, nil
	}
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return Value{}, bad
	}
	b := []byte{'['}
	for rest := s[1 : len(s)-1]; rest != ""; {
		item, quoted := "", false
		if rest[0] == '"' {
			quoted = true
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' {
					i++
				}
				if i < len(rest) {
					item += rest[i : i+1]
				}
			}
			if i >= len(rest) {
				return Value{}, bad
			}
			rest = rest[i+1:]
		} else {
			n := strings.IndexByte(rest, ',')
			if n < 0 {
				n = len(rest)
			}
			item, rest = rest[:n], rest[n:]
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		e := Value{}
		if quoted || !strings.EqualFold(item, "null") {
			var err error
			if e, err = fromText(item, t.Elem()); err != nil {
				return Value{}, err
			}
		}
		b = e.AppendJSON(b)
		if rest != "" && rest[0] != ',' {
			return Value{}, bad
		}
		rest = strings.TrimPrefix(rest, ",")
	}
	return Value{K: Array, S: string(append(b, ']'))}, nil
}
