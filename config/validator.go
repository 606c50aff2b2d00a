package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Validator restricts the values of a setting. The zero Validator allows all.
type Validator struct {
	check func(name string, v Value) error
	text  string
}

// String describes the allowed values, as the documentation's tables show it.
func (v Validator) String() string { return v.text }

// anything allows every value of the type.
var anything = Validator{}

// atLeast allows numbers from lo on.
func atLeast(lo float64) Validator {
	return Validator{text: "at least " + bound(lo), check: func(name string, v Value) error {
		return checkRange(name, v, &lo, nil)
	}}
}

// between allows numbers from lo to hi.
func between(lo, hi float64) Validator {
	return Validator{text: bound(lo) + " to " + bound(hi), check: func(name string, v Value) error {
		return checkRange(name, v, &lo, &hi)
	}}
}

func bound(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func checkRange(name string, v Value, lo, hi *float64) error {
	n := v.Num
	if v.Type != Double {
		n = float64(v.Int)
	}
	// NaN passes, as in Kafka: every comparison with it is false.
	switch {
	case lo != nil && n < *lo:
		return &ValueError{Name: name, Value: v.String(), Reason: "Value must be at least " + bound(*lo)}
	case hi != nil && n > *hi:
		return &ValueError{Name: name, Value: v.String(), Reason: "Value must be no more than " + bound(*hi)}
	}
	return nil
}

// gzipLevel allows 1 to 9, and -1 for the codec's own default.
func gzipLevel() Validator {
	return Validator{text: "1 to 9, or -1", check: func(name string, v Value) error {
		if v.Int == -1 || (v.Int >= 1 && v.Int <= 9) {
			return nil
		}
		return &ValueError{Name: name, Value: v.String(), Reason: "Value must be between 1 and 9 or equal to -1"}
	}}
}

// oneOf allows these strings only.
func oneOf(allowed ...string) Validator {
	return Validator{text: strings.Join(allowed, ", "), check: func(name string, v Value) error {
		return checkOneOf(name, v.Str, allowed)
	}}
}

func checkOneOf(name, s string, allowed []string) error {
	if slices.Contains(allowed, s) {
		return nil
	}
	return &ValueError{Name: name, Value: s, Reason: "String must be one of: " + strings.Join(allowed, ", ")}
}

// oneOfFold allows these strings in upper and lower case.
func oneOfFold(allowed ...string) Validator {
	return Validator{text: strings.Join(allowed, ", ") + " (upper or lower case)", check: func(name string, v Value) error {
		if slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, v.Str) }) {
			return nil
		}
		return &ValueError{Name: name, Value: v.Str,
			Reason: "String must be one of (case insensitive): " + strings.Join(allowed, ", ")}
	}}
}

// listRule says what else a list must be.
type listRule int8

const (
	mayBeEmpty listRule = 1 << iota
	mayRepeat
)

// listOf allows lists of these strings (of any, when none is named), without empty
// elements, and without repetition or emptiness unless the rule allows it.
func listOf(rule listRule, allowed ...string) Validator {
	text := "list"
	if len(allowed) > 0 {
		text += " of: " + strings.Join(allowed, ", ")
	}
	return Validator{text: text, check: func(name string, v Value) error {
		return checkList(name, v.List, rule, allowed)
	}}
}

func checkList(name string, list []string, rule listRule, allowed []string) error {
	bare := func(format string, args ...any) error {
		return &ValueError{Name: name, Reason: fmt.Sprintf(format, args...), bare: true}
	}
	if len(list) == 0 && rule&mayBeEmpty == 0 {
		valid := "any non-empty value"
		if len(allowed) > 0 {
			valid = "[" + strings.Join(allowed, ", ") + "]"
		}
		return bare("Configuration '%s' must not be empty. Valid values include: %s", name, valid)
	}
	seen := map[string]bool{}
	for _, s := range list {
		switch {
		case s == "":
			return bare("Configuration '%s' values must not be empty.", name)
		case seen[s] && rule&mayRepeat == 0:
			return bare("Configuration '%s' values must not be duplicated.", name)
		}
		seen[s] = true
	}
	if len(allowed) == 0 {
		return nil
	}
	for _, s := range list {
		if err := checkOneOf(name, s, allowed); err != nil {
			return err
		}
	}
	return nil
}

// notEmpty refuses the empty string.
func notEmpty() Validator {
	return Validator{text: "not empty", check: func(name string, v Value) error {
		if v.Str == "" {
			return &ValueError{Name: name, Value: "", Reason: "String must be non-empty"}
		}
		return nil
	}}
}

var throttledReplica = regexp.MustCompile(`^[0-9]+:[0-9]+$`)

// throttledReplicas allows "*" or a list of partition:broker.
func throttledReplicas() Validator {
	return Validator{text: "* or list of partition:broker", check: func(name string, v Value) error {
		list := v.List
		// Kafka drops an empty last element, so that "0:1," passes.
		for len(list) > 0 && list[len(list)-1] == "" {
			list = list[:len(list)-1]
		}
		if len(list) == 0 || (len(list) == 1 && list[0] == "*") ||
			!slices.ContainsFunc(list, func(s string) bool { return !throttledReplica.MatchString(s) }) {
			return nil
		}
		return &ValueError{Name: name, Value: "[" + strings.Join(list, ", ") + "]", Reason: name +
			" must be the literal '*' or a list of replicas in the following format:" +
			" [partitionId]:[brokerId],[partitionId]:[brokerId],..."}
	}}
}

var resetDuration = regexp.MustCompile(`^by_duration:P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$`)

// offsetReset allows latest, earliest and by_duration:<ISO 8601 duration> (KIP-1106).
func offsetReset() Validator {
	return Validator{text: "latest, earliest, by_duration:PnDTnHnMn.nS", check: func(name string, v Value) error {
		s := v.Str
		if s == "latest" || s == "earliest" {
			return nil
		}
		if resetDuration.MatchString(s) && !strings.HasSuffix(s, ":P") && !strings.HasSuffix(s, "T") {
			return nil
		}
		return &ValueError{Name: name, Value: s, Reason: "Invalid value `" + s + "` for configuration " + name +
			". The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."}
	}}
}

// connectionOverrides allows host:count pairs.
func connectionOverrides() Validator {
	return Validator{text: "list of host:count", check: func(name string, v Value) error {
		if _, err := ConnectionOverrides(v.Str); err != nil {
			return &ValueError{Name: name, Value: v.Str, Reason: err.Error()}
		}
		return nil
	}}
}

// ConnectionOverrides reads max.connections.per.ip.overrides: how many connections
// each address or host name may keep open.
func ConnectionOverrides(raw string) (map[string]int, error) {
	out := map[string]int{}
	for _, pair := range splitList(strings.TrimSpace(raw)) {
		i := strings.LastIndexByte(pair, ':') // an IPv6 address has colons of its own
		if i <= 0 {
			return nil, fmt.Errorf("%q is not of the form host:count", pair)
		}
		n, err := strconv.ParseInt(pair[i+1:], 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("the count of %q must be a number from 0", pair)
		}
		out[strings.Trim(pair[:i], "[]")] = int(n)
	}
	return out, nil
}
