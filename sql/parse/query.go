package parse

// startsQuery says whether a query begins here.
func (p *parser) startsQuery() bool {
	if p.isOp("(") { // ((SELECT ..) UNION ..): look behind the brackets
		l := p.lex
		for range NestingMax {
			t, err := l.next()
			if err != nil {
				return false
			}
			if t.kind == op && t.s == "(" {
				continue
			}
			return t.kind == word && (t.up == "SELECT" || t.up == "WITH" || t.up == "VALUES")
		}
		return false
	}
	return p.is("SELECT") || p.is("WITH") || p.is("VALUES")
}

func (p *parser) query() *Query {
	defer p.deeper()()
	at := p.pos()
	var with []CTE
	recursive := false
	if p.accept("WITH") {
		recursive = p.accept("RECURSIVE")
		for {
			var c CTE
			c.Name, _ = p.ident()
			if p.isOp("(") {
				c.Columns = p.columns()
			}
			p.want("AS")
			if p.accept("NOT") {
				p.want("MATERIALIZED")
			}
			p.accept("MATERIALIZED")
			p.wantOp("(")
			c.Query = p.query()
			p.wantOp(")")
			with = append(with, c)
			if !p.acceptOp(",") {
				break
			}
		}
	}
	q := p.setOperations(0)
	if len(with) > 0 {
		if len(q.With) > 0 || q.Limit != nil || len(q.OrderBy) > 0 {
			q = &Query{Pos: at, Select: &Select{Pos: at, Items: []Item{{X: &Star{Pos: at}}}, From: []Table{{Pos: at, Query: q, Alias: "q"}}}}
		}
		q.With, q.Recursive = with, recursive
	}
	p.tail(q)
	return q
}

// tail reads ORDER BY, LIMIT, OFFSET and EMIT.
func (p *parser) tail(q *Query) {
	for {
		switch {
		case p.is("ORDER"):
			p.step()
			p.want("BY")
			q.OrderBy = p.orders()
		case p.is("LIMIT"):
			p.step()
			if !p.accept("ALL") {
				q.Limit = p.expr()
			}
		case p.is("OFFSET"):
			p.step()
			q.Offset = p.expr()
			if !p.accept("ROWS") {
				p.accept("ROW")
			}
		case p.is("FETCH"):
			p.step()
			if !p.accept("FIRST") {
				p.want("NEXT")
			}
			q.Limit = &Literal{p.pos(), Number, "1"}
			if p.tok.kind == number {
				q.Limit = p.primary()
			}
			if !p.accept("ROWS") {
				p.want("ROW")
			}
			p.want("ONLY")
		case p.is("EMIT"):
			p.step()
			if !p.is("CHANGES") && !p.is("FINAL") {
				p.fail()
			}
			q.Emit = p.tok.up
			p.step()
		default:
			return
		}
	}
}

func (p *parser) setOperations(least int) *Query {
	left := p.queryTerm()
	for {
		at, o, power := p.pos(), p.tok.up, 1
		switch {
		case p.is("INTERSECT"):
			power = 2
		case p.is("UNION"), p.is("EXCEPT"):
		default:
			return left
		}
		if power <= least {
			return left
		}
		p.step()
		all := p.accept("ALL")
		p.accept("DISTINCT")
		left = &Query{Pos: at, Op: o, All: all, Left: left, Right: p.setOperations(power)}
	}
}

func (p *parser) queryTerm() *Query {
	at := p.pos()
	switch {
	case p.acceptOp("("):
		q := p.query()
		p.wantOp(")")
		return q
	case p.accept("VALUES"):
		q := &Query{Pos: at}
		for {
			p.wantOp("(")
			q.Values = append(q.Values, p.list())
			p.wantOp(")")
			if !p.acceptOp(",") {
				return q
			}
		}
	}
	p.want("SELECT")
	return &Query{Pos: at, Select: p.selection(at)}
}

