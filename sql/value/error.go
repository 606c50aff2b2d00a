package value

import "fmt"

// Error is what a statement is answered with: a SQLSTATE and a sentence.
type Error struct {
	Code     string // SQLSTATE
	Message  string
	Hint     string
	Position int // in characters of the statement, from 1; 0: none
}

// Error is the sentence.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint is the error with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// At is the error at a position.
func (e *Error) At(position int) *Error {
	if e.Position == 0 {
		e.Position = position
	}
	return e
}

// SQLSTATEs that several packages use.
const (
	SyntaxError       = "42601"
	UndefinedColumn   = "42703"
	UndefinedFunction = "42883"
	UndefinedTable    = "42P01"
	DatatypeMismatch  = "42804"
	AmbiguousColumn   = "42702"
	GroupingError     = "42803"
	WindowingError    = "42P20"
	NotSupported      = "0A000"
	OutOfRange        = "22003"
	DivisionByZero    = "22012"
	InvalidText       = "22P02"
	InvalidDatetime   = "22007"
	InvalidParameter  = "22023"
	InvalidRegexp     = "2201B"
	OutOfMemory       = "53200"
	TooMany           = "54000"
	Canceled          = "57014"
	Cardinality       = "21000"
	IOError           = "58030"
)
