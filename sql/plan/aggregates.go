package plan

import "github.com/streamhouse/streamhouse/sql/value"

// Aggregate is one row of the table of aggregates.
type Aggregate struct {
	Name string
	Args string // as of Function
	Doc  string
	// Ordered ones see their rows in the order of the call's ORDER BY, which they need.
	Ordered bool
	result  func(args []Expr) value.Type
}

var aggregates = map[string]*Aggregate{}

// Aggregates are all, in no order.
func Aggregates() map[string]*Aggregate { return aggregates }

func fixed(t value.Type) func([]Expr) value.Type { return func([]Expr) value.Type { return t } }

func ofFirst(args []Expr) value.Type {
	if t := args[0].Type(); t != value.Unknown {
		return t
	}
	return value.TText
}

// ofSum is float8 of float8, else numeric: sums of money and of int8 are exact.
func ofSum(args []Expr) value.Type {
	if args[0].Type() == value.TFloat8 {
		return value.TFloat8
	}
	return value.TNumeric
}

func init() {
	for _, a := range []Aggregate{
		{Name: "count", Args: "?a", Doc: "number of rows, or of values that are not NULL", result: fixed(value.TInt8)},
		{Name: "sum", Args: "n", Doc: "sum; exact but for float8", result: ofSum},
		{Name: "avg", Args: "n", Doc: "mean (also mean)", result: ofSum},
		{Name: "min", Args: "a", Doc: "the smallest", result: ofFirst},
		{Name: "max", Args: "a", Doc: "the largest", result: ofFirst},
		{Name: "first", Args: "a", Doc: "the value of the first row by timestamp, partition and offset", result: ofFirst},
		{Name: "last", Args: "a", Doc: "the value of the last row by timestamp, partition and offset", result: ofFirst},
		{Name: "arg_min", Args: "aa", Doc: "the first argument where the second is smallest", result: ofFirst},
		{Name: "arg_max", Args: "aa", Doc: "the first argument where the second is largest", result: ofFirst},
		{Name: "bool_and", Args: "b", Doc: "whether all are true", result: fixed(value.TBool)},
		{Name: "bool_or", Args: "b", Doc: "whether one is true", result: fixed(value.TBool)},
		{Name: "string_agg", Args: "at", Doc: "texts with a separator between, at most 1 MiB", result: fixed(value.TText)},
		{Name: "array_agg", Args: "a", Doc: "an array of all, at most 1 MiB", result: func(a []Expr) value.Type { return value.ArrayOf(a[0].Type()) }},
		{Name: "json_agg", Args: "a", Doc: "a JSON array of all, at most 1 MiB", result: fixed(value.TJSON)},
		{Name: "stddev", Args: "n", Doc: "standard deviation of a sample (also std, stddev_samp)", result: fixed(value.TFloat8)},
		{Name: "stddev_pop", Args: "n", Doc: "standard deviation of all", result: fixed(value.TFloat8)},
		{Name: "variance", Args: "n", Doc: "variance of a sample (also var_samp)", result: fixed(value.TFloat8)},
		{Name: "var_pop", Args: "n", Doc: "variance of all", result: fixed(value.TFloat8)},
		{Name: "percentile_cont", Args: "f", Doc: "WITHIN GROUP (ORDER BY x): the value at a share, between two neighbours", Ordered: true, result: fixed(value.TFloat8)},
		{Name: "percentile_disc", Args: "f", Doc: "WITHIN GROUP (ORDER BY x): the first value at or above a share", Ordered: true},
		{Name: "median", Args: "n", Doc: "percentile_cont(0.5)", result: fixed(value.TFloat8)},
		{Name: "approx_count_distinct", Args: "a", Doc: "number of different values, within 2%", result: fixed(value.TInt8)},
	} {
		aggregates[a.Name] = &a
	}
}
