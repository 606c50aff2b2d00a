package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ValueError says that a value does not fit its setting. Its text is Kafka's, since
// users and tools recognise it.
type ValueError struct {
	Name   string
	Value  string
	Reason string
	bare   bool // Reason is the whole text
}

// Error returns Kafka's text for the fault.
func (e *ValueError) Error() string {
	if e.bare {
		return e.Reason
	}
	return fmt.Sprintf("Invalid value %s for configuration %s: %s", e.Value, e.Name, e.Reason)
}

// Value is a parsed value. Which field holds it follows from Type.
type Value struct {
	Type Type
	Int  int64    // Boolean (0, 1), Int, Short, Long
	Num  float64  // Double
	Str  string   // String, Class, Password
	List []string // List
}

// Bool returns a Boolean's value.
func (v Value) Bool() bool { return v.Int != 0 }

// String returns the value as Kafka shows it.
func (v Value) String() string {
	switch v.Type {
	case Boolean:
		return strconv.FormatBool(v.Int != 0)
	case Int, Short, Long:
		return strconv.FormatInt(v.Int, 10)
	case Double:
		return formatDouble(v.Num)
	case List:
		return strings.Join(v.List, ",")
	default:
		return v.Str
	}
}

// parse follows Kafka's ConfigDef.parseType: surrounding white space is dropped, a
// sign is allowed, a list is split at commas with white space around them.
func parse(name string, t Type, raw string) (Value, error) {
	s := strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' }) // as Java's trim
	v := Value{Type: t}
	var err error
	switch t {
	case Boolean:
		switch strings.ToLower(s) {
		case "true":
			v.Int = 1
		case "false":
		default:
			return v, &ValueError{Name: name, Value: raw, Reason: "Expected value to be either true or false"}
		}
	case Int:
		v.Int, err = strconv.ParseInt(s, 10, 32)
	case Short:
		v.Int, err = strconv.ParseInt(s, 10, 16)
	case Long:
		v.Int, err = strconv.ParseInt(s, 10, 64)
	case Double:
		v.Num, err = parseDouble(s)
	case List:
		v.List = splitList(s)
	default:
		v.Str = s
	}
	if err != nil {
		return v, &ValueError{Name: name, Value: raw, Reason: "Not a number of type " + t.String()}
	}
	return v, nil
}

// splitList splits at commas and drops white space around them; "" is empty.
func splitList(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// parseDouble reads a double as Java does, which allows a suffix d or f but neither
// underscores nor "inf".
func parseDouble(s string) (float64, error) {
	switch s {
	case "NaN", "+NaN", "-NaN":
		return math.NaN(), nil
	case "Infinity", "+Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	s = strings.TrimRight(s, "dDfF")
	if strings.ContainsAny(s, "_xXpPnN") { // hexadecimal, inf, nan
		return 0, strconv.ErrSyntax
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && math.IsInf(f, 0) { // out of range: Java gives infinity
		return f, nil
	}
	return f, err
}

// formatDouble prints a double as Java's Double.toString does: plain between 1e-3 and
// 1e7, else with an exponent, always with a fraction.
func formatDouble(f float64) string {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 || (abs >= 1e-3 && abs < 1e7):
		return withFraction(strconv.FormatFloat(f, 'f', -1, 64))
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	n, err := strconv.Atoi(exponent)
	if err != nil {
		panic("config: exponent of " + exponent) // FormatFloat always gives one
	}
	return withFraction(mantissa) + "E" + strconv.Itoa(n)
}

func withFraction(s string) string {
	if strings.Contains(s, ".") {
		return s
	}
	return s + ".0"
}
