package parse

import (
	"strconv"
	"strings"
)

// Text is an expression as text that reads back to the same tree; of what holds a query, only
// where it began. Brackets stand around all that has parts.
func Text(x Expr) string {
	var b strings.Builder
	print(&b, x)
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func print(b *strings.Builder, x Expr) {
	list := func(items []Expr) {
		for i, it := range items {
			if i > 0 {
				b.WriteString(", ")
			}
			print(b, it)
		}
	}
	switch x := x.(type) {
	case *Literal:
		switch x.Kind {
		case Null:
			b.WriteString("NULL")
		case String:
			b.WriteString(quote(x.Text))
		default:
			b.WriteString(x.Text)
		}
	case *Name:
		for i, p := range x.Parts {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(ident(p))
		}
	case *Star:
		if x.Table != "" {
			b.WriteString(ident(x.Table) + ".")
		}
		b.WriteByte('*')
	case *Param:
		b.WriteString("$" + strconv.Itoa(x.N))
	case *Unary:
		b.WriteString("(" + x.Op + " ")
		print(b, x.X)
		b.WriteByte(')')
	case *Binary:
		b.WriteByte('(')
		print(b, x.L)
		b.WriteString(" " + x.Op + " ")
		print(b, x.R)
		b.WriteByte(')')
	case *Is:
		b.WriteByte('(')
		print(b, x.X)
		b.WriteString(" IS ")
		if x.Not {
			b.WriteString("NOT ")
		}
		b.WriteString(x.What)
		if x.Y != nil {
			b.WriteString(" FROM ")
			print(b, x.Y)
		}
		b.WriteByte(')')
	case *In:
		b.WriteByte('(')
		print(b, x.X)
		if x.Not {
			b.WriteString(" NOT")
		}
		b.WriteString(" IN (")
		if x.Query != nil {
			printQuery(b, x.Query)
		}
		list(x.List)
		b.WriteString("))")
	case *Case:
		b.WriteString("CASE")
		if x.X != nil {
			b.WriteByte(' ')
			print(b, x.X)
		}
		for _, w := range x.Whens {
			b.WriteString(" WHEN ")
			print(b, w[0])
			b.WriteString(" THEN ")
			print(b, w[1])
		}
		if x.Else != nil {
			b.WriteString(" ELSE ")
			print(b, x.Else)
		}
		b.WriteString(" END")
	case *Cast:
		b.WriteString("CAST(")
		print(b, x.X)
		b.WriteString(" AS " + x.Type)
		if x.Array {
			b.WriteString("[]")
		}
		b.WriteByte(')')
	case *Call:
		printCall(b, x, list)
	case *List:
		if x.Row {
			b.WriteByte('(')
			list(x.Items)
			b.WriteByte(')')
			return
		}
		b.WriteString("ARRAY[")
		list(x.Items)
		b.WriteByte(']')
	case *Subscript:
		print(b, x.X)
		b.WriteByte('[')
		if x.Index != nil {
			print(b, x.Index)
		}
		b.WriteByte(']')
	case *Exists:
		b.WriteString("EXISTS (")
		printQuery(b, x.Query)
		b.WriteByte(')')
	case *Subquery:
		b.WriteByte('(')
		printQuery(b, x.Query)
		b.WriteByte(')')
	case *Quantified:
		b.WriteByte('(')
		print(b, x.X)
		b.WriteString(" " + x.Op + " ANY (")
		if x.Query != nil {
			printQuery(b, x.Query)
		} else {
			print(b, x.Array)
		}
		b.WriteString("))")
	}
}

// printQuery names a query by its place: two are never the same.
func printQuery(b *strings.Builder, q *Query) { b.WriteString("query at " + strconv.Itoa(q.At())) }

func printCall(b *strings.Builder, x *Call, list func([]Expr)) {
	b.WriteString(ident(x.Name) + "(")
	if x.Distinct {
		b.WriteString("DISTINCT ")
	}
	if x.Star {
		b.WriteByte('*')
	}
	list(x.Args)
	printOrders(b, x.OrderBy)
	b.WriteByte(')')
	if x.Filter != nil {
		b.WriteString(" FILTER (WHERE ")
		print(b, x.Filter)
		b.WriteByte(')')
	}
	if x.Over == nil {
		return
	}
	b.WriteString(" OVER (")
	if x.Over.Name != "" {
		b.WriteString(ident(x.Over.Name) + " ")
	}
	if len(x.Over.Partition) > 0 {
		b.WriteString("PARTITION BY ")
		list(x.Over.Partition)
	}
	printOrders(b, x.Over.OrderBy)
	if f := x.Over.Frame; f != nil {
		b.WriteString(" RANGE")
		if f.Rows {
			b.WriteString(" ROWS")
		}
		for _, e := range []Bound{f.From, f.To} {
			b.WriteString(" " + strconv.Itoa(int(e.Kind)) + " ")
			if e.Offset != nil {
				print(b, e.Offset)
			}
		}
	}
	b.WriteByte(')')
}

func printOrders(b *strings.Builder, orders []Order) {
	for i, o := range orders {
		if i == 0 {
			b.WriteString(" ORDER BY ")
		} else {
			b.WriteString(", ")
		}
		print(b, o.X)
		if o.Desc {
			b.WriteString(" DESC")
		}
		if o.NullsFirst {
			b.WriteString(" NULLS FIRST")
		}
	}
}
