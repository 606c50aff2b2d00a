// Package parse turns the text of statements into trees, and expressions back into text. It
// is pure and knows nothing of topics.
package parse

// Expr is an expression.
type Expr interface {
	// At is where it begins: in characters of the statement, from 1.
	At() int
}

// Pos is a place in a statement; expressions embed it.
type Pos int

// At is the place.
func (p Pos) At() int { return int(p) }

// The expressions.
type (
	// Literal is a constant.
	Literal struct {
		Pos
		Kind LiteralKind
		Text string
	}
	// Name is a column, with what stands before it: alias, schema.
	Name struct {
		Pos
		Parts  []string
		Quoted bool // the last part
	}
	// Star is * or t.*.
	Star struct {
		Pos
		Table string
	}
	// Param is $1.
	Param struct {
		Pos
		N int
	}
	// Call is a function's call, aggregate's or window function's.
	Call struct {
		Pos
		Name     string // lower case, without schema
		Args     []Expr
		Star     bool // count(*)
		Distinct bool
		OrderBy  []Order
		Filter   Expr
		Over     *Over
	}
	// Unary is a prefix operator: - + NOT.
	Unary struct {
		Pos
		Op string
		X  Expr
	}
	// Binary is an operator between two: AND OR = <> < <= > >= + - * / % || -> ->> #> #>> ~ ~* !~ !~* LIKE ILIKE ^ @>, and SIMILAR.
	Binary struct {
		Pos
		Op   string
		L, R Expr
	}
	// Is is x IS [NOT] NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM y.
	Is struct {
		Pos
		X, Y Expr
		What string
		Not  bool
	}
	// In is x IN (list) or (query).
	In struct {
		Pos
		X     Expr
		List  []Expr
		Query *Query
		Not   bool
	}
	// Quantified is x op ANY or ALL (array or query).
	Quantified struct {
		Pos
		X     Expr
		Op    string
		All   bool
		Array Expr
		Query *Query
	}
	// Case is CASE [x] WHEN .. THEN .. ELSE .. END.
	Case struct {
		Pos
		X     Expr
		Whens [][2]Expr
		Else  Expr
	}
	// Cast is CAST(x AS t) or x::t.
	Cast struct {
		Pos
		X     Expr
		Type  string // lower case
		Array bool
		Mods  []string
	}
	// Exists is EXISTS (query).
	Exists struct {
		Pos
		Query *Query
	}
	// Subquery is a query as a value; Array: ARRAY(query).
	Subquery struct {
		Pos
		Query *Query
		Array bool
	}
	// List is ARRAY[..], or (a, b) as a row.
	List struct {
		Pos
		Items []Expr
		Row   bool
	}
	// Subscript is x[i], or x[i:j].
	Subscript struct {
		Pos
		X, Index, To Expr
	}
)

// LiteralKind is what a constant is.
type LiteralKind uint8

// The kinds of constants.
const (
	Null LiteralKind = iota
	String
	Number
	Bool
)

// Over is a window of a window function.
type Over struct {
	Name      string
	Partition []Expr
	OrderBy   []Order
	Frame     *Frame
}

// Frame is ROWS or RANGE BETWEEN from AND to: Offset with Kind.
type Frame struct {
	Rows     bool
	From, To Bound
}

// Bound is an end of a frame.
type Bound struct {
	Kind   BoundKind
	Offset Expr
}

// BoundKind orders the ends of frames.
type BoundKind uint8

// The kinds of ends.
const (
	UnboundedPreceding BoundKind = iota
	Preceding
	CurrentRow
	Following
	UnboundedFollowing
)

// Order is one key of ORDER BY.
type Order struct {
	X          Expr
	Desc       bool
	NullsFirst bool
}

// Query is a SELECT, VALUES, or a set operation of queries.
type Query struct {
	Pos
	With      []CTE
	Recursive bool
	Select    *Select
	Values    [][]Expr
	// Op is UNION, INTERSECT or EXCEPT of Left and Right.
	Op          string
	All         bool
	Left, Right *Query
	OrderBy     []Order
	Limit       Expr
	Offset      Expr
	Emit        string // CHANGES or FINAL
}

// CTE is name AS (query).
type CTE struct {
	Name    string
	Columns []string
	Query   *Query
}

// Select is one SELECT.
type Select struct {
	Pos
	Distinct   bool
	DistinctOn []Expr
	Items      []Item
	From       []Table
	Where      Expr
	GroupBy    []Expr
	Having     Expr
	Windows    map[string]*Over
	Qualify    Expr
}

// Item is one column of a SELECT.
type Item struct {
	X     Expr
	Alias string
}

// Table is one of FROM.
type Table struct {
	Pos
	Names      []string // of a topic, with schema
	Query      *Query
	Call       *Call // a function: unnest, TABLE(t), TUMBLE(..)
	Join       *Join
	Lateral    bool
	Alias      string
	Columns    []string
	Ordinality bool
}

// Join is two tables together.
type Join struct {
	Kind        string // INNER LEFT RIGHT FULL CROSS
	Left, Right Table
	On          Expr
	Using       []string
	Natural     bool
	Within      Expr
}

// Statement is one statement.
type Statement struct {
	Pos
	Text string // of the statement alone
	// Kind is its first word or two: SELECT, EXPLAIN, SHOW, DESCRIBE, SET, RESET, BEGIN, COMMIT,
	// ROLLBACK, DISCARD, PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, CLOSE, COPY, KILL,
	// UNLISTEN, CREATE VIEW, CREATE STREAM, CREATE TABLE, DROP .., INSERT..; empty: nothing.
	Kind    string
	Query   *Query
	Name    string
	Value   string // SET's, FETCH's count
	Args    []Expr
	Flag    bool // ANALYZE, OR REPLACE, IF EXISTS
	Options []string
}
