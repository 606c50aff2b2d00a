package parse

import (
	"strings"
	"unicode/utf8"

	"github.com/streamhouse/streamhouse/sql/value"
)

// The bounds of a text.
const (
	TextMax    = 1 << 20
	NestingMax = 256
)

// reserved words begin no expression.
var reserved = set("SELECT FROM WHERE GROUP HAVING ORDER LIMIT UNION INTERSECT EXCEPT JOIN ON USING INNER CROSS NATURAL AS AND OR IN WHEN THEN ELSE END WITH DISTINCT INTO QUALIFY")

// notAlias are words that stand behind a table or a column without being its name.
var notAlias = set("SELECT FROM WHERE GROUP HAVING ORDER LIMIT UNION INTERSECT EXCEPT JOIN ON USING LEFT RIGHT FULL INNER CROSS NATURAL AS AND OR IN WHEN THEN ELSE END WITH WINDOW QUALIFY EMIT OFFSET FETCH FOR WITHIN SET COLLATE IS NOT BETWEEN LIKE ILIKE OPERATOR OVER FILTER")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

type parser struct {
	lex   lexer
	tok   token
	depth int
	// seen and places are a byte of the text and its place in characters, which pos counts on from.
	seen, places int
}

// lower folds a function's name.
func lower(s string) string { return strings.ToLower(s) }

// failure is how a fault leaves the recursion.
type failure struct{ err error }

func (p *parser) deeper() func() {
	if p.depth++; p.depth > NestingMax {
		panic(failure{value.Errorf(value.TooMany, "the statement nests deeper than %d", NestingMax).At(int(p.pos()))})
	}
	return p.shallower
}

func (p *parser) shallower() { p.depth-- }

// pos is where the present token begins.
func (p *parser) pos() Pos {
	if p.tok.at < p.seen {
		p.seen, p.places = 0, 0
	}
	p.places += utf8.RuneCountInString(p.lex.s[p.seen:p.tok.at])
	p.seen = p.tok.at
	return Pos(p.places + 1)
}

func (p *parser) step() {
	t, err := p.lex.next()
	if err != nil {
		panic(failure{err})
	}
	p.tok = t
}

// peek is the token behind the present one.
func (p *parser) peek() token {
	l := p.lex
	t, err := l.next()
	if err != nil {
		return token{}
	}
	return t
}

func (p *parser) is(w string) bool   { return p.tok.kind == word && p.tok.up == w }
func (p *parser) isOp(o string) bool { return p.tok.kind == op && p.tok.s == o }

func (p *parser) accept(w string) bool {
	if p.is(w) {
		p.step()
		return true
	}
	return false
}

func (p *parser) acceptOp(o string) bool {
	if p.isOp(o) {
		p.step()
		return true
	}
	return false
}

func (p *parser) want(w string) {
	if !p.accept(w) {
		p.failHint("expected " + w)
	}
}

func (p *parser) wantOp(o string) {
	if !p.acceptOp(o) {
		p.failHint("expected " + o)
	}
}

func (p *parser) fail() { p.failHint("") }

func (p *parser) failHint(hint string) {
	e := value.Errorf(value.SyntaxError, "syntax error at end of input")
	if p.tok.kind != end {
		e = value.Errorf(value.SyntaxError, "syntax error at or near %q", near(p.lex.s[p.tok.at:p.tok.to]))
	}
	e.Hint = hint
	panic(failure{e.At(int(p.pos()))})
}

func (p *parser) failf(format string, args ...any) {
	panic(failure{value.Errorf(value.SyntaxError, format, args...).At(int(p.pos()))})
}

// ident reads a name that is no reserved word.
func (p *parser) ident() (s string, isQuoted bool) {
	if p.tok.kind == word && reserved[p.tok.up] {
		p.fail()
	}
	return p.anyIdent()
}

func (p *parser) anyIdent() (s string, isQuoted bool) {
	if p.tok.kind != word && p.tok.kind != quoted {
		p.fail()
	}
	s, isQuoted = p.tok.s, p.tok.kind == quoted
	p.step()
	return s, isQuoted
}

// names reads a.b.c.
func (p *parser) names() []string {
	s, _ := p.ident()
	out := []string{s}
	for p.isOp(".") {
		p.step()
		s, _ = p.anyIdent()
		out = append(out, s)
	}
	return out
}

// Parse reads statements, which semicolons part. Errors are *value.Error with a position.
func Parse(text string) (out []*Statement, err error) {
	if len(text) > TextMax {
		return nil, value.Errorf(value.TooMany, "the text has %d bytes, more than the %d allowed", len(text), TextMax)
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			out, err = nil, f.err
		}
	}()
	p := &parser{lex: lexer{s: text}}
	p.step()
	for {
		for p.acceptOp(";") {
		}
		if p.tok.kind == end {
			return out, nil
		}
		from := p.tok.at
		s := p.statement()
		s.Text = strings.TrimSpace(text[from:p.tok.at])
		out = append(out, s)
		if p.tok.kind != end && !p.isOp(";") {
			p.fail()
		}
	}
}

