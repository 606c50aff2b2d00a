package plan

// rewrite is x with each column replaced; queries within stay as they are.
func rewrite(x Expr, f func(*Col) Expr) Expr {
	all := func(list []Expr) []Expr {
		out := make([]Expr, len(list))
		for i, x := range list {
			out[i] = rewrite(x, f)
		}
		return out
	}
	switch x := x.(type) {
	case *Col:
		return f(x)
	case *Func:
		return &Func{F: x.F, Args: all(x.Args), T: x.T}
	case *Logic:
		return &Logic{x.Or, rewrite(x.L, f), rewrite(x.R, f)}
	case *Compare:
		return &Compare{x.Op, rewrite(x.L, f), rewrite(x.R, f)}
	case *Not:
		return &Not{rewrite(x.X, f)}
	case *Is:
		return &Is{rewrite(x.X, f), x.What, x.Not}
	case *In:
		return &In{rewrite(x.X, f), all(x.List)}
	case *Cast:
		return &Cast{rewrite(x.X, f), x.T, x.Mod}
	case *Path:
		return &Path{rewrite(x.X, f), x.Path, x.Text, x.Raw}
	case *Use:
		return &Use{rewrite(x.X, f), x.Class}
	case *Floor:
		return &Floor{rewrite(x.X, f), x.Size, x.Offset}
	case *anyOf:
		return &anyOf{rewrite(x.x, f), rewrite(x.array, f), x.op, x.all}
	case *Case:
		c := &Case{T: x.T}
		for _, w := range x.Whens {
			c.Whens = append(c.Whens, [2]Expr{rewrite(w[0], f), rewrite(w[1], f)})
		}
		if x.Else != nil {
			c.Else = rewrite(x.Else, f)
		}
		return c
	}
	return x
}

// uses says which columns of its own row x looks at; all: it cannot be told, or it may not be
// moved.
func uses(x Expr, see func(i int)) (all bool) {
	rewrite(x, func(c *Col) Expr {
		if c.Depth == 0 {
			see(c.I)
		}
		return c
	})
	return holds(x, func(x Expr) bool {
		switch x := x.(type) {
		case *Query:
			return true
		case *Func:
			return x.F.volatile && x.F.Name != "now" && x.F.Name != "current_date"
		}
		return false
	})
}

// holds says whether x or a part of it is such.
func holds(x Expr, is func(Expr) bool) bool {
	if x == nil {
		return false
	}
	if is(x) {
		return true
	}
	some := func(list ...Expr) bool {
		for _, x := range list {
			if x != nil && holds(x, is) {
				return true
			}
		}
		return false
	}
	switch x := x.(type) {
	case *Func:
		return some(x.Args...)
	case *Logic:
		return some(x.L, x.R)
	case *Compare:
		return some(x.L, x.R)
	case *Not:
		return some(x.X)
	case *Is:
		return some(x.X)
	case *In:
		return some(x.X) || some(x.List...)
	case *Cast:
		return some(x.X)
	case *Path:
		return some(x.X)
	case *Use:
		return some(x.X)
	case *Floor:
		return some(x.X)
	case *anyOf:
		return some(x.x, x.array)
	case *Case:
		for _, w := range x.Whens {
			if some(w[0], w[1]) {
				return true
			}
		}
		return some(x.Else)
	}
	return false
}

// conjuncts are the parts of x that all have to be true.
func conjuncts(x Expr) []Expr {
	if l, ok := x.(*Logic); ok && !l.Or {
		return append(conjuncts(l.L), conjuncts(l.R)...)
	}
	return []Expr{x}
}

func conjunction(list []Expr) Expr {
	var out Expr
	for _, x := range list {
		if out == nil {
			out = x
		} else {
			out = &Logic{L: out, R: x}
		}
	}
	return out
}

// push lets only rows of n through for which all conditions are true, as far down as it can.
func push(n Node, conds []Expr) Node {
	if len(conds) == 0 {
		return n
	}
	var stay []Expr
	switch n := n.(type) {
	case *Filter:
		return push(n.In, append(conjuncts(n.Cond), conds...))
	case *Join:
		return pushJoin(n, conds)
	case *Window:
		n.In, stay = below(n.In, conds)
	case *Series:
		n.In, stay = below(n.In, conds)
	case *Apply:
		n.Left, stay = below(n.Left, conds)
	default:
		stay = conds
	}
	if len(stay) == 0 {
		return n
	}
	return &Filter{n, conjunction(stay)}
}

// below pushes what only looks at the columns of in.
func below(in Node, conds []Expr) (Node, []Expr) {
	width := len(in.Columns())
	var down, stay []Expr
	for _, c := range conds {
		if within(c, 0, width) {
			down = append(down, c)
		} else {
			stay = append(stay, c)
		}
	}
	return push(in, down), stay
}

// within says whether x looks at columns in [from, to) only.
func within(x Expr, from, to int) bool {
	ok := true
	all := uses(x, func(i int) { ok = ok && i >= from && i < to })
	return ok && !all
}

func pushJoin(j *Join, conds []Expr) Node {
	left := len(j.Left.Columns())
	width := left + len(j.Right.Columns())
	var toLeft, toRight, stay []Expr
	inner := j.Kind == "INNER"
	for _, c := range conds {
		switch {
		case within(c, 0, left) && (inner || j.Kind == "LEFT"):
			toLeft = append(toLeft, c)
		case within(c, left, width) && (inner || j.Kind == "RIGHT"):
			toRight = append(toRight, shifted(c, -left))
		case inner && !j.key(c, left, width):
			stay = append(stay, c)
		case !inner:
			stay = append(stay, c)
		}
	}
	j.Left, j.Right = push(j.Left, toLeft), push(j.Right, toRight)
	if len(stay) == 0 {
		return j
	}
	return &Filter{j, conjunction(stay)}
}

func shifted(x Expr, by int) Expr {
	return rewrite(x, func(c *Col) Expr {
		if c.Depth > 0 {
			return c
		}
		return &Col{I: c.I + by, T: c.T}
	})
}

// key takes a condition as an equality of keys if it is one.
func (j *Join) key(c Expr, left, width int) bool {
	eq, ok := c.(*Compare)
	if !ok || eq.Op != "=" {
		return false
	}
	l, r := eq.L, eq.R
	if !(within(l, 0, left) && within(r, left, width)) {
		l, r = r, l
	}
	if !(within(l, 0, left) && within(r, left, width)) || constant(l) || constant(r) {
		return false
	}
	r = shifted(r, -left)
	tl, tr := l.Type(), r.Type()
	// What compares equal has to have the same key: a dynamic value beside a text is its text,
	// beside a number it is one or nothing.
	l, r = keyed(l, tl, tr), keyed(r, tr, tl)
	j.LeftKeys, j.RightKeys = append(j.LeftKeys, l), append(j.RightKeys, r)
	return true
}

func keyed(x Expr, t, beside typeOf) Expr {
	if t != dynamicType || beside == dynamicType {
		return x
	}
	switch {
	case beside.Textual():
		return &Use{x, 't'}
	case beside.Numeric():
		return &Use{x, 'n'}
	case beside == boolType:
		return &Use{x, 'b'}
	case beside.String() != "interval":
		return &Use{x, 'T'}
	}
	return x
}

func constant(x Expr) bool {
	any := false
	uses(x, func(int) { any = true })
	return !any
}

// Conjuncts are the parts of a condition that all have to be true.
func Conjuncts(x Expr) []Expr { return conjuncts(x) }
