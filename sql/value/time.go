package value

import (
	"strconv"
	"strings"
	"time"
)

const (
	secondMicros = 1_000_000
	dayMicros    = 86_400 * secondMicros
)

func appendTime(b []byte, us int64, zone bool) []byte {
	b = time.UnixMicro(us).UTC().AppendFormat(b, "2006-01-02 15:04:05.999999")
	if zone {
		b = append(b, "+00"...)
	}
	return b
}

var timeLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02T15:04:05Z07",
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04Z07:00", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
	"2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 MST",
}

// ParseTime reads a timestamp in ISO form; without a zone it is UTC.
func ParseTime(s string) (Value, error) {
	s = strings.TrimSpace(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return OfTime(t.UnixMicro()), nil
		}
	}
	return Value{}, Errorf(InvalidDatetime, "invalid input syntax for type timestamp: %q", s)
}

// DateOf is the day of a timestamp.
func DateOf(us int64) Value { return Value{K: Date, N: floorDiv(us, dayMicros)} }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// FloorTo is the largest offset + n*size that is not above us; right below zero too.
func FloorTo(us, size, offset int64) int64 { return floorDiv(us-offset, size)*size + offset }

var units = map[string]Value{
	"microsecond": {K: Interval, N: 1}, "us": {K: Interval, N: 1}, "millisecond": {K: Interval, N: 1000}, "ms": {K: Interval, N: 1000},
	"second": {K: Interval, N: secondMicros}, "sec": {K: Interval, N: secondMicros}, "s": {K: Interval, N: secondMicros},
	"minute": {K: Interval, N: 60 * secondMicros}, "min": {K: Interval, N: 60 * secondMicros}, "m": {K: Interval, N: 60 * secondMicros},
	"hour": {K: Interval, N: 3600 * secondMicros}, "h": {K: Interval, N: 3600 * secondMicros}, "hr": {K: Interval, N: 3600 * secondMicros},
	"day": {K: Interval, X: 1}, "d": {K: Interval, X: 1}, "week": {K: Interval, X: 7}, "w": {K: Interval, X: 7},
	"month": {K: Interval, Scale: 1}, "mon": {K: Interval, Scale: 1}, "year": {K: Interval, Scale: 12}, "y": {K: Interval, Scale: 12},
}

// Unit is the interval that a word names, in singular or plural.
func Unit(word string) (Value, bool) {
	word = strings.ToLower(word)
	if u, ok := units[word]; ok {
		return u, true
	}
	u, ok := units[strings.TrimSuffix(word, "s")]
	return u, ok
}

// ParseInterval reads an interval: '5 minutes', '1 day 02:30:00', '1h30m', '-3 days'.
func ParseInterval(s string) (Value, error) {
	bad := Errorf(InvalidDatetime, "invalid input syntax for type interval: %q", s)
	var months, days, us int64
	rest := strings.TrimSpace(s)
	if rest == "" {
		return Value{}, bad
	}
	for rest != "" {
		n := 0
		for n < len(rest) && strings.IndexByte("+-.0123456789:", rest[n]) >= 0 {
			n++
		}
		number := rest[:n]
		rest = strings.TrimLeft(rest[n:], " ")
		if strings.Contains(number, ":") {
			t, ok := clock(number)
			if !ok {
				return Value{}, bad
			}
			us += t
			continue
		}
		n = 0
		for n < len(rest) && (rest[n]|0x20 >= 'a' && rest[n]|0x20 <= 'z') {
			n++
		}
		unit, ok := Unit(rest[:n])
		rest = strings.TrimLeft(rest[n:], " ")
		f, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || f > 1e12 || f < -1e12 {
			return Value{}, bad
		}
		whole := int64(f)
		months += whole * int64(unit.Scale)
		days += whole * int64(unit.X)
		us += int64(f * float64(unit.N))
		if part := f - float64(whole); part != 0 && unit.N == 0 {
			us += int64(part * float64(int64(unit.X)+30*int64(unit.Scale)) * dayMicros)
		}
	}
	if months > 30000 || months < -30000 || days > 1e9 || days < -1e9 {
		return Value{}, Errorf("22008", "interval out of range: %q", s)
	}
	return OfInterval(int16(months), int32(days), us), nil
}

func clock(s string) (int64, bool) {
	sign := int64(1)
	if strings.HasPrefix(s, "-") {
		sign, s = -1, s[1:]
	}
	var out float64
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, false
	}
	for i, unit := 0, 3600.0; i < len(parts); i, unit = i+1, unit/60 {
		f, err := strconv.ParseFloat(parts[i], 64)
		if err != nil || f > 1e9 {
			return 0, false
		}
		out += f * unit
	}
	return sign * int64(out*secondMicros), true
}

// Fixed is an interval's length in µs; false for months, whose length varies.
func (v Value) Fixed() (int64, bool) {
	return int64(v.X)*dayMicros + v.N, v.K == Interval && v.Scale == 0
}

// AddInterval adds an interval to a timestamp (µs). Months keep the day, or take the last
// of a shorter month.
func AddInterval(us int64, i Value, sign int64) int64 {
	if i.Scale != 0 {
		t := time.UnixMicro(us).UTC()
		day := t.Day()
		first := time.Date(t.Year(), t.Month()+time.Month(sign*int64(i.Scale)), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		last := first.AddDate(0, 1, -1).Day()
		us = first.AddDate(0, 0, min(day, last)-1).UnixMicro()
	}
	return us + sign*(int64(i.X)*dayMicros+i.N)
}

func appendInterval(b []byte, v Value) []byte {
	from := len(b)
	part := func(n int64, one string) {
		if n == 0 {
			return
		}
		if len(b) > from {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, n, 10)
		b = append(append(b, ' '), one...)
		if n != 1 && n != -1 {
			b = append(b, 's')
		}
	}
	part(int64(v.Scale/12), "year")
	part(int64(v.Scale%12), "mon")
	part(int64(v.X), "day")
	if v.N == 0 && len(b) > from {
		return b
	}
	if len(b) > from {
		b = append(b, ' ')
	}
	n := v.N
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	two := func(n int64) { b = append(b, byte('0'+n/10), byte('0'+n%10)) }
	s := n / secondMicros
	if h := s / 3600; h < 100 {
		two(h)
	} else {
		b = strconv.AppendInt(b, h, 10)
	}
	b = append(b, ':')
	two(s / 60 % 60)
	b = append(b, ':')
	two(s % 60)
	if f := n % secondMicros; f != 0 {
		digits := strconv.FormatInt(secondMicros+f, 10)[1:]
		b = append(append(b, '.'), strings.TrimRight(digits, "0")...)
	}
	return b
}
