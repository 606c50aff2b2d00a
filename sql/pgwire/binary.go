package pgwire

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/value"
)

// Days and µs between 1970 and 2000, from which PostgreSQL counts.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86_400_000_000
)

// appendBinary appends a value that is not NULL in the binary form of its type.
func appendBinary(b []byte, v value.Value, t value.Type) ([]byte, error) {
	if t.Array() {
		return appendArray(b, v, t)
	}
	switch t {
	case value.TJSONB:
		return v.AppendText(append(b, 1)), nil
	case value.TJSON, value.TText, value.TName, value.TChar, value.Unknown, value.Dynamic:
		return v.AppendText(b), nil
	case value.TBytea:
		return append(b, v.S...), nil
	case value.TUUID:
		raw, err := hex.DecodeString(strings.ReplaceAll(v.S, "-", ""))
		if err != nil || len(raw) != 16 {
			return nil, value.Errorf(value.InvalidText, "invalid input syntax for type uuid: %q", v.S)
		}
		return append(b, raw...), nil
	}
	v, err := value.Cast(v, t)
	if err != nil {
		return nil, err
	}
	switch t {
	case value.TBool:
		return append(b, byte(v.N)), nil
	case value.TInt8:
		return be.AppendUint64(b, uint64(v.N)), nil
	case value.TFloat8:
		return be.AppendUint64(b, math.Float64bits(v.Float())), nil
	case value.TNumeric:
		return appendNumeric(b, v), nil
	case value.TTimestamp, value.TTimestamptz:
		return be.AppendUint64(b, uint64(v.N-epochMicros)), nil
	case value.TDate:
		return be.AppendUint32(b, uint32(v.N-epochDays)), nil
	case value.TInterval:
		b = be.AppendUint64(b, uint64(v.N))
		return be.AppendUint32(be.AppendUint32(b, uint32(v.X)), uint32(int32(v.Scale))), nil
	}
	return be.AppendUint32(b, uint32(v.N)), nil // int4 and numbers of things
}

// appendNumeric has digits to base 10,000: number of them, weight of the first, sign, scale.
func appendNumeric(b []byte, v value.Value) []byte {
	text := v.String()
	sign := uint16(0)
	if strings.HasPrefix(text, "-") {
		sign, text = 0x4000, text[1:]
	}
	whole, part, _ := strings.Cut(text, ".")
	scale := len(part)
	whole = strings.TrimLeft(whole, "0")
	whole = strings.Repeat("0", (4-len(whole)%4)%4) + whole
	part += strings.Repeat("0", (4-len(part)%4)%4)
	weight := len(whole)/4 - 1
	all := whole + part
	for strings.HasPrefix(all, "0000") {
		all = all[4:]
		weight--
	}
	for strings.HasSuffix(all, "0000") {
		all = all[:len(all)-4]
	}
	if all == "" {
		weight, sign = 0, 0
	}
	b = be.AppendUint16(b, uint16(len(all)/4))
	b = be.AppendUint16(b, uint16(int16(weight)))
	b = be.AppendUint16(be.AppendUint16(b, sign), uint16(scale))
	for i := 0; i < len(all); i += 4 {
		n, _ := strconv.Atoi(all[i : i+4]) // four digits
		b = be.AppendUint16(b, uint16(n))
	}
	return b
}

func parseNumeric(b []byte) (value.Value, bool) {
	if len(b) < 8 {
		return value.Value{}, false
	}
	n, weight, sign, scale := int(be.Uint16(b)), int(int16(be.Uint16(b[2:]))), be.Uint16(b[4:]), int(be.Uint16(b[6:]))
	if sign != 0 && sign != 0x4000 || len(b) != 8+2*n || scale > 1000 || weight > 1000 || weight < -1000 || n > 1000 {
		return value.Value{}, false
	}
	m := new(big.Int)
	for i := range n {
		m.Mul(m, big.NewInt(10_000)).Add(m, big.NewInt(int64(be.Uint16(b[8+2*i:]))))
	}
	// m * 10000^(weight-n+1), with scale digits behind the point.
	exp := 4*(weight-n+1) + scale
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		m.Mul(m, ten)
	} else {
		m.Quo(m, ten)
	}
	text := m.String()
	if scale > 0 {
		text = strings.Repeat("0", max(scale+1-len(text), 0)) + text
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if sign != 0 {
		text = "-" + text
	}
	v, err := value.Cast(value.OfText(text), value.TNumeric)
	return v, err == nil
}

