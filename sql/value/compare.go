package value

import (
	"cmp"
	"math"
	"math/big"
	"strings"
)

// rank orders kinds: bool, number, text, json.
func rank(k Kind) int {
	switch k {
	case Bool:
		return 1
	case Int, Numeric, Float:
		return 2
	case Text, Bytes:
		return 3
	case JSON, Array:
		return 4
	}
	return 5
}

// Compare orders two values that are not NULL: within a kind by value, else by kind. NaN
// equals itself and is the largest number; text compares bytewise.
func Compare(a, b Value) int {
	ra, rb := rank(a.K), rank(b.K)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch ra {
	case 2:
		return compareNumbers(a, b)
	case 3, 4:
		return strings.Compare(a.S, b.S)
	}
	if a.K == Interval || b.K == Interval {
		return compareIntervals(a, b)
	}
	if a.K != b.K { // a date with a timestamp
		return cmp.Compare(a.micros(), b.micros())
	}
	return cmp.Compare(a.N, b.N)
}

func (v Value) micros() int64 {
	if v.K == Date {
		return v.N * dayMicros
	}
	return v.N
}

func compareIntervals(a, b Value) int {
	if a.K != b.K {
		return cmp.Compare(a.K, b.K)
	}
	days := func(v Value) int64 { return int64(v.Scale)*30 + int64(v.X) + v.N/dayMicros }
	if c := cmp.Compare(days(a), days(b)); c != 0 {
		return c
	}
	return cmp.Compare(a.N%dayMicros, b.N%dayMicros)
}

func compareNumbers(a, b Value) int {
	if a.K == Float || b.K == Float {
		x, y := a.Float(), b.Float()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		case x == y:
			return 0
		case math.IsNaN(x) && math.IsNaN(y):
			return 0
		case math.IsNaN(x):
			return 1
		}
		return -1
	}
	if a.K == Int && b.K == Int {
		return cmp.Compare(a.N, b.N)
	}
	a, b = a.numeric(), b.numeric()
	if x, y, _, ok := aligned(a, b); ok {
		return cmp.Compare(x, y)
	}
	x, y, _ := alignedBig(a, b)
	return x.Cmp(y)
}

// Key appends to b a form of v that is equal for what GROUP BY takes for equal: 1 and 1.0
// are, "1" is another; -0 equals 0, NaN itself, NULL itself.
func (v Value) Key(b []byte) []byte {
	switch v.K {
	case Null:
		return append(b, 0)
	case Int, Numeric, Float:
		return v.numberKey(b)
	case Text, JSON, Bytes, Array:
		n := len(v.S)
		b = append(b, byte(v.K), byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		return append(b, v.S...)
	case Interval:
		n := int64(v.Scale)*30*dayMicros + int64(v.X)*dayMicros + v.N
		return append64(append(b, byte(v.K)), n)
	case Date:
		return append64(append(b, byte(Time)), v.micros())
	}
	return append64(append(b, byte(v.K)), v.N)
}

func append64(b []byte, n int64) []byte {
	return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n>>32), byte(n>>40), byte(n>>48), byte(n>>56))
}

// numberKey is one form for every number: a whole one as int64, others by their float8, and
// what needs more digits than that by its decimal without trailing zeros.
func (v Value) numberKey(b []byte) []byte {
	const whole, float, long = 0x40, 0x41, 0x42
	switch {
	case v.K == Int || v.K == Numeric && v.S == "" && (v.Scale == 0 || v.N == 0):
		return append64(append(b, whole), v.N)
	case v.K == Numeric && v.S == "":
		n, scale := v.N, v.Scale
		for scale > 0 && n%10 == 0 {
			n, scale = n/10, scale-1
		}
		if scale == 0 {
			return append64(append(b, whole), n)
		}
		if n > -1e15 && n < 1e15 && scale <= 15 {
			return append64(append(b, float), int64(math.Float64bits(Decimal(n, scale).Float())))
		}
		return append(appendNumeric(append(b, long), Decimal(n, scale)), 0)
	case v.K == Float:
		f := v.Float()
		if f == math.Trunc(f) && math.Abs(f) < 1<<62 {
			return append64(append(b, whole), int64(f))
		}
		if math.IsNaN(f) {
			f = math.NaN()
		}
		return append64(append(b, float), int64(math.Float64bits(f)))
	}
	m, scale := v.mantissa(), v.Scale
	for ten := big.NewInt(10); scale > 0; scale-- {
		q, r := new(big.Int).QuoRem(m, ten, new(big.Int))
		if r.Sign() != 0 {
			break
		}
		m = q
	}
	if scale == 0 && m.IsInt64() {
		return append64(append(b, whole), m.Int64())
	}
	return append(appendNumeric(append(b, long), Value{K: Numeric, Scale: scale, S: m.String()}), 0)
}
