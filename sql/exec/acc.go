package exec

import (
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// acc is what an aggregate knows of its group.
type acc struct {
	n       int64       // values
	sum     value.Value // of exact numbers
	f, lost float64     // of float8, with what rounding lost (Neumaier)
	floats  bool
	v, by   value.Value // MIN, MAX, FIRST, LAST, ARG_MIN, ARG_MAX
	more    *accMore
}

// accMore is what few aggregates need.
type accMore struct {
	keys  map[string]struct{} // DISTINCT
	rows  []accRow            // those whose order counts
	at    []value.Value       // FIRST, LAST: where v was
	text  []byte
	mean  float64
	m2    float64
	hll   []uint8
	extra int64
}

type accRow struct{ v, by value.Value }

// accSize is what an acc takes, in bytes.
const accSize = 136

// collectedMax bounds what ARRAY_AGG and STRING_AGG make, in bytes.
const collectedMax = 1 << 20

func (a *acc) rest() *accMore {
	if a.more == nil {
		a.more = &accMore{}
	}
	return a.more
}

// add takes a row's value in.
func (a *acc) add(q *Query, g *plan.Agg, e *plan.Env, weight int64) error {
	if g.Filter != nil && !g.Filter.Eval(e).True() {
		return e.Err
	}
	if len(g.Args) == 0 {
		a.n += weight
		return nil
	}
	v := g.Args[0].Eval(e)
	name := g.F.Name
	if g.F.Ordered {
		v = g.OrderBy[0].X.Eval(e)
		if v.IsNull() {
			return nil
		}
		a.by = g.Args[0].Eval(e)
		return a.keep(q, name, accRow{v: v})
	}
	if v.IsNull() && name != "array_agg" && name != "json_agg" && name != "arg_min" && name != "arg_max" {
		return nil
	}
	if g.Distinct {
		fresh, err := a.distinct(q, v)
		if err != nil || !fresh {
			return err
		}
	}
	switch name {
	case "count":
		a.n += weight
	case "sum", "avg":
		return a.plus(v, weight)
	case "min", "max", "bool_and", "bool_or":
		a.n++
		if c := value.Compare(v, a.v); a.n == 1 || (name == "min" || name == "bool_and") && c < 0 || (name == "max" || name == "bool_or") && c > 0 {
			return a.set(q, v)
		}
	case "arg_min", "arg_max":
		by := g.Args[1].Eval(e)
		if by.IsNull() {
			return nil
		}
		a.n++
		if c := value.Compare(by, a.by); a.n == 1 || name == "arg_min" && c < 0 || name == "arg_max" && c > 0 {
			a.by = by.Clone()
			return a.set(q, v)
		}
	case "first", "last":
		return a.placed(q, g, e, v)
	case "stddev", "stddev_pop", "variance", "var_pop":
		m := a.rest()
		a.n += weight
		x := v.Float()
		d := x - m.mean
		m.mean += d * float64(weight) / float64(a.n)
		m.m2 += float64(weight) * d * (x - m.mean)
	case "median":
		return a.keep(q, name, accRow{v: v})
	case "string_agg", "array_agg", "json_agg":
		return a.collect(q, g, e, v)
	case "approx_count_distinct":
		a.estimate(v)
	}
	return nil
}

func (a *acc) set(q *Query, v value.Value) error {
	q.Mem.Shrink(int64(len(a.v.S)))
	a.v = v.Clone()
	return q.Mem.Grow("GROUP BY", int64(len(v.S)))
}

// plus adds a number: exact ones exactly, float8 with compensation.
func (a *acc) plus(v value.Value, weight int64) error {
	a.n += weight
	if v.K == value.Float {
		x := v.Float() * float64(weight)
		t := a.f + x
		if math.Abs(a.f) >= math.Abs(x) {
			a.lost += (a.f - t) + x
		} else {
			a.lost += (x - t) + a.f
		}
		a.f, a.floats = t, true
		return nil
	}
	if v.K == value.Int {
		v, _ = value.ToNumeric(v)
	}
	if weight != 1 {
		w, _ := value.ToNumeric(value.OfInt(weight))
		v, _ = value.Arith('*', v, w)
	}
	if a.sum.IsNull() {
		a.sum = value.Decimal(0, 0)
	}
	sum, err := value.Arith('+', a.sum, v)
	a.sum = sum
	if sum.S != "" {
		a.sum = sum.Clone()
	}
	return err
}

// total is the sum as the type says.
func (a *acc) total(t value.Type) (value.Value, error) {
	f := a.f
	if !math.IsInf(f, 0) && !math.IsNaN(a.lost) {
		f += a.lost
	}
	if t == value.TFloat8 {
		if !a.sum.IsNull() {
			f += a.sum.Float()
		}
		return value.OfFloat(f), nil
	}
	if !a.floats {
		return a.sum, nil
	}
	n, err := value.ToNumeric(value.OfFloat(f))
	if err != nil || a.sum.IsNull() {
		return n, err
	}
	return value.Arith('+', a.sum, n)
}

func (a *acc) distinct(q *Query, v value.Value) (bool, error) {
	m := a.rest()
	if m.keys == nil {
		m.keys = map[string]struct{}{}
	}
	var buf [64]byte
	key := v.Key(buf[:0])
	if _, ok := m.keys[string(key)]; ok {
		return false, nil
	}
	m.keys[string(key)] = struct{}{}
	return true, q.Mem.Grow("DISTINCT", int64(len(key))+48)
}

func (a *acc) keep(q *Query, what string, r accRow) error {
	r.v, r.by = r.v.Clone(), r.by.Clone()
	m := a.rest()
	m.rows = append(m.rows, r)
	a.n++
	return q.Mem.Grow(strings.ToUpper(what), r.v.Size()+r.by.Size())
}

// placed keeps the first or last value by timestamp, partition and offset; where rows have none
// of them, by their order.
func (a *acc) placed(q *Query, g *plan.Agg, e *plan.Env, v value.Value) error {
	m := a.rest()
	a.n++
	c := 0
	if m.at == nil {
		m.at = make([]value.Value, len(g.OrderBy))
		c = 1
	} else {
		for i, k := range g.OrderBy {
			if c = compareNulls(k.X.Eval(e), m.at[i], k.Desc, false); c != 0 {
				break
			}
		}
		if g.F.Name == "first" {
			c = -c
		} else if len(g.OrderBy) == 0 {
			c = 1
		}
	}
	if c <= 0 {
		return e.Err
	}
	for i, k := range g.OrderBy {
		m.at[i] = k.X.Eval(e).Clone()
	}
	return a.set(q, v)
}

func (a *acc) collect(q *Query, g *plan.Agg, e *plan.Env, v value.Value) error {
	if len(g.OrderBy) > 0 { // with the key and the separator; sorted at the end
		m := a.rest()
		row := []value.Value{v}
		for _, k := range g.OrderBy {
			row = append(row, k.X.Eval(e))
		}
		for _, x := range row {
			if err := a.keep(q, g.F.Name, accRow{v: x}); err != nil {
				return err
			}
		}
		m.extra = int64(len(row))
		if len(g.Args) > 1 {
			a.by = g.Args[1].Eval(e).Clone()
		}
		return a.bounded(g, int64(len(m.rows))*16)
	}
	m := a.rest()
	before := len(m.text)
	if a.n++; a.n > 1 {
		if g.F.Name == "string_agg" {
			m.text = g.Args[1].Eval(e).AppendText(m.text)
		} else {
			m.text = append(m.text, ',')
		}
	}
	if g.F.Name == "string_agg" {
		m.text = v.AppendText(m.text)
	} else {
		m.text = v.AppendJSON(m.text)
	}
	if err := a.bounded(g, int64(len(m.text))); err != nil {
		return err
	}
	return q.Mem.Grow(strings.ToUpper(g.F.Name), int64(len(m.text)-before))
}

func (a *acc) bounded(g *plan.Agg, n int64) error {
	if n > collectedMax {
		return value.Errorf(value.TooMany, "%s made more than %d bytes", g.F.Name, collectedMax)
	}
	return nil
}

func (a *acc) collected(g *plan.Agg) value.Value {
	m := a.rest()
	text := m.text
	if len(g.OrderBy) > 0 {
		width := int(m.extra)
		var at []int
		for i := 0; i < len(m.rows); i += width {
			at = append(at, i)
		}
		slices.SortStableFunc(at, func(x, y int) int {
			for i, k := range g.OrderBy {
				if c := compareNulls(m.rows[x+1+i].v, m.rows[y+1+i].v, k.Desc, k.NullsFirst); c != 0 {
					return c
				}
			}
			return 0
		})
		for i, x := range at {
			switch {
			case g.F.Name == "string_agg":
				if i > 0 {
					text = a.by.AppendText(text)
				}
				text = m.rows[x].v.AppendText(text)
			default:
				if i > 0 {
					text = append(text, ',')
				}
				text = m.rows[x].v.AppendJSON(text)
			}
		}
	}
	switch g.F.Name {
	case "string_agg":
		return value.OfText(string(text))
	case "json_agg":
		return value.OfJSON("[" + string(text) + "]")
	}
	return value.Value{K: value.Array, S: "[" + string(text) + "]"}
}

// result is the aggregate's value.
func (a *acc) result(g *plan.Agg, e *plan.Env) (value.Value, error) {
	if g.F.Name == "count" {
		return value.OfInt(a.n), nil
	}
	if g.F.Name == "approx_count_distinct" {
		return value.OfInt(a.estimated()), nil
	}
	if a.n == 0 {
		return value.Value{}, nil
	}
	switch g.F.Name {
	case "sum":
		return a.total(g.T)
	case "avg":
		sum, err := a.total(g.T)
		if err != nil {
			return sum, err
		}
		if g.T == value.TFloat8 {
			return value.OfFloat(sum.Float() / float64(a.n)), nil
		}
		return value.Arith('/', sum, value.OfInt(a.n))
	case "stddev", "variance":
		if a.n < 2 {
			return value.Value{}, nil
		}
		return spread(a.more.m2/float64(a.n-1), g.F.Name == "stddev"), nil
	case "stddev_pop", "var_pop":
		return spread(a.more.m2/float64(a.n), g.F.Name == "stddev_pop"), nil
	case "string_agg", "array_agg", "json_agg":
		return a.collected(g), nil
	case "median":
		return a.percentile(value.OfFloat(0.5), true, false)
	case "percentile_cont", "percentile_disc":
		return a.percentile(a.by, g.F.Name == "percentile_cont", g.OrderBy[0].Desc)
	}
	return a.v, nil
}

func spread(variance float64, root bool) value.Value {
	if root {
		return value.OfFloat(math.Sqrt(variance))
	}
	return value.OfFloat(variance)
}

func (a *acc) percentile(share value.Value, between, desc bool) (value.Value, error) {
	p := share.Float()
	if p < 0 || p > 1 || math.IsNaN(p) {
		return value.Value{}, value.Errorf(value.OutOfRange, "percentile value %v is not between 0 and 1", p)
	}
	rows := a.more.rows
	slices.SortStableFunc(rows, func(x, y accRow) int { return compareNulls(x.v, y.v, desc, false) })
	if !between {
		i := int(math.Ceil(p*float64(len(rows)))) - 1
		return rows[max(i, 0)].v, nil
	}
	at := p * float64(len(rows)-1)
	low := int(math.Floor(at))
	x := rows[low].v.Float()
	if high := int(math.Ceil(at)); high != low {
		x += (at - float64(low)) * (rows[high].v.Float() - x)
	}
	return value.OfFloat(x), nil
}

// registers of the estimate: 2^12 give a standard error of 1.6%.
const hllBits = 12

var hllSeed = maphash.MakeSeed()

func (a *acc) estimate(v value.Value) {
	m := a.rest()
	if m.hll == nil {
		m.hll = make([]uint8, 1<<hllBits)
	}
	var buf [64]byte
	h := maphash.Bytes(hllSeed, v.Key(buf[:0]))
	at := h >> (64 - hllBits)
	if r := uint8(bits.LeadingZeros64(h<<hllBits|1<<(hllBits-1)) + 1); r > m.hll[at] {
		m.hll[at] = r
	}
}

func (a *acc) estimated() int64 {
	if a.more == nil || a.more.hll == nil {
		return 0
	}
	m := float64(len(a.more.hll))
	sum, zeros := 0.0, 0.0
	for _, r := range a.more.hll {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		e = m * math.Log(m/zeros)
	}
	return int64(math.Round(e))
}
