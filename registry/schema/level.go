package schema

import "strings"

// Level says what a new version must be compatible with.
type Level string

// The levels. Plain ones look at the newest version, transitive ones at all.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD" // new reads old
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD" // old reads new
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// ParseLevel reads a level in any case. The error is of code InvalidLevel.
func ParseLevel(text string) (Level, error) {
	switch l := Level(strings.ToUpper(text)); l {
	case None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive:
		return l, nil
	}
	return "", Errorf(InvalidLevel, "Invalid compatibility level %q. Valid values are none, backward, forward, full, "+
		"backward_transitive, forward_transitive, and full_transitive", text)
}

// Transitive says whether the level looks at all versions.
func (l Level) Transitive() bool { return strings.HasSuffix(string(l), "_TRANSITIVE") }

func (l Level) plain() Level { return Level(strings.TrimSuffix(string(l), "_TRANSITIVE")) }

// Policy says how strict rules are that differ by use; only JSON Schema's do.
type Policy string

// The policies.
const (
	Strict  Policy = "STRICT"
	Lenient Policy = "LENIENT"
)

// ParsePolicy reads a policy in any case. The error is of code InvalidLevel.
func ParsePolicy(text string) (Policy, error) {
	switch p := Policy(strings.ToUpper(text)); p {
	case Strict, Lenient:
		return p, nil
	}
	return "", Errorf(InvalidLevel, "Invalid compatibility policy %q. Valid values are strict and lenient", text)
}
