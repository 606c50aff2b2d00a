// Package jaas reads the lines of sasl.jaas.config: a login module with options, in the
// form of Java's JAAS. It is pure.
package jaas

import (
	"errors"
	"fmt"
	"strings"
)

// The login modules of Kafka.
const (
	Plain       = "org.apache.kafka.common.security.plain.PlainLoginModule"
	Scram       = "org.apache.kafka.common.security.scram.ScramLoginModule"
	OAuthBearer = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
)

// Module is one login module.
type Module struct {
	Name    string
	Options map[string]string
}

// userPrefix begins the options of PlainLoginModule that say who may log in.
const userPrefix = "user_"

// Users are the users of a PlainLoginModule with their passwords.
func (m *Module) Users() map[string]string {
	users := make(map[string]string)
	for name, password := range m.Options {
		if user, ok := strings.CutPrefix(name, userPrefix); ok && user != "" {
			users[user] = password
		}
	}
	return users
}

// TextMax bounds a line in bytes.
const TextMax = 1 << 20

// Parse reads one module: its name, the control flag, options and a semicolon. Errors
// repeat no value.
func Parse(text string) (*Module, error) {
	if len(text) > TextMax {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(text), TextMax)
	}
	s := &scanner{text: text}
	m := &Module{Options: make(map[string]string)}
	name, err := s.word("a login module")
	if err != nil {
		return nil, err
	}
	m.Name = name
	flag, err := s.word("a control flag (required)")
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(flag) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return nil, errors.New("behind the login module stands no control flag; write required")
	}
	if err := m.options(s); err != nil {
		return nil, err
	}
	if t, err := s.next(); err != nil {
		return nil, err
	} else if t.kind != end {
		return nil, errors.New("there is something behind the semicolon; one login module is read")
	}
	return m, nil
}

// options reads name=value pairs up to the semicolon.
func (m *Module) options(s *scanner) error {
	for {
		t, err := s.next()
		switch {
		case err != nil:
			return err
		case t.kind == semicolon:
			return nil
		case t.kind == end:
			return errors.New("the semicolon at the end is missing")
		case t.kind != word:
			return errors.New("an option's name is missing")
		}
		name := t.text
		if t, err = s.next(); err != nil {
			return err
		} else if t.kind != equals {
			return fmt.Errorf("behind the option %s stands no value", safe(name))
		}
		value, err := s.word("the value of " + safe(name))
		if err != nil {
			return err
		}
		if _, twice := m.Options[name]; twice {
			return fmt.Errorf("the option %s is there twice", safe(name))
		}
		m.Options[name] = value
	}
}

// safe is an option's name as an error may repeat it: what looks like a part of a
// password that was not quoted is not said.
func safe(name string) string {
	if strings.HasPrefix(name, userPrefix) || name == "username" || name == "password" {
		return name
	}
	return "whose name is not said here, since it may be part of a secret,"
}

type kind int

const (
	end kind = iota
	word
	equals
	semicolon
)

type token struct {
	kind kind
	text string
}

// scanner finds tokens as Java's StreamTokenizer does with Kafka's settings for it.
type scanner struct {
	text string
	at   int
}

func (s *scanner) word(what string) (string, error) {
	t, err := s.next()
	if err == nil && t.kind != word {
		err = fmt.Errorf("%s is missing", what)
	}
	return t.text, err
}

func (s *scanner) next() (token, error) {
	if err := s.skip(); err != nil {
		return token{}, err
	}
	if s.at == len(s.text) {
		return token{}, nil
	}
	switch c := s.text[s.at]; {
	case c == '=':
		s.at++
		return token{kind: equals}, nil
	case c == ';':
		s.at++
		return token{kind: semicolon}, nil
	case c == '"' || c == '\'':
		return s.quoted(c)
	}
	from := s.at
	for s.at < len(s.text) && bare(s.text[s.at]) {
		s.at++
	}
	if s.at == from {
		return token{}, fmt.Errorf("at byte %d stands a letter that needs quotes around its word", s.at+1)
	}
	return token{word, s.text[from:s.at]}, nil
}

// bare says whether a byte may stand in a word without quotes.
func bare(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("-_$.", c) >= 0
}

// skip passes blanks and comments: // to the end of the line, and /* */.
func (s *scanner) skip() error {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case rest[0] <= ' ':
			s.at++
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			s.at += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return errors.New("a comment does not end")
			}
			s.at += n + 4
		default:
			return nil
		}
	}
	return nil
}

var escapes = map[byte]byte{'a': 7, 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// quoted reads a word in quotes, in which a backslash makes the next letter plain or a
// control character, or three octal digits a letter.
func (s *scanner) quoted(quote byte) (token, error) {
	var out strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case c == quote:
			s.at++
			return token{word, out.String()}, nil
		case c == '\n' || c == '\r':
			return token{}, errors.New("quotes are not closed before the line ends")
		case c == '\\' && s.at+1 < len(s.text):
			s.at++
			s.escape(&out)
		default:
			out.WriteByte(c)
		}
	}
	return token{}, errors.New("quotes are not closed")
}

func (s *scanner) escape(out *strings.Builder) {
	c := s.text[s.at]
	if c >= '0' && c <= '7' {
		most := 3
		if c > '3' {
			most = 2
		}
		n := 0
		for i := 0; i < most && s.at+i < len(s.text) && s.text[s.at+i] >= '0' && s.text[s.at+i] <= '7'; i++ {
			n = 8*n + int(s.text[s.at+i]-'0')
			c = byte(i)
		}
		s.at += int(c)
		out.WriteRune(rune(n))
		return
	}
	if control, ok := escapes[c]; ok {
		c = control
	}
	out.WriteByte(c)
}