func (p *parser) statement() *Statement {
	s := &Statement{Pos: p.pos(), Kind: p.tok.up}
	switch {
	case p.startsQuery():
		s.Kind = "SELECT"
		s.Query = p.query()
		return s
	case p.is("EXPLAIN"):
		p.step()
		s.Flag = p.accept("ANALYZE")
		p.accept("VERBOSE")
		s.Query = p.query()
		return s
	case p.is("SHOW"), p.is("RESET"), p.is("DISCARD"), p.is("DEALLOCATE"), p.is("CLOSE"), p.is("UNLISTEN"), p.is("LISTEN"), p.is("KILL"):
		p.step()
		s.Name = p.words()
		return s
	case p.is("DESCRIBE"), p.is("DESC"):
		s.Kind = "DESCRIBE"
		p.step()
		s.Name = strings.Join(p.names(), ".")
		return s
	case p.is("SET"):
		p.setting(s)
		return s
	case p.is("BEGIN"), p.is("START"):
		s.Kind = "BEGIN"
		p.words()
		return s
	case p.is("COMMIT"), p.is("END"):
		s.Kind = "COMMIT"
		p.words()
		return s
	case p.is("ROLLBACK"), p.is("ABORT"):
		s.Kind = "ROLLBACK"
		p.words()
		return s
	case p.is("PREPARE"), p.is("EXECUTE"), p.is("DECLARE"), p.is("FETCH"), p.is("MOVE"):
		p.prepared(s)
		return s
	case p.is("COPY"):
		p.step()
		if p.acceptOp("(") {
			s.Query = p.query()
			p.wantOp(")")
		} else {
			at := p.pos()
			s.Query = &Query{Pos: at, Select: &Select{Pos: at, Items: []Item{{X: &Star{Pos: at}}}, From: []Table{{Pos: at, Names: p.names()}}}}
		}
		p.want("TO")
		p.want("STDOUT")
		s.Value = p.words()
		return s
	}
	for _, w := range []string{"CREATE", "DROP", "ALTER", "REFRESH", "SUBSCRIBE", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "GRANT", "REVOKE", "LOCK", "VACUUM", "ANALYZE"} {
		if p.is(w) {
			s.Name = p.words()
			return s
		}
	}
	p.failHint("a statement begins with SELECT, WITH, VALUES, EXPLAIN, SHOW, DESCRIBE, SET, ..")
	return nil
}

// words reads to the end of the statement.
func (p *parser) words() string {
	from := p.tok.at
	to := from
	for p.tok.kind != end && !p.isOp(";") {
		to = p.tok.to
		p.step()
	}
	return p.lex.s[from:to]
}

// setting reads SET [SESSION|LOCAL] name {=|TO} value.
func (p *parser) setting(s *Statement) {
	p.step()
	if p.is("SESSION") || p.is("LOCAL") {
		p.step()
	}
	if p.is("TIME") && p.peek().up == "ZONE" {
		p.step()
		p.step()
		s.Name, s.Value = "timezone", p.values()
		return
	}
	if p.is("TRANSACTION") || p.is("CHARACTERISTICS") {
		s.Name = "transaction"
		p.words()
		return
	}
	s.Name = strings.ToLower(strings.Join(p.names(), "."))
	if !p.acceptOp("=") {
		p.want("TO")
	}
	s.Value = p.values()
}

func (p *parser) values() string {
	var b strings.Builder
	for p.tok.kind != end && !p.isOp(";") {
		if p.isOp(",") {
			b.WriteString(", ")
		} else {
			b.WriteString(p.tok.s)
		}
		p.step()
	}
	return b.String()
}

// prepared reads PREPARE n AS q, EXECUTE n (..), DECLARE n CURSOR FOR q, FETCH [count] [FROM] n.
func (p *parser) prepared(s *Statement) {
	kind := p.tok.up
	p.step()
	switch kind {
	case "PREPARE":
		s.Name, _ = p.ident()
		if p.acceptOp("(") {
			for !p.isOp(")") && p.tok.kind != end {
				t, _, _ := p.typeName()
				s.Options = append(s.Options, t)
				p.acceptOp(",")
			}
			p.wantOp(")")
		}
		p.want("AS")
		s.Query = p.query()
	case "EXECUTE":
		s.Name, _ = p.ident()
		if p.acceptOp("(") {
			s.Args = p.list()
			p.wantOp(")")
		}
	case "DECLARE":
		s.Name, _ = p.ident()
		for !p.is("FOR") && p.tok.kind == word {
			p.step()
		}
		p.want("FOR")
		s.Query = p.query()
	default:
		s.Value = "1"
		for p.tok.kind == number || p.is("ALL") || p.is("FORWARD") || p.is("NEXT") {
			if p.tok.kind == number || p.is("ALL") {
				s.Value = p.tok.s
			}
			p.step()
		}
		if p.is("FROM") || p.is("IN") {
			p.step()
		}
		s.Name, _ = p.anyIdent()
	}
}
