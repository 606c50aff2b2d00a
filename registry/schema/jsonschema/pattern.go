package jsonschema

import (
	"fmt"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// pattern is a regular expression of ECMAScript. It is kept as text: most patterns are
// never matched, since only those of patternProperties decide a comparison.
type pattern string

func (p pattern) String() string { return string(p) }

const (
	// patternMax is how long a pattern may be.
	patternMax = 16 << 10
	// patternTimeout is how long one name may be matched.
	patternTimeout = 100 * time.Millisecond
	// patternSteps is what one match counts in a comparison.
	patternSteps = 256
)

// MatchString is false for what takes too long.
func (p pattern) MatchString(s string) bool {
	re, err := compilePattern(string(p))
	if err != nil {
		return false
	}
	ok, err := re.MatchString(s)
	return ok && err == nil
}

// compilePattern takes ECMAScript and, since schemas come from other languages too, what
// Perl and Java know beyond.
func compilePattern(text string) (*regexp2.Regexp, error) {
	if len(text) > patternMax {
		return nil, fmt.Errorf("a pattern has more than %d bytes", patternMax)
	}
	re, err := regexp2.Compile(text, regexp2.ECMAScript)
	if err != nil {
		if re, err = regexp2.Compile(text, regexp2.None); err != nil {
			return nil, err
		}
	}
	re.MatchTimeout = patternTimeout
	return re, nil
}
