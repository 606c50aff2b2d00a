package plan

import (
	"fmt"
	"strings"
)

// Explain is a plan as lines, each step above those that it reads.
func Explain(n Node) []string {
	var out []string
	explain(n, 0, &out)
	return out
}

func explain(n Node, depth int, out *[]string) {
	line := func(format string, args ...any) {
		*out = append(*out, strings.Repeat("  ", depth)+fmt.Sprintf(format, args...))
	}
	in := func(list ...Node) {
		for _, n := range list {
			explain(n, depth+1, out)
		}
	}
	switch n := n.(type) {
	case *Scan:
		what := "Scan"
		if n.Latest {
			what = "Table"
		}
		line("%s %s: %s", what, n.Topic.Name, strings.Join(n.Names, ", "))
	case *Virtual:
		line("Rows of %s", n.Name)
	case *Values:
		line("Values: %d rows", len(n.Rows))
	case *Filter:
		line("Filter: %d conditions", len(conjuncts(n.Cond)))
		in(n.In)
	case *Project:
		line("Project: %d columns", len(n.Exprs))
		in(n.In)
	case *Window:
		line("Window: %s", map[WindowKind]string{Tumble: "tumbling", Hop: "hopping", Session: "sessions"}[n.Kind])
		in(n.In)
	case *Group:
		line("Aggregate: %d keys, %d aggregates", len(n.Keys), len(n.Aggs))
		in(n.In)
	case *Join:
		kind := "nested loops"
		if len(n.LeftKeys) > 0 {
			kind = fmt.Sprintf("hash of %d keys", len(n.LeftKeys))
		}
		line("Join %s: %s", n.Kind, kind)
		in(n.Left, n.Right)
	case *Apply:
		line("Apply: the right side for each row of the left")
		in(n.Left, n.Right)
	case *Series:
		line("Rows of %s", n.Name)
		in(n.In)
	case *Over:
		line("Over: %d functions", len(n.Funcs))
		in(n.In)
	case *Stats:
		line("Statistics: reads twice")
		in(n.In)
	case *Recent:
		line("Recent rows: %d functions", len(n.Funcs))
		in(n.In)
	case *SetOp:
		line("%s", n.Op)
		in(n.Left, n.Right)
	case *Sort:
		if n.Limit > 0 {
			line("TopN: %d", n.Limit)
		} else {
			line("Sort: %d keys", len(n.Keys))
		}
		in(n.In)
	case *Distinct:
		line("Distinct")
		in(n.In)
	case *Limit:
		line("Limit")
		in(n.In)
	}
}
