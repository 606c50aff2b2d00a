package value

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

var (
	pow10i [19]int64
	pow10f [23]float64
)

func init() {
	p := int64(1)
	for i := range pow10i {
		pow10i[i] = p
		p *= 10
	}
	for i := range pow10f {
		pow10f[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64)
	}
}

// digitsMax is how many digits a numeric may have; what is longer in JSON is float8.
const digitsMax = 38

// scaleMax bounds the digits behind the point.
const scaleMax = 1000

// Decimal is a numeric from mantissa and scale.
func Decimal(mantissa int64, scale int16) Value { return Value{K: Numeric, N: mantissa, Scale: scale} }

func ofBig(m *big.Int, scale int16) Value {
	if m.IsInt64() {
		if n := m.Int64(); n > -1e18 && n < 1e18 {
			return Decimal(n, scale)
		}
	}
	return Value{K: Numeric, Scale: scale, S: m.String()}
}

func (v Value) mantissa() *big.Int {
	if v.S == "" || v.K != Numeric {
		return big.NewInt(v.N)
	}
	m, _ := new(big.Int).SetString(v.S, 10)
	return m
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// ParseNumber reads a number as JSON has it (and a sign + or a leading point): a numeric, or
// float8 with an exponent or beyond 38 digits. It allocates nothing up to 18 digits.
func ParseNumber(s string) (Value, bool) {
	i, negative := 0, false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		negative = s[i] == '-'
		i++
	}
	var n int64
	digits, scale, point := 0, 0, false
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			if digits < 18 {
				n = n*10 + int64(c-'0')
			}
			if n != 0 || digits > 0 {
				digits++
			}
			if point {
				scale++
			}
		case c == '.' && !point:
			point = true
		case (c == 'e' || c == 'E') && i > 0:
			return parseFloat(s)
		default:
			return Value{}, false
		}
	}
	if s == "" || s == "-" || s == "+" || s == "." {
		return Value{}, false
	}
	if digits <= 18 {
		if negative {
			n = -n
		}
		return Decimal(n, int16(scale)), scale <= scaleMax
	}
	if digits > digitsMax || scale > digitsMax {
		return parseFloat(s)
	}
	m, ok := new(big.Int).SetString(strings.TrimPrefix(strings.Replace(s, ".", "", 1), "+"), 10)
	if !ok {
		return Value{}, false
	}
	return ofBig(m, int16(scale)), true
}

func parseFloat(s string) (Value, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return Value{}, false
	}
	return OfFloat(f), true
}

// Numeric is a number as numeric; not for Float.
func (v Value) numeric() Value {
	if v.K == Int {
		return ofBigInt(v.N)
	}
	return v
}

func ofBigInt(n int64) Value {
	if n > -1e18 && n < 1e18 {
		return Decimal(n, 0)
	}
	return Value{K: Numeric, S: strconv.FormatInt(n, 10)}
}

var errRange = Errorf(OutOfRange, "value out of range: bigint overflows")
var errZero = Errorf(DivisionByZero, "division by zero")

// Arith does one of + - * / % on numbers: int8 with int8 stays int8, float8 makes float8,
// all else is numeric.
func Arith(op byte, a, b Value) (Value, error) {
	switch {
	case a.K == Float || b.K == Float:
		return arithFloat(op, a.Float(), b.Float())
	case a.K == Int && b.K == Int:
		return arithInt(op, a.N, b.N)
	}
	return arithNumeric(op, a.numeric(), b.numeric())
}

func arithInt(op byte, a, b int64) (Value, error) {
	switch op {
	case '+':
		c := a + b
		if (c > a) != (b > 0) {
			return Value{}, errRange
		}
		return OfInt(c), nil
	case '-':
		c := a - b
		if (c < a) != (b > 0) {
			return Value{}, errRange
		}
		return OfInt(c), nil
	case '*':
		c, ok := mul64(a, b)
		if !ok {
			return Value{}, errRange
		}
		return OfInt(c), nil
	}
	if b == 0 {
		return Value{}, errZero
	}
	if a == math.MinInt64 && b == -1 {
		if op == '%' {
			return OfInt(0), nil
		}
		return Value{}, errRange
	}
	if op == '/' {
		return OfInt(a / b), nil
	}
	return OfInt(a % b), nil
}

