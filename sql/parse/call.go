package parse

import "strings"

// call reads a function's arguments and what may follow them.
func (p *parser) call(at Pos, name string) Expr {
	p.wantOp("(")
	switch {
	case name == "cast":
		x := p.expr()
		p.want("AS")
		c := p.typed(at, x)
		p.wantOp(")")
		return c
	case name == "extract" && p.peek().up == "FROM":
		field, _ := p.field()
		p.want("FROM")
		x := p.expr()
		p.wantOp(")")
		return &Call{Pos: at, Name: "extract", Args: []Expr{&Literal{at, String, strings.ToLower(field)}, x}}
	}
	c := &Call{Pos: at, Name: name}
	c.Distinct = p.accept("DISTINCT")
	p.accept("ALL")
	if p.isOp("*") {
		p.step()
		c.Star = true
	} else if !p.isOp(")") {
		c.Args = p.arguments(name)
		if p.accept("ORDER") {
			p.want("BY")
			c.OrderBy = p.orders()
		}
	}
	p.wantOp(")")
	return p.behindCall(c)
}

func (p *parser) field() (string, bool) {
	if p.tok.kind == text {
		s := p.tok.s
		p.step()
		return s, true
	}
	return p.anyIdent()
}

// arguments reads a call's arguments in the forms that some functions have.
func (p *parser) arguments(name string) []Expr {
	var args []Expr
	for {
		switch {
		case name == "tumble" && p.is("TABLE"), name == "hop" && p.is("TABLE"), name == "session" && p.is("TABLE"):
			p.step() // TABLE t of Flink's windows
			args = append(args, p.named())
			if p.accept("PARTITION") {
				p.want("BY")
				args = append(args, &List{p.pos(), p.list(), true})
			}
		case p.is("DESCRIPTOR") && p.peek().s == "(":
			p.step()
			p.step()
			args = append(args, p.expr())
			p.wantOp(")")
		case p.tok.kind == word && p.peek().s == "=>":
			p.step()
			p.step()
			continue
		case name == "position":
			args = append(args, p.power(powerIn)) // IN parts its arguments
		default:
			args = append(args, p.expr())
		}
		switch {
		case p.acceptOp(","):
			continue
		case p.is("FROM") && (name == "substring" || name == "trim" || name == "overlay"),
			p.is("FOR") && name == "substring", p.is("IN") && name == "position":
			p.step()
			continue
		}
		return args
	}
}

func (p *parser) behindCall(c *Call) Expr {
	if p.is("WITHIN") && p.peek().up == "GROUP" {
		p.step()
		p.step()
		p.wantOp("(")
		p.want("ORDER")
		p.want("BY")
		c.OrderBy = p.orders()
		p.wantOp(")")
	}
	if p.is("FILTER") && p.peek().s == "(" {
		p.step()
		p.step()
		p.want("WHERE")
		c.Filter = p.expr()
		p.wantOp(")")
	}
	if p.is("OVER") && (p.peek().s == "(" || p.peek().kind == word || p.peek().kind == quoted) {
		p.step()
		if p.isOp("(") {
			c.Over = p.over()
		} else {
			name, _ := p.ident()
			c.Over = &Over{Name: name}
		}
	}
	return c
}

func (p *parser) over() *Over {
	p.wantOp("(")
	o := &Over{}
	if p.tok.kind == quoted || p.tok.kind == word && !p.is("PARTITION") && !p.is("ORDER") && !p.is("ROWS") && !p.is("RANGE") && !p.is("GROUPS") {
		o.Name, _ = p.ident()
	}
	if p.accept("PARTITION") {
		p.want("BY")
		o.Partition = p.list()
	}
	if p.accept("ORDER") {
		p.want("BY")
		o.OrderBy = p.orders()
	}
	if p.is("ROWS") || p.is("RANGE") {
		f := &Frame{Rows: p.is("ROWS"), To: Bound{Kind: CurrentRow}}
		p.step()
		if p.accept("BETWEEN") {
			f.From = p.bound()
			p.want("AND")
			f.To = p.bound()
		} else {
			f.From = p.bound()
		}
		o.Frame = f
	}
	p.wantOp(")")
	return o
}

func (p *parser) bound() Bound {
	switch {
	case p.accept("UNBOUNDED"):
		if p.accept("PRECEDING") {
			return Bound{Kind: UnboundedPreceding}
		}
		p.want("FOLLOWING")
		return Bound{Kind: UnboundedFollowing}
	case p.accept("CURRENT"):
		p.want("ROW")
		return Bound{Kind: CurrentRow}
	}
	b := Bound{Kind: Preceding, Offset: p.power(powerIn)}
	if !p.accept("PRECEDING") {
		p.want("FOLLOWING")
		b.Kind = Following
	}
	return b
}

func (p *parser) list() []Expr {
	out := []Expr{p.expr()}
	for p.acceptOp(",") {
		out = append(out, p.expr())
	}
	return out
}

func (p *parser) orders() []Order {
	var out []Order
	for {
		o := Order{X: p.expr()}
		if p.accept("DESC") {
			o.Desc = true
		} else {
			p.accept("ASC")
		}
		if p.accept("NULLS") {
			if o.NullsFirst = p.accept("FIRST"); !o.NullsFirst {
				p.want("LAST")
			}
		}
		out = append(out, o)
		if !p.acceptOp(",") {
			return out
		}
	}
}
