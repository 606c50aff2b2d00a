// Package value has the values of SQL: their kinds and types, arithmetic, order, and their
// forms as text and JSON. It is pure.
package value

import (
	"math"
	"strconv"
)

// Kind is what a value is while a query runs. The order is that of dynamic values:
// bool, number, text, json.
type Kind uint8

// The kinds. A number that came out of JSON is Numeric; Int is int4 or int8.
const (
	Null Kind = iota
	Bool
	Int
	Numeric
	Float
	Text
	JSON
	Time // timestamp and timestamptz: µs since 1970
	Date // days since 1970
	Interval
	Bytes
	Array // its JSON text
)

// Value is one value. Text lies where it was found: who keeps a value beyond the batch that
// it came with clones it. The zero value is NULL.
type Value struct {
	K     Kind
	Scale int16 // Numeric: digits behind the point; Interval: months
	X     int32 // Interval: days
	N     int64 // Bool, Int, Time, Date; Numeric: mantissa; Float: bits; Interval: µs
	S     string
	// A Numeric whose mantissa needs more than 18 digits has it in S, in decimal.
}

// OfBool is a bool.
func OfBool(b bool) Value {
	if b {
		return Value{K: Bool, N: 1}
	}
	return Value{K: Bool}
}

// OfInt is an int8.
func OfInt(n int64) Value { return Value{K: Int, N: n} }

// OfFloat is a float8.
func OfFloat(f float64) Value { return Value{K: Float, N: int64(math.Float64bits(f))} }

// OfText is a text.
func OfText(s string) Value { return Value{K: Text, S: s} }

// OfJSON is a piece of JSON.
func OfJSON(s string) Value { return Value{K: JSON, S: s} }

// OfTime is a timestamp in µs since 1970.
func OfTime(us int64) Value { return Value{K: Time, N: us} }

// OfInterval is an interval.
func OfInterval(months int16, days int32, us int64) Value {
	return Value{K: Interval, Scale: months, X: days, N: us}
}

// IsNull says whether a value is NULL.
func (v Value) IsNull() bool { return v.K == Null }

// True says whether a value is the bool true.
func (v Value) True() bool { return v.K == Bool && v.N != 0 }

// Number says whether a value is a number.
func (v Value) Number() bool { return v.K == Int || v.K == Numeric || v.K == Float }

// Float is a number as float8.
func (v Value) Float() float64 {
	switch v.K {
	case Float:
		return math.Float64frombits(uint64(v.N))
	case Int:
		return float64(v.N)
	case Numeric:
		if v.S == "" && v.Scale == 0 {
			return float64(v.N)
		}
		if v.S == "" && v.Scale <= 22 && v.N > -1<<53 && v.N < 1<<53 {
			return float64(v.N) / pow10f[v.Scale] // both exact: the quotient is rounded once
		}
		f, _ := strconv.ParseFloat(v.String(), 64)
		return f
	}
	return 0
}

// Size is what a kept value takes in memory, in bytes.
func (v Value) Size() int64 { return 32 + int64(len(v.S)) }

// Type is what is known of an expression before a query runs.
type Type uint8

// The types. Unknown is a string literal or NULL, which becomes what is needed beside it;
// Dynamic is what comes out of JSON.
const (
	Unknown Type = iota
	Dynamic
	TBool
	TInt4
	TInt8
	TNumeric
	TFloat8
	TText
	TJSON
	TJSONB
	TTimestamp
	TTimestamptz
	TDate
	TInterval
	TBytea
	TUUID
	TInt8Array
	TFloat8Array
	TTextArray
	TBoolArray
	TNumericArray
	TName
	TOID
	TChar
	TRegproc
	TRegclass
	TRegtype
)