func mul64(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(abs64(a), abs64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

func abs64(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

func arithFloat(op byte, a, b float64) (Value, error) {
	var c float64
	switch op {
	case '+':
		c = a + b
	case '-':
		c = a - b
	case '*':
		c = a * b
	case '/':
		if b == 0 {
			return Value{}, errZero
		}
		c = a / b
	case '%':
		if b == 0 {
			return Value{}, errZero
		}
		c = math.Mod(a, b)
	}
	if math.IsInf(c, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
		return Value{}, Errorf(OutOfRange, "value out of range: overflow")
	}
	return OfFloat(c), nil
}

// aligned brings two numerics with small mantissas to one scale.
func aligned(a, b Value) (x, y int64, scale int16, ok bool) {
	if a.S != "" || b.S != "" {
		return 0, 0, 0, false
	}
	x, y, scale = a.N, b.N, a.Scale
	if d := a.Scale - b.Scale; d > 0 {
		if d > 18 {
			return 0, 0, 0, false
		}
		y, ok = mul64(y, pow10i[d])
	} else {
		scale = b.Scale
		if -d > 18 {
			return 0, 0, 0, false
		}
		x, ok = mul64(x, pow10i[-d])
	}
	return x, y, scale, ok && x > -4e18 && x < 4e18 && y > -4e18 && y < 4e18
}

func alignedBig(a, b Value) (x, y *big.Int, scale int16) {
	x, y, scale = a.mantissa(), b.mantissa(), max(a.Scale, b.Scale)
	x.Mul(x, tenTo(int(scale-a.Scale)))
	y.Mul(y, tenTo(int(scale-b.Scale)))
	return x, y, scale
}

func arithNumeric(op byte, a, b Value) (Value, error) {
	switch op {
	case '+', '-':
		if x, y, scale, ok := aligned(a, b); ok {
			if op == '-' {
				y = -y
			}
			if c := x + y; c > -1e18 && c < 1e18 {
				return Decimal(c, scale), nil
			}
		}
		x, y, scale := alignedBig(a, b)
		if op == '-' {
			return ofBig(x.Sub(x, y), scale), nil
		}
		return ofBig(x.Add(x, y), scale), nil
	case '*':
		if a.S == "" && b.S == "" {
			if c, ok := mul64(a.N, b.N); ok && c > -1e18 && c < 1e18 && int(a.Scale)+int(b.Scale) <= scaleMax {
				return Decimal(c, a.Scale+b.Scale), nil
			}
		}
		x := a.mantissa()
		x.Mul(x, b.mantissa())
		return rounded(x, int(a.Scale)+int(b.Scale), min(int(a.Scale)+int(b.Scale), scaleMax))
	}
	if b.N == 0 && b.S == "" {
		return Value{}, errZero
	}
	if op == '%' {
		x, y, scale := alignedBig(a, b)
		return ofBig(x.Rem(x, y), scale), nil
	}
	return divide(a, b)
}

// divide gives at least 16 significant digits, as many as PostgreSQL's numeric does
// (select_div_scale): its digits have base 10,000.
func divide(a, b Value) (Value, error) {
	w1, f1 := leading(a)
	w2, f2 := leading(b)
	q := w1 - w2
	if f1 <= f2 {
		q--
	}
	scale := min(max(16-q*4, int(a.Scale), int(b.Scale), 0), scaleMax)
	x, y := a.mantissa(), b.mantissa()
	// x/10^sa / (y/10^sb) = x*10^(sb-sa) / y; one digit more is rounded away.
	shift := scale + int(b.Scale) - int(a.Scale)
	if shift >= 0 {
		x.Mul(x, tenTo(shift))
	} else {
		y.Mul(y, tenTo(-shift))
	}
	return ofBig(quotient(x, y), int16(scale)), nil
}

// quotient is x / y rounded half away from zero.
func quotient(x, y *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	r.Abs(r.Lsh(r, 1))
	if r.CmpAbs(y) >= 0 {
		if x.Sign()*y.Sign() < 0 {
			return q.Sub(q, big.NewInt(1))
		}
		return q.Add(q, big.NewInt(1))
	}
	return q
}

// leading is the weight and the value of the first digit to base 10,000.
func leading(v Value) (weight, first int) {
	s := strings.TrimPrefix(v.mantissa().String(), "-")
	if s == "0" {
		return 0, 0
	}
	e := len(s) - 1 - int(v.Scale)
	weight = int(math.Floor(float64(e) / 4))
	n := e - weight*4 + 1 // digits of the first one
	for len(s) < n {
		s += "0"
	}
	first, _ = strconv.Atoi(s[:n])
	return weight, first
}

func rounded(m *big.Int, from, to int) (Value, error) {
	if from > to {
		m = quotient(m, tenTo(from-to))
	} else if to > from {
		m = new(big.Int).Mul(m, tenTo(to-from))
	}
	return ofBig(m, int16(to)), nil
}

// Round rounds a number half away from zero to digits behind the point.
func Round(v Value, digits int) Value {
	switch v.K {
	case Int:
		if digits >= 0 {
			return v
		}
		return Round(v.numeric(), digits)
	case Float:
		p := math.Pow(10, float64(digits))
		return OfFloat(math.Round(v.Float()*p) / p)
	}
	if digits >= 0 {
		r, _ := rounded(v.mantissa(), int(v.Scale), min(digits, scaleMax))
		return r
	}
	q := quotient(v.mantissa(), tenTo(int(v.Scale)-digits))
	return ofBig(q.Mul(q, tenTo(-digits)), 0)
}

// Truncate cuts a number toward zero, floor below (-1) or above (1).
func Truncate(v Value, direction int) Value {
	switch v.K {
	case Float:
		f := v.Float()
		switch direction {
		case -1:
			return OfFloat(math.Floor(f))
		case 1:
			return OfFloat(math.Ceil(f))
		}
		return OfFloat(math.Trunc(f))
	case Numeric:
		m := v.mantissa()
		q, r := new(big.Int).QuoRem(m, tenTo(int(v.Scale)), new(big.Int))
		if r.Sign() != 0 && r.Sign() == direction {
			q.Add(q, big.NewInt(int64(direction)))
		}
		return ofBig(q, 0)
	}
	return v
}

// Negate is -v.
func Negate(v Value) (Value, error) {
	switch v.K {
	case Float:
		return OfFloat(-v.Float()), nil
	case Numeric:
		return ofBig(v.mantissa().Neg(v.mantissa()), v.Scale), nil
	}
	return arithInt('-', 0, v.N)
}

// Sign is -1, 0 or 1.
func (v Value) Sign() int {
	switch {
	case v.K == Float:
		switch f := v.Float(); {
		case f > 0:
			return 1
		case f < 0:
			return -1
		}
		return 0
	case v.S != "":
		if v.S[0] == '-' {
			return -1
		}
		return 1
	case v.N > 0:
		return 1
	case v.N < 0:
		return -1
	}
	return 0
}

// ToInt rounds a number to an int8.
func ToInt(v Value) (Value, error) {
	switch v.K {
	case Int:
		return v, nil
	case Float:
		f := math.RoundToEven(v.Float())
		if math.IsNaN(f) || f < -(1<<63) || f >= 1<<63 {
			return Value{}, errRange
		}
		return OfInt(int64(f)), nil
	}
	r := Round(v, 0)
	m := r.mantissa()
	if !m.IsInt64() {
		return Value{}, errRange
	}
	return OfInt(m.Int64()), nil
}

// ToNumeric is a number as numeric; a float8 by its shortest digits.
func ToNumeric(v Value) (Value, error) {
	if v.K != Float {
		return v.numeric(), nil
	}
	f := v.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}, Errorf(OutOfRange, "%v is no numeric", f)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	m, _ := new(big.Int).SetString(strings.Replace(s, ".", "", 1), 10)
	scale := 0
	if i := strings.IndexByte(s, '.'); i >= 0 {
		scale = len(s) - i - 1
	}
	return ofBig(m, int16(scale)), nil
}

// appendNumeric appends the digits of a numeric.
func appendNumeric(b []byte, v Value) []byte {
	s := v.S
	var buf [24]byte
	digits := []byte(s)
	if s == "" {
		digits = strconv.AppendInt(buf[:0], v.N, 10)
	}
	if digits[0] == '-' {
		b = append(b, '-')
		digits = digits[1:]
	}
	scale := int(v.Scale)
	if scale == 0 {
		return append(b, digits...)
	}
	if len(digits) <= scale {
		b = append(b, '0', '.')
		for range scale - len(digits) {
			b = append(b, '0')
		}
		return append(b, digits...)
	}
	b = append(b, digits[:len(digits)-scale]...)
	b = append(b, '.')
	return append(b, digits[len(digits)-scale:]...)
}
