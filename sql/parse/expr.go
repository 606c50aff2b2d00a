package parse

import (
	"strconv"
	"strings"
)

// Binding powers: how strongly an operator holds what stands on both its sides.
const (
	powerOr = iota + 1
	powerAnd
	powerNot
	powerIs
	powerCompare
	powerIn
	powerOther
	powerAdd
	powerMul
	powerPow
	powerSign
	powerPostfix
)

var powers = map[string]int{
	"=": powerCompare, "<>": powerCompare, "!=": powerCompare, "<": powerCompare, "<=": powerCompare, ">": powerCompare, ">=": powerCompare,
	"||": powerOther, "->": powerOther, "->>": powerOther, "#>": powerOther, "#>>": powerOther, "~": powerOther, "~*": powerOther, "!~": powerOther,
	"!~*": powerOther, "@>": powerOther, "<@": powerOther, "~~": powerOther, "!~~": powerOther, "~~*": powerOther, "|": powerOther, "&": powerOther,
	"+": powerAdd, "-": powerAdd, "*": powerMul, "/": powerMul, "%": powerMul, "^": powerPow,
}

func (p *parser) expr() Expr { return p.power(0) }

// power reads an expression whose operators hold more strongly than least.
func (p *parser) power(least int) Expr {
	defer p.deeper()()
	x := p.prefix()
	for {
		next := p.infix(x, least)
		if next == nil {
			return x
		}
		x = next
	}
}

func (p *parser) prefix() Expr {
	at := p.pos()
	switch {
	case p.is("NOT"):
		p.step()
		return &Unary{at, "NOT", p.power(powerNot)}
	case p.isOp("-"), p.isOp("+"):
		o := p.tok.s
		p.step()
		if o == "-" && p.tok.kind == number {
			t := "-" + p.tok.s
			if p.peek().s != "::" && p.peek().s != "^" {
				p.step()
				return &Literal{at, Number, t}
			}
		}
		return &Unary{at, o, p.power(powerSign)}
	}
	return p.primary()
}

// infix reads an operator behind x and what follows it; nil if there is none that holds.
func (p *parser) infix(x Expr, least int) Expr {
	at := p.pos()
	if p.tok.kind == op {
		switch p.tok.s {
		case "::":
			p.step()
			return p.typed(at, x)
		case "[":
			return p.subscript(at, x)
		}
		power, ok := powers[p.tok.s]
		if !ok || power <= least {
			return nil
		}
		return p.operator(at, x, p.tok.s, power)
	}
	if p.tok.kind != word {
		return nil
	}
	switch p.tok.up {
	case "AND", "OR":
		power := powerOr
		if p.tok.up == "AND" {
			power = powerAnd
		}
		if power <= least {
			return nil
		}
		o := p.tok.up
		p.step()
		return &Binary{at, o, x, p.power(power)}
	case "IS", "ISNULL", "NOTNULL":
		if powerIs <= least {
			return nil
		}
		return p.isTest(at, x)
	case "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "SIMILAR":
		if powerIn <= least {
			return nil
		}
		return p.membership(at, x)
	case "OPERATOR":
		if powerOther <= least {
			return nil
		}
		p.step()
		p.wantOp("(")
		for p.tok.kind == word || p.isOp(".") {
			p.step()
		}
		o := p.tok.s
		p.step()
		p.wantOp(")")
		return p.applied(at, x, o, powerOther)
	case "COLLATE":
		p.step()
		p.names()
		return x
	case "AT":
		if p.peek().up != "TIME" {
			return nil
		}
		p.step()
		p.step()
		p.want("ZONE")
		return &Call{Pos: at, Name: "timezone", Args: []Expr{p.power(powerPostfix), x}}
	}
	return nil
}

func (p *parser) operator(at Pos, x Expr, o string, power int) Expr {
	p.step()
	return p.applied(at, x, o, power)
}

// aliases of operators.
var aliases = map[string]string{"!=": "<>", "~~": "LIKE", "~~*": "ILIKE"}

func (p *parser) applied(at Pos, x Expr, o string, power int) Expr {
	if a, ok := aliases[o]; ok {
		o = a
	}
	if (p.is("ANY") || p.is("SOME") || p.is("ALL")) && p.peek().s == "(" {
		q := &Quantified{Pos: at, X: x, Op: o, All: p.is("ALL")}
		p.step()
		p.wantOp("(")
		if p.startsQuery() {
			q.Query = p.query()
		} else {
			q.Array = p.expr()
		}
		p.wantOp(")")
		return q
	}
	if o == "!~~" {
		return &Unary{at, "NOT", &Binary{at, "LIKE", x, p.power(power)}}
	}
	return &Binary{at, o, x, p.power(power)}
}

