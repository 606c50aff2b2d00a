// Package subject has the names of the schema registry: subjects, the contexts that they
// are in, version words, and the strategies that name a record's subject. It is pure;
// escaping for URLs is not its business.
package subject

import (
	"fmt"
	"strconv"
	"strings"
)

// Default is the context of names that give none.
const Default = "."

// Global is the context whose config and mode hold for all contexts.
const Global = ".__GLOBAL"

// AllContexts is the prefix that stands for every context in a list.
const AllContexts = ":*:"

// Name is a subject in its context. Subject "" is a subject too; as the target of config
// and mode it stands for the context itself.
type Name struct {
	Context string // begins with a dot
	Subject string
}

// Parse reads a name: ":.ctx:subject", or a subject of the default context.
func Parse(text string) Name {
	if !strings.HasPrefix(text, ":.") {
		return Name{Default, text}
	}
	context, rest, _ := strings.Cut(text[1:], ":")
	return Name{context, rest}
}

// Qualified says whether a text names a context.
func Qualified(text string) bool {
	return strings.HasPrefix(text, ":.") || strings.HasPrefix(text, ":*:")
}

// String is the name as the API has it: without the context if that is the default one.
func (n Name) String() string {
	if n.Context == Default {
		return n.Subject
	}
	return ":" + n.Context + ":" + n.Subject
}

// In is the name of a subject in a context.
func In(context, subject string) Name { return Name{context, subject} }

// ParseContext reads a context as paths have it: "ctx", ".ctx" or ":.ctx:".
func ParseContext(text string) string {
	text = strings.TrimSuffix(strings.TrimPrefix(text, ":"), ":")
	if !strings.HasPrefix(text, ".") {
		text = "." + text
	}
	return text
}

// Qualify puts a name that gives no context into one.
func Qualify(context, text string) string {
	if Qualified(text) || context == Default {
		return text
	}
	return ":" + context + ":" + text
}

// Names that no subject may have: Confluent's own.
const (
	reservedGlobal = "__GLOBAL"
	reservedEmpty  = "__EMPTY"
)

// Check says what is wrong with the name of a new subject.
func (n Name) Check() error {
	for _, r := range n.Context + n.Subject {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return fmt.Errorf("%q has a control character", n.String())
		}
	}
	if n.Subject == reservedGlobal || n.Subject == reservedEmpty {
		return fmt.Errorf("%q is reserved", n.Subject)
	}
	if strings.Contains(n.Context, ":") {
		return fmt.Errorf("%q has a colon in its context", n.String())
	}
	return nil
}

// Latest is the version word for the newest version.
const Latest int32 = -1

// ParseVersion reads a version: 1 to 2^31-1, "latest" in any case, or -1.
func ParseVersion(text string) (int32, error) {
	if strings.EqualFold(text, "latest") {
		return Latest, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 && n != -1 {
		return 0, fmt.Errorf("the specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", text)
	}
	return int32(n), nil
}