func (p *parser) selection(at Pos) *Select {
	s := &Select{Pos: at}
	if p.accept("DISTINCT") {
		if s.Distinct = true; p.accept("ON") {
			p.wantOp("(")
			s.DistinctOn = p.list()
			p.wantOp(")")
		}
	} else {
		p.accept("ALL")
	}
	for !p.is("FROM") && !p.endsList() {
		it := Item{X: p.expr()}
		if p.accept("AS") {
			it.Alias, _ = p.anyIdent()
		} else if p.tok.kind == quoted || p.tok.kind == word && !notAlias[p.tok.up] {
			it.Alias, _ = p.ident()
		}
		s.Items = append(s.Items, it)
		if !p.acceptOp(",") {
			break
		}
	}
	if p.accept("FROM") {
		for {
			s.From = append(s.From, p.joined())
			if !p.acceptOp(",") {
				break
			}
		}
	}
	if p.accept("WHERE") {
		s.Where = p.expr()
	}
	if p.accept("GROUP") {
		p.want("BY")
		s.GroupBy = p.list()
	}
	if p.accept("HAVING") {
		s.Having = p.expr()
	}
	if p.accept("WINDOW") {
		s.Windows = map[string]*Over{}
		for {
			name, _ := p.ident()
			p.want("AS")
			s.Windows[name] = p.over()
			if !p.acceptOp(",") {
				break
			}
		}
	}
	if p.accept("QUALIFY") {
		s.Qualify = p.expr()
	}
	return s
}

// endsList says whether an empty select list ends here.
func (p *parser) endsList() bool {
	return p.tok.kind == end || p.isOp(";") || p.isOp(")") || p.is("WHERE") || p.is("UNION") || p.is("LIMIT")
}

// joined reads a table and those joined to it.
func (p *parser) joined() Table {
	left := p.table()
	for {
		at := p.pos()
		j := &Join{Kind: "INNER", Left: left}
		j.Natural = p.is("NATURAL")
		if j.Natural {
			p.step()
		}
		switch {
		case p.is("LEFT"), p.is("RIGHT"), p.is("FULL"):
			j.Kind = p.tok.up
			p.step()
			p.accept("OUTER")
		case p.is("CROSS"):
			p.step()
			j.Kind = "CROSS"
		case p.is("INNER"):
			p.step()
		case !p.is("JOIN"):
			return left
		}
		p.want("JOIN")
		j.Right = p.table()
		if p.accept("WITHIN") {
			j.Within = p.expr()
		}
		switch {
		case j.Kind == "CROSS" || j.Natural:
		case p.accept("ON"):
			j.On = p.expr()
		case p.accept("USING"):
			j.Using = p.columns()
		default:
			p.fail()
		}
		left = Table{Pos: at, Join: j}
	}
}

func (p *parser) columns() []string {
	p.wantOp("(")
	var out []string
	for {
		c, _ := p.anyIdent()
		out = append(out, c)
		if p.tok.kind == word { // a type behind it, in a function's column list
			p.typeName()
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.wantOp(")")
	return out
}

func (p *parser) table() Table {
	defer p.deeper()()
	t := Table{Pos: p.pos()}
	t.Lateral = p.is("LATERAL")
	if t.Lateral {
		p.step()
	}
	switch {
	case p.isOp("(") && p.startsQueryInside():
		p.step()
		t.Query = p.query()
		p.wantOp(")")
	case p.acceptOp("("):
		t = p.joined()
		p.wantOp(")")
	case p.is("TABLE") && p.peek().s == "(":
		t.Call = p.tableFunction()
	default:
		t.Names = p.names()
		if p.isOp("(") {
			c, ok := p.call(t.Pos, lower(t.Names[len(t.Names)-1])).(*Call)
			if !ok {
				p.fail()
			}
			t.Names, t.Call = nil, c
		}
	}
	if p.is("WITH") && p.peek().up == "ORDINALITY" {
		p.step()
		p.step()
		t.Ordinality = true
	}
	if p.is("FOR") && p.peek().up == "SYSTEM_TIME" {
		p.failf("FOR SYSTEM_TIME AS OF is not built yet")
	}
	if p.accept("AS") {
		t.Alias, _ = p.anyIdent()
	} else if p.tok.kind == quoted || p.tok.kind == word && !notAlias[p.tok.up] {
		t.Alias, _ = p.ident()
	}
	if t.Alias != "" && p.isOp("(") {
		t.Columns = p.columns()
	}
	return t
}

// startsQueryInside says whether the bracket here holds a query.
func (p *parser) startsQueryInside() bool { return p.startsQuery() }

// tableFunction reads TABLE(t), or TABLE(HOP(TABLE t, ..)).
func (p *parser) tableFunction() *Call {
	at := p.pos()
	p.step()
	p.wantOp("(")
	x := p.named()
	p.wantOp(")")
	if c, ok := x.(*Call); ok {
		c.Name = "table_" + c.Name // Flink's order of arguments
		return c
	}
	return &Call{Pos: at, Name: "table", Args: []Expr{x}}
}