func (p *parser) isTest(at Pos, x Expr) Expr {
	if p.is("ISNULL") || p.is("NOTNULL") {
		n := &Is{Pos: at, X: x, What: "NULL", Not: p.is("NOTNULL")}
		p.step()
		return n
	}
	p.step()
	n := &Is{Pos: at, X: x, Not: p.accept("NOT")}
	switch {
	case p.accept("DISTINCT"):
		p.want("FROM")
		n.What, n.Y = "DISTINCT", p.power(powerIs)
	case p.is("NULL"), p.is("TRUE"), p.is("FALSE"), p.is("UNKNOWN"):
		n.What = p.tok.up
		p.step()
	default:
		p.fail()
	}
	return n
}

func (p *parser) membership(at Pos, x Expr) Expr {
	not := p.accept("NOT")
	negated := func(e Expr) Expr {
		if not {
			return &Unary{at, "NOT", e}
		}
		return e
	}
	switch {
	case p.accept("IN"):
		in := &In{Pos: at, X: x, Not: not}
		p.wantOp("(")
		if p.startsQuery() {
			in.Query = p.query()
		} else {
			in.List = p.list()
		}
		p.wantOp(")")
		return in
	case p.is("LIKE"), p.is("ILIKE"):
		o := p.tok.up
		p.step()
		b := &Binary{at, o, x, p.power(powerIn)}
		if p.accept("ESCAPE") {
			return negated(&Call{Pos: at, Name: "like_escape", Args: []Expr{b.L, b.R, p.power(powerIn)}})
		}
		return negated(b)
	case p.accept("BETWEEN"):
		symmetric := p.accept("SYMMETRIC")
		p.accept("ASYMMETRIC")
		low := p.power(powerIn)
		p.want("AND")
		high := p.power(powerIn)
		between := func(low, high Expr) Expr {
			return &Binary{at, "AND", &Binary{at, ">=", x, low}, &Binary{at, "<=", x, high}}
		}
		if symmetric {
			return negated(&Binary{at, "OR", between(low, high), between(high, low)})
		}
		return negated(between(low, high))
	}
	p.fail()
	return nil
}

func (p *parser) subscript(at Pos, x Expr) Expr {
	p.step()
	s := &Subscript{Pos: at, X: x}
	if !p.isOp(":") {
		s.Index = p.expr()
	}
	if p.acceptOp(":") {
		if s.To = Expr(&Literal{at, Null, ""}); !p.isOp("]") {
			s.To = p.expr()
		}
	}
	p.wantOp("]")
	return s
}

func (p *parser) typed(at Pos, x Expr) Expr {
	name, array, mods := p.typeName()
	return &Cast{at, x, name, array, mods}
}

// typeName reads a type: several words, a schema, modifiers, brackets.
func (p *parser) typeName() (name string, array bool, mods []string) {
	parts := p.names()
	name = strings.ToLower(parts[len(parts)-1])
	switch {
	case name == "double":
		p.accept("PRECISION")
	case name == "character", name == "char":
		p.accept("VARYING")
	}
	if p.acceptOp("(") {
		for !p.isOp(")") && p.tok.kind != end {
			mods = append(mods, p.tok.s)
			p.step()
			p.acceptOp(",")
		}
		p.wantOp(")")
	}
	if name == "timestamp" || name == "time" {
		if p.accept("WITH") {
			p.want("TIME")
			p.want("ZONE")
			name += "tz"
		} else if p.accept("WITHOUT") {
			p.want("TIME")
			p.want("ZONE")
		}
	}
	for p.isOp("[") {
		p.step()
		if p.tok.kind == number {
			p.step()
		}
		p.wantOp("]")
		array = true
	}
	return name, array, mods
}

func (p *parser) primary() Expr {
	at, t := p.pos(), p.tok
	switch t.kind {
	case number:
		p.step()
		return &Literal{at, Number, t.s}
	case text:
		p.step()
		for p.tok.kind == text { // 'a' 'b' is one
			t.s += p.tok.s
			p.step()
		}
		return &Literal{at, String, t.s}
	case param:
		p.step()
		n, err := strconv.Atoi(t.s)
		if err != nil || n < 1 || n > 65535 {
			p.failf("there is no parameter $%s", t.s)
		}
		return &Param{at, n}
	case quoted:
		return p.named()
	case word:
		return p.keyword(at, t)
	}
	switch {
	case p.isOp("*"):
		p.step()
		return &Star{Pos: at}
	case p.acceptOp("("):
		return p.bracket(at)
	}
	p.fail()
	return nil
}

