package plan

import (
	"unsafe"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

func uintptrOf(q *Query) uintptr { return uintptr(unsafe.Pointer(q)) }

// Column is a column of a plan's rows.
type Column struct {
	Name string
	Type value.Type
}

// Node is a step of a plan. The list is closed.
type Node interface{ Columns() []Column }

// Field is what a column of a topic holds.
type Field uint8

// The columns that every topic has; PathField is a path of its value.
const (
	TopicField Field = iota
	PartitionField
	OffsetField
	TimestampField
	KeyField
	ValueField
	HeadersField
	KeyBytesField
	ValueBytesField
	PathField
)

// Topic is a topic as plans know it.
type Topic struct {
	Name       string
	Handle     any // the catalog's own
	Partitions int32
	// Declared are fields of the value that are known, in their order.
	Declared  []Column
	Compacted bool
}

// ScanColumn is one column that a scan fills.
type ScanColumn struct {
	Field Field
	Path  int // of Scan.Paths
}

// Scan reads a topic.
type Scan struct {
	Topic *Topic
	Cols  []ScanColumn
	Paths []jsonpath.Path
	Names []string // of the columns
	// Where bounds what is read: partitions (nil: all) and offsets in [OffsetFrom, OffsetTo),
	// records from SinceMillis on.
	Partitions           []int32
	OffsetFrom, OffsetTo int64
	SinceMillis          int64
	// Newest is how many of a partition's last records are asked for; 0: all.
	Newest int64
	// Latest: only the newest record per key counts, tombstones delete (TABLE(t)).
	Latest bool
}

// fieldTypes are the types of the columns that every topic has.
var fieldTypes = [...]value.Type{
	TopicField: value.TText, PartitionField: value.TInt4, OffsetField: value.TInt8, TimestampField: value.TTimestamptz,
	KeyField: value.TText, ValueField: value.TText, HeadersField: value.TJSON, KeyBytesField: value.TBytea, ValueBytesField: value.TBytea,
	PathField: value.Dynamic,
}

// Columns are those that the query asks for.
func (s *Scan) Columns() []Column {
	out := make([]Column, len(s.Cols))
	for i, c := range s.Cols {
		out[i] = Column{s.Names[i], fieldTypes[c.Field]}
	}
	return out
}

// Virtual is a table that is not a topic.
type Virtual struct {
	Name string
	Cols []Column
	Rows func() [][]value.Value
}

// Columns are all.
func (v *Virtual) Columns() []Column { return v.Cols }

// Values are rows of expressions; without any, one row of no columns.
type Values struct {
	Rows [][]Expr
	Cols []Column
}

// Columns are named column1..
func (v *Values) Columns() []Column { return v.Cols }

// Series are the rows of a function in FROM, for each row of In: that row and the function's
// columns. Outer keeps a row for which there are none.
type Series struct {
	In         Node
	Name       string
	Args       []Expr
	Cols       []Column
	Ordinality bool
	Outer      bool
}

// Columns are those of In and the function's.
func (s *Series) Columns() []Column {
	return append(append([]Column(nil), s.In.Columns()...), s.Cols...)
}

// Filter lets rows through for which Cond is true.
type Filter struct {
	In   Node
	Cond Expr
}

// Columns are those of In.
func (f *Filter) Columns() []Column { return f.In.Columns() }

// Project works out columns.
type Project struct {
	In    Node
	Exprs []Expr
	Cols  []Column
}

// Columns are the expressions'.
func (p *Project) Columns() []Column { return p.Cols }

// WindowKind is how rows fall into windows.
type WindowKind uint8

// The kinds of windows.
const (
	Tumble WindowKind = iota + 1
	Hop
	Session
)

// Window appends window_start and window_end, with a row for each window that a row is in.
// Times and lengths are µs.
type Window struct {
	In                  Node
	Kind                WindowKind
	Time                Expr
	Size, Slide, Offset int64 // Session: Size is the gap
	Partition           []Expr
}

// WindowColumns are what a Window appends.
var WindowColumns = []Column{{"window_start", value.TTimestamptz}, {"window_end", value.TTimestamptz}}

// Columns are those of In and two more.
func (w *Window) Columns() []Column {
	return append(append([]Column(nil), w.In.Columns()...), WindowColumns...)
}

// Agg is one aggregate.
type Agg struct {
	F        *Aggregate
	Args     []Expr
	Distinct bool
	Filter   Expr
	OrderBy  []SortKey
	T        value.Type
}

// Group aggregates: a row per distinct keys, one in all without keys.
type Group struct {
	In   Node
	Keys []Expr
	Aggs []Agg
}

// Columns are keys, then aggregates.
func (g *Group) Columns() []Column {
	var out []Column
	for _, k := range g.Keys {
		out = append(out, Column{"key", k.Type()})
	}
	for _, a := range g.Aggs {
		out = append(out, Column{a.F.Name, a.T})
	}
	return out
}

// Join puts rows together: those whose keys are equal and for which On is true of both rows.
// Without keys every row meets every other.
type Join struct {
	Kind                string // INNER LEFT RIGHT FULL SEMI ANTI
	Left, Right         Node
	LeftKeys, RightKeys []Expr // over a side's own row
	On                  Expr   // over both; nil: true
}

// Columns are the left's, then the right's.
func (j *Join) Columns() []Column {
	return append(append([]Column(nil), j.Left.Columns()...), j.Right.Columns()...)
}

// Apply runs the right side anew for each row of the left one, which it may look at.
type Apply struct {
	Left, Right Node
	Outer       bool
}

// Columns are the left's, then the right's.
func (a *Apply) Columns() []Column {
	return append(append([]Column(nil), a.Left.Columns()...), a.Right.Columns()...)
}

// OverFunc is one window function.
type OverFunc struct {
	Name      string
	Agg       *Agg // of an aggregate over a frame
	Args      []Expr
	Partition []Expr
	OrderBy   []SortKey
	Frame     *parse.Frame
	From, To  int64 // offsets of the frame, where it has some
	T         value.Type
}

// Over appends a column per function.
type Over struct {
	In    Node
	Funcs []OverFunc
}

// Columns are those of In and the functions'.
func (o *Over) Columns() []Column {
	out := append([]Column(nil), o.In.Columns()...)
	for _, f := range o.Funcs {
		out = append(out, Column{f.Name, f.T})
	}
	return out
}

// Stats appends a column per expression: the z-score of X over all rows of In, which are read
// twice: no row is kept.
type Stats struct {
	In Node
	X  []Expr
}

// Columns are those of In and the scores.
func (s *Stats) Columns() []Column {
	out := append([]Column(nil), s.In.Columns()...)
	for range s.X {
		out = append(out, Column{"zscore", value.TFloat8})
	}
	return out
}

// Recent appends a column per function of this and the N-1 rows before of the same partition,
// by offset: the rows come in that order.
type Recent struct {
	In        Node
	Partition Expr
	Funcs     []RecentFunc
}

// RecentFunc is a moving average, or with Score a z-score.
type RecentFunc struct {
	X     Expr
	N     int
	Score bool
}

// Columns are those of In and the functions'.
func (r *Recent) Columns() []Column {
	out := append([]Column(nil), r.In.Columns()...)
	for range r.Funcs {
		out = append(out, Column{"moving", value.TFloat8})
	}
	return out
}

// SetOp is UNION, INTERSECT or EXCEPT.
type SetOp struct {
	Op          string
	All         bool
	Left, Right Node
	Cols        []Column
}

// Columns are the left's names with the types that hold both.
func (s *SetOp) Columns() []Column { return s.Cols }

// SortKey is one key of an order.
type SortKey struct {
	X          Expr
	Desc       bool
	NullsFirst bool
}

// Sort orders rows; with Limit only the first so many are kept.
type Sort struct {
	In    Node
	Keys  []SortKey
	Limit int64 // 0: all
}

// Columns are those of In.
func (s *Sort) Columns() []Column { return s.In.Columns() }

// Distinct lets the first of equal rows through, equal in On if it has any.
type Distinct struct {
	In Node
	On []Expr
}

// Columns are those of In.
func (d *Distinct) Columns() []Column { return d.In.Columns() }

// Limit lets Count rows through behind the first Skip.
type Limit struct {
	In          Node
	Count, Skip Expr // nil: all, none
}

// Columns are those of In.
func (l *Limit) Columns() []Column { return l.In.Columns() }
