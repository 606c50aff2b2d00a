package schema

import "fmt"

// Code is an error_code of the API; the HTTP status is its first three digits.
type Code int

// The codes.
const (
	NotFound      Code = 404
	NotAcceptable Code = 406
	Unprocessable Code = 422

	SubjectNotFound       Code = 40401
	VersionNotFound       Code = 40402
	SchemaNotFound        Code = 40403
	SubjectSoftDeleted    Code = 40404
	SubjectNotSoftDeleted Code = 40405
	VersionSoftDeleted    Code = 40406
	VersionNotSoftDeleted Code = 40407
	LevelNotConfigured    Code = 40408
	ModeNotConfigured     Code = 40409
	Incompatible          Code = 40901
	InvalidSchema         Code = 42201
	InvalidVersion        Code = 42202
	InvalidLevel          Code = 42203
	InvalidMode           Code = 42204
	NotPermitted          Code = 42205
	Referenced            Code = 42206
	IDDiffers             Code = 42207
	InvalidSubject        Code = 42208
	TooLarge              Code = 42209
	InvalidRuleSet        Code = 42210
	ContextNotEmpty       Code = 42211
	StoreFailed           Code = 50001
	TimedOut              Code = 50002
	ForwardingFailed      Code = 50003
	NoLeader              Code = 50004
)

// Error is what a request is answered that cannot be done.
type Error struct {
	Code    Code
	Message string
}

// Error is the message and its code.
func (e *Error) Error() string { return fmt.Sprintf("%s; error code: %d", e.Message, int(e.Code)) }

// Errorf makes an Error.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Is says that errors of one code are the same to errors.Is.
func (e *Error) Is(target error) bool {
	o, ok := target.(*Error)
	return ok && o.Code == e.Code
}