// bracket reads what follows an opening bracket: a query, an expression, a row.
func (p *parser) bracket(at Pos) Expr {
	if p.startsQuery() {
		q := p.query()
		p.wantOp(")")
		return &Subquery{Pos: at, Query: q}
	}
	x := p.expr()
	if p.isOp(",") {
		items := []Expr{x}
		for p.acceptOp(",") {
			items = append(items, p.expr())
		}
		p.wantOp(")")
		return &List{at, items, true}
	}
	p.wantOp(")")
	// (r).field of a row is named as a function would be.
	for p.isOp(".") && p.peek().kind != op {
		p.step()
		name, _ := p.ident()
		x = &Call{Pos: at, Name: "field", Args: []Expr{x, &Literal{at, String, name}}}
	}
	return x
}

func (p *parser) keyword(at Pos, t token) Expr {
	next := p.peek()
	switch t.up {
	case "NULL":
		p.step()
		return &Literal{Pos: at, Kind: Null}
	case "TRUE", "FALSE":
		p.step()
		return &Literal{at, Bool, strings.ToLower(t.s)}
	case "CASE":
		if next.s != "," && next.s != ")" && next.kind != end {
			return p.caseOf(at)
		}
	case "EXISTS":
		if next.s == "(" {
			p.step()
			p.step()
			q := p.query()
			p.wantOp(")")
			return &Exists{at, q}
		}
	case "INTERVAL", "TIMESTAMP", "TIMESTAMPTZ", "DATE":
		if next.kind == text {
			return p.typedLiteral(at, strings.ToLower(t.s))
		}
	case "ARRAY":
		if next.s == "[" {
			p.step()
			return p.array(at)
		}
		if next.s == "(" {
			p.step()
			p.step()
			q := p.query()
			p.wantOp(")")
			return &Subquery{at, q, true}
		}
	case "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_USER", "SESSION_USER", "USER", "CURRENT_CATALOG", "CURRENT_SCHEMA", "LOCALTIMESTAMP", "CURRENT_ROLE":
		if next.s != "(" && next.s != "." {
			p.step()
			return &Call{Pos: at, Name: strings.ToLower(t.s)}
		}
	}
	if reserved[t.up] {
		p.fail()
	}
	return p.named()
}

func (p *parser) typedLiteral(at Pos, name string) Expr {
	p.step()
	s := p.tok.s
	p.step()
	if name == "interval" && p.tok.kind == word {
		switch p.tok.up {
		case "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR", "SECONDS", "MINUTES", "HOURS", "DAYS":
			s += " " + p.tok.s
			p.step()
		}
	}
	return &Cast{Pos: at, X: &Literal{at, String, s}, Type: name}
}

func (p *parser) array(at Pos) Expr {
	p.wantOp("[")
	l := &List{Pos: at}
	for !p.isOp("]") {
		if p.isOp("[") {
			l.Items = append(l.Items, p.array(p.pos()))
		} else {
			l.Items = append(l.Items, p.expr())
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.wantOp("]")
	return l
}

func (p *parser) caseOf(at Pos) Expr {
	p.step()
	c := &Case{Pos: at}
	if !p.is("WHEN") {
		c.X = p.expr()
	}
	for p.accept("WHEN") {
		when := p.expr()
		p.want("THEN")
		c.Whens = append(c.Whens, [2]Expr{when, p.expr()})
	}
	if len(c.Whens) == 0 {
		p.fail()
	}
	if p.accept("ELSE") {
		c.Else = p.expr()
	}
	p.want("END")
	return c
}

// named reads a column or a call.
func (p *parser) named() Expr {
	at := p.pos()
	parts := make([]string, 1, 2)
	var q bool
	parts[0], q = p.ident()
	for p.isOp(".") {
		p.step()
		if p.acceptOp("*") {
			return &Star{at, parts[len(parts)-1]}
		}
		var s string
		s, q = p.anyIdent()
		parts = append(parts, s)
	}
	if p.isOp("(") {
		return p.call(at, strings.ToLower(parts[len(parts)-1]))
	}
	return &Name{at, parts, q}
}