var types = [...]struct {
	name string
	oid  uint32
	size int16
}{
	Unknown: {"text", 25, -1}, Dynamic: {"dynamic", 25, -1}, TBool: {"boolean", 16, 1}, TInt4: {"integer", 23, 4},
	TInt8: {"bigint", 20, 8}, TNumeric: {"numeric", 1700, -1}, TFloat8: {"double precision", 701, 8}, TText: {"text", 25, -1},
	TJSON: {"json", 114, -1}, TJSONB: {"jsonb", 3802, -1}, TTimestamp: {"timestamp without time zone", 1114, 8},
	TTimestamptz: {"timestamp with time zone", 1184, 8}, TDate: {"date", 1082, 4}, TInterval: {"interval", 1186, 16},
	TBytea: {"bytea", 17, -1}, TUUID: {"uuid", 2950, 16}, TInt8Array: {"bigint[]", 1016, -1}, TFloat8Array: {"double precision[]", 1022, -1},
	TTextArray: {"text[]", 1009, -1}, TBoolArray: {"boolean[]", 1000, -1}, TNumericArray: {"numeric[]", 1231, -1},
	TName: {"name", 19, 64}, TOID: {"oid", 26, 4}, TChar: {"\"char\"", 18, 1}, TRegproc: {"regproc", 24, 4},
	TRegclass: {"regclass", 2205, 4}, TRegtype: {"regtype", 2206, 4},
}

// String is the type's name as PostgreSQL says it.
func (t Type) String() string { return types[t].name }

// OID is the type's number on PostgreSQL's wire.
func (t Type) OID() uint32 { return types[t].oid }

// Size is the type's length on the wire, -1 if it varies.
func (t Type) Size() int16 { return types[t].size }

// Textual says whether values of the type are texts.
func (t Type) Textual() bool {
	return t == TText || t == Unknown || t == TName || t == TChar || t == TUUID
}

// Numeric says whether values of the type are numbers.
func (t Type) Numeric() bool {
	return t == TInt4 || t == TInt8 || t == TNumeric || t == TFloat8 || t == TOID || t == TRegclass || t == TRegproc || t == TRegtype
}

// Array says whether the type is one of arrays.
func (t Type) Array() bool { return t >= TInt8Array && t <= TNumericArray }

// Elem is the type of an array's elements.
func (t Type) Elem() Type {
	switch t {
	case TInt8Array:
		return TInt8
	case TFloat8Array:
		return TFloat8
	case TBoolArray:
		return TBool
	case TNumericArray:
		return TNumeric
	}
	return TText
}

// ArrayOf is the array type that holds a type.
func ArrayOf(t Type) Type {
	switch t {
	case TInt4, TInt8:
		return TInt8Array
	case TFloat8:
		return TFloat8Array
	case TBool:
		return TBoolArray
	case TNumeric, Dynamic:
		return TNumericArray
	}
	return TTextArray
}

// typeNames are the names by which a statement may call types.
var typeNames = map[string]Type{
	"bool": TBool, "boolean": TBool, "int": TInt4, "integer": TInt4, "int4": TInt4, "int2": TInt4, "smallint": TInt4,
	"int8": TInt8, "bigint": TInt8, "numeric": TNumeric, "decimal": TNumeric, "float8": TFloat8, "double": TFloat8,
	"double precision": TFloat8, "float": TFloat8, "float4": TFloat8, "real": TFloat8, "text": TText, "varchar": TText, "string": TText,
	"char": TText, "character": TText, "character varying": TText, "bpchar": TText, "json": TJSON, "jsonb": TJSONB, "timestamp": TTimestamp,
	"timestamptz": TTimestamptz, "timestamp with time zone": TTimestamptz, "timestamp without time zone": TTimestamp,
	"date": TDate, "interval": TInterval, "bytea": TBytea, "bytes": TBytea, "uuid": TUUID, "name": TName, "oid": TOID,
	"regproc": TRegproc, "regclass": TRegclass, "regtype": TRegtype,
}

// ParseType finds a type by its name, in lower case.
func ParseType(name string) (Type, bool) {
	t, ok := typeNames[name]
	return t, ok
}

// Clone is a value that shares no memory with the batch it came with.
func (v Value) Clone() Value {
	if v.S != "" {
		v.S = string(append([]byte(nil), v.S...))
	}
	return v
}
