package parse

import (
	"strings"
	"unicode/utf8"

	"github.com/streamhouse/streamhouse/sql/value"
)

type kind uint8

const (
	end kind = iota
	word
	quoted
	text
	number
	param
	op
)

type token struct {
	kind kind
	s    string // word as written; text without quotes
	up   string // word in upper case
	at   int    // byte where it begins
	to   int    // and ends
}

// lexer splits a text into tokens.
type lexer struct {
	s  string
	at int
}

func (l *lexer) fault(at int, format string, args ...any) *value.Error {
	return value.Errorf(value.SyntaxError, format, args...).At(place(l.s, at))
}

// place is a byte's place in characters, from 1.
func place(s string, at int) int { return utf8.RuneCountInString(s[:min(at, len(s))]) + 1 }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) skipSpace() error {
	for l.at < len(l.s) {
		c := l.s[l.at]
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f':
			l.at++
		case strings.HasPrefix(l.s[l.at:], "--"):
			n := strings.IndexByte(l.s[l.at:], '\n')
			if n < 0 {
				n = len(l.s) - l.at
			}
			l.at += n
		case strings.HasPrefix(l.s[l.at:], "/*"):
			from, depth := l.at, 0
			for {
				rest := l.s[l.at:]
				switch {
				case rest == "":
					return l.fault(from, "unterminated comment")
				case strings.HasPrefix(rest, "/*"):
					depth++
					l.at += 2
				case strings.HasPrefix(rest, "*/"):
					depth--
					l.at += 2
				default:
					l.at++
				}
				if depth == 0 {
					break
				}
			}
		default:
			return nil
		}
	}
	return nil
}

var operators = []string{
	"#>>", "->>", "!~*", "<=>", "::", "<>", "!=", "<=", ">=", "||", "->", "#>", "~*", "!~", "@>", "<@", "=>", "~~*", "!~~", "~~",
}

func (l *lexer) next() (token, error) {
	if err := l.skipSpace(); err != nil {
		return token{}, err
	}
	from := l.at
	if from >= len(l.s) {
		return token{kind: end, at: from, to: from}, nil
	}
	t, err := l.scan(from)
	t.at, t.to = from, l.at
	return t, err
}

func (l *lexer) scan(from int) (token, error) {
	c := l.s[from]
	switch {
	case (c == 'e' || c == 'E') && from+1 < len(l.s) && l.s[from+1] == '\'':
		l.at++
		s, err := l.until('\'', true)
		return token{kind: text, s: s}, err
	case letter(c):
		for l.at < len(l.s) && (letter(l.s[l.at]) || digit(l.s[l.at]) || l.s[l.at] == '$') {
			l.at++
		}
		s := l.s[from:l.at]
		return token{kind: word, s: s, up: strings.ToUpper(s)}, nil
	case digit(c) || c == '.' && from+1 < len(l.s) && digit(l.s[from+1]):
		return l.number(from)
	case c == '\'':
		s, err := l.until('\'', false)
		return token{kind: text, s: s}, err
	case c == '"' || c == '`':
		s, err := l.until(c, false)
		if err == nil && s == "" {
			err = l.fault(from, "zero-length delimited identifier")
		}
		return token{kind: quoted, s: s}, err
	case c == '$':
		return l.dollar(from)
	}
	for _, o := range operators {
		if strings.HasPrefix(l.s[from:], o) {
			l.at += len(o)
			return token{kind: op, s: o}, nil
		}
	}
	if strings.IndexByte("+-*/%<>=(),.;[]:~^|&", c) < 0 {
		return token{}, l.fault(from, "syntax error at or near %q", l.s[from:from+1])
	}
	l.at++
	return token{kind: op, s: l.s[from:l.at]}, nil
}

func (l *lexer) number(from int) (token, error) {
	dot := false
	for l.at < len(l.s) {
		c := l.s[l.at]
		if c == '.' && !dot && !strings.HasPrefix(l.s[l.at:], "..") {
			dot = true
		} else if !digit(c) {
			break
		}
		l.at++
	}
	if l.at < len(l.s) && l.s[l.at]|0x20 == 'e' {
		n := l.at + 1
		if n < len(l.s) && (l.s[n] == '+' || l.s[n] == '-') {
			n++
		}
		if n < len(l.s) && digit(l.s[n]) {
			for n < len(l.s) && digit(l.s[n]) {
				n++
			}
			l.at = n
		}
	}
	if l.at < len(l.s) && letter(l.s[l.at]) {
		return token{}, l.fault(from, "trailing junk after numeric literal at or near %q", l.s[from:l.at+1])
	}
	return token{kind: number, s: l.s[from:l.at]}, nil
}

// until reads to the closing quote, which is doubled inside.
func (l *lexer) until(quote byte, escapes bool) (string, error) {
	from := l.at
	var b strings.Builder
	for l.at++; l.at < len(l.s); l.at++ {
		c := l.s[l.at]
		switch {
		case c == quote && l.at+1 < len(l.s) && l.s[l.at+1] == quote:
			l.at++
		case c == quote:
			l.at++
			return b.String(), nil
		case c == 0:
			return "", l.fault(l.at, "invalid byte 0x00")
		case c == '\\' && escapes && l.at+1 < len(l.s):
			l.at++
			switch c = l.s[l.at]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			}
		}
		b.WriteByte(c)
	}
	what := "quoted string"
	if quote != '\'' {
		what = "quoted identifier"
	}
	return "", l.fault(from, "unterminated %s at or near %q", what, near(l.s[from:]))
}

func near(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "")
	}
	return s
}

// dollar reads $1 or $tag$text$tag$.
func (l *lexer) dollar(from int) (token, error) {
	l.at++
	for l.at < len(l.s) && digit(l.s[l.at]) {
		l.at++
	}
	if l.at > from+1 {
		return token{kind: param, s: l.s[from+1 : l.at]}, nil
	}
	n := strings.IndexByte(l.s[l.at:], '$')
	if n >= 0 && strings.IndexFunc(l.s[l.at:l.at+n], func(r rune) bool { return r < 0x80 && !letter(byte(r)) && !digit(byte(r)) }) < 0 {
		tag := l.s[from : l.at+n+1]
		body := l.s[l.at+n+1:]
		if to := strings.Index(body, tag); to >= 0 {
			l.at += n + 1 + to + len(tag)
			return token{kind: text, s: body[:to]}, nil
		}
		return token{}, l.fault(from, "unterminated dollar-quoted string")
	}
	return token{}, l.fault(from, "syntax error at or near \"$\"")
}