func appendArray(b []byte, v value.Value, t value.Type) ([]byte, error) {
	from := len(b)
	b = append(b, make([]byte, 20)...)
	be.PutUint32(b[from:], 1)
	be.PutUint32(b[from+8:], t.Elem().OID())
	be.PutUint32(b[from+16:], 1)
	n := uint32(0)
	for e := range value.Elements(v.S) {
		n++
		if e.IsNull() {
			be.PutUint32(b[from+4:], 1)
			b = be.AppendUint32(b, math.MaxUint32)
			continue
		}
		at := len(b)
		b = be.AppendUint32(b, 0)
		var err error
		if b, err = appendBinary(b, e, t.Elem()); err != nil {
			return nil, err
		}
		be.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	if n == 0 {
		be.PutUint32(b[from:], 0)
		return b[:from+12], nil
	}
	be.PutUint32(b[from+12:], n)
	return b, nil
}

// oids are types by their numbers on the wire.
var oids = func() map[uint32]value.Type {
	m := map[uint32]value.Type{21: value.TInt4, 700: value.TFloat8, 1043: value.TText, 1042: value.TText}
	for t := value.TBool; t <= value.TRegtype; t++ {
		m[t.OID()] = t
	}
	return m
}()

// typeOf is a type by its number; Unknown: it is found out from where it is used.
func typeOf(oid uint32) value.Type { return oids[oid] }

// parseBinary reads a parameter in the binary form of its type. Whole numbers and float8 also
// come shorter than the type has it.
func parseBinary(b []byte, t value.Type) (value.Value, error) {
	bad := value.Errorf("22P03", "incorrect binary data format for a parameter of type %s", t)
	if t.Array() {
		return parseArray(b, t, bad)
	}
	switch t {
	case value.TBool:
		if len(b) != 1 {
			return value.Value{}, bad
		}
		return value.OfBool(b[0] != 0), nil
	case value.TFloat8:
		switch len(b) {
		case 4:
			return value.OfFloat(float64(math.Float32frombits(be.Uint32(b)))), nil
		case 8:
			return value.OfFloat(math.Float64frombits(be.Uint64(b))), nil
		}
		return value.Value{}, bad
	case value.TNumeric:
		v, ok := parseNumeric(b)
		if !ok {
			return value.Value{}, bad
		}
		return v, nil
	case value.TInterval:
		if len(b) != 16 {
			return value.Value{}, bad
		}
		return value.OfInterval(int16(be.Uint32(b[12:])), int32(be.Uint32(b[8:])), int64(be.Uint64(b))), nil
	case value.TBytea:
		return value.Value{K: value.Bytes, S: string(b)}, nil
	case value.TUUID:
		if len(b) != 16 {
			return value.Value{}, bad
		}
		h := hex.EncodeToString(b)
		return value.OfText(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
	case value.TJSONB:
		if len(b) == 0 || b[0] != 1 {
			return value.Value{}, bad
		}
		return value.Cast(value.OfText(string(b[1:])), t)
	case value.TJSON, value.TText, value.TName, value.TChar, value.Unknown, value.Dynamic:
		return value.Cast(value.OfText(string(b)), t)
	}
	n, ok := whole(b)
	if !ok {
		return value.Value{}, bad
	}
	switch t {
	case value.TTimestamp, value.TTimestamptz:
		return value.OfTime(n + epochMicros), nil
	case value.TDate:
		return value.Value{K: value.Date, N: n + epochDays}, nil
	}
	return value.OfInt(n), nil
}

func whole(b []byte) (int64, bool) {
	switch len(b) {
	case 2:
		return int64(int16(be.Uint16(b))), true
	case 4:
		return int64(int32(be.Uint32(b))), true
	case 8:
		return int64(be.Uint64(b)), true
	}
	return 0, false
}

func parseArray(b []byte, t value.Type, bad error) (value.Value, error) {
	if len(b) < 12 {
		return value.Value{}, bad
	}
	dims := be.Uint32(b)
	if dims == 0 {
		return value.Value{K: value.Array, S: "[]"}, nil
	}
	if dims != 1 || len(b) < 20 {
		return value.Value{}, bad
	}
	n := be.Uint32(b[12:])
	b = b[20:]
	out := []byte{'['}
	for i := range n {
		if len(b) < 4 {
			return value.Value{}, bad
		}
		size := int32(be.Uint32(b))
		b = b[4:]
		if i > 0 {
			out = append(out, ',')
		}
		if size < 0 {
			out = append(out, "null"...)
			continue
		}
		if int(size) > len(b) {
			return value.Value{}, bad
		}
		v, err := parseBinary(b[:size], t.Elem())
		if err != nil {
			return value.Value{}, err
		}
		out = v.AppendJSON(out)
		b = b[size:]
	}
	return value.Value{K: value.Array, S: string(append(out, ']'))}, nil
}
