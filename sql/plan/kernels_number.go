package plan

import (
	"math"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/value"
)

func float(f func(float64) float64) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		x := a[0].Float()
		y := f(x)
		if math.IsNaN(y) && !math.IsNaN(x) {
			return value.Value{}, value.Errorf("2201F", "the function has no value at %v", x)
		}
		if math.IsInf(y, 0) && !math.IsInf(x, 0) {
			return value.Value{}, value.Errorf(value.OutOfRange, "value out of range: overflow")
		}
		return value.OfFloat(y), nil
	}
}

func logarithm(f func(float64) float64) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		x := a[0].Float()
		if x <= 0 {
			return value.Value{}, value.Errorf("2201E", "cannot take logarithm of %v", x)
		}
		return value.OfFloat(f(x)), nil
	}
}

func init() {
	arith := func(op byte) func(*Env, []value.Value) (value.Value, error) {
		return func(_ *Env, a []value.Value) (value.Value, error) { return value.Arith(op, a[0], a[1]) }
	}
	number := []Function{
		{Name: "abs", Args: "n", Doc: "without its sign", Example: "abs(-2.5)", Gives: "2.5", eval: func(_ *Env, a []value.Value) (value.Value, error) {
			if a[0].Sign() < 0 {
				return value.Negate(a[0])
			}
			return a[0], nil
		}},
		{Name: "sign", Args: "n", Result: value.TInt4, Doc: "-1, 0 or 1", Example: "sign(-3)", Gives: "-1",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.OfInt(int64(a[0].Sign())), nil }},
		{Name: "round", Args: "n?i", Doc: "rounded half away from zero, to digits behind the point", Example: "round(2.345, 2)", Gives: "2.35",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				digits := 0
				if len(a) > 1 {
					digits = int(max(min(a[1].N, 300), -300))
				}
				return value.Round(a[0], digits), nil
			}},
		{Name: "floor", Args: "n", Doc: "the next whole number below", Example: "floor(-2.5)", Gives: "-3",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.Truncate(a[0], -1), nil }},
		{Name: "ceil", Args: "n", Doc: "the next whole number above", Example: "ceil(2.1)", Gives: "3",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.Truncate(a[0], 1), nil }},
		{Name: "trunc", Args: "n", Doc: "without what is behind the point", Example: "trunc(-2.5)", Gives: "-2",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.Truncate(a[0], 0), nil }},
		{Name: "mod", Args: "nn", Doc: "the rest of a division, with the sign of the first", Example: "mod(-7, 3)", Gives: "-1", eval: arith('%')},
		{Name: "power", Args: "ff", Result: value.TFloat8, Doc: "to the power of", Example: "power(2, 10)", Gives: "1024",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				x, y := a[0].Float(), a[1].Float()
				f := math.Pow(x, y)
				switch {
				case math.IsNaN(f) && !math.IsNaN(x) && !math.IsNaN(y):
					return value.Value{}, value.Errorf("2201F", "a negative number raised to a non-integer power yields a complex result")
				case math.IsInf(f, 0) && x == 0:
					return value.Value{}, value.Errorf("2201F", "zero raised to a negative power is undefined")
				case math.IsInf(f, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0):
					return value.Value{}, value.Errorf(value.OutOfRange, "value out of range: overflow")
				}
				return value.OfFloat(f), nil
			}},
		{Name: "sqrt", Args: "f", Result: value.TFloat8, Doc: "square root", Example: "sqrt(2.25)", Gives: "1.5", eval: float(math.Sqrt)},
		{Name: "cbrt", Args: "f", Result: value.TFloat8, Doc: "cube root", Example: "cbrt(27)", Gives: "3", eval: float(math.Cbrt)},
		{Name: "exp", Args: "f", Result: value.TFloat8, Doc: "e to the power of", Example: "exp(0)", Gives: "1", eval: float(math.Exp)},
		{Name: "ln", Args: "f", Result: value.TFloat8, Doc: "natural logarithm", Example: "ln(1)", Gives: "0", eval: logarithm(math.Log)},
		{Name: "log", Args: "f", Result: value.TFloat8, Doc: "logarithm to base 10", Example: "log(1000)", Gives: "3", eval: logarithm(math.Log10)},
		{Name: "log10", Args: "f", Result: value.TFloat8, Doc: "logarithm to base 10", Example: "log10(100)", Gives: "2", eval: logarithm(math.Log10)},
		{Name: "log2", Args: "f", Result: value.TFloat8, Doc: "logarithm to base 2", Example: "log2(8)", Gives: "3", eval: logarithm(math.Log2)},
		{Name: "sin", Args: "f", Result: value.TFloat8, Doc: "sine", Example: "sin(0)", Gives: "0", eval: float(math.Sin)},
		{Name: "cos", Args: "f", Result: value.TFloat8, Doc: "cosine", Example: "cos(0)", Gives: "1", eval: float(math.Cos)},
		{Name: "tan", Args: "f", Result: value.TFloat8, Doc: "tangent", Example: "tan(0)", Gives: "0", eval: float(math.Tan)},
		{Name: "atan", Args: "f", Result: value.TFloat8, Doc: "arc tangent", Example: "atan(0)", Gives: "0", eval: float(math.Atan)},
		{Name: "pi", Result: value.TFloat8, Doc: "π", Example: "round(pi()::numeric, 4)", Gives: "3.1416",
			eval: func(*Env, []value.Value) (value.Value, error) { return value.OfFloat(math.Pi), nil }},
		{Name: "greatest", Args: "a*", nulls: true, same: true, Doc: "the largest; NULL is left out", Example: "greatest(1, 3, 2)", Gives: "3", eval: extreme(1)},
		{Name: "least", Args: "a*", nulls: true, same: true, Doc: "the smallest; NULL is left out", Example: "least(1, 3, 2)", Gives: "1", eval: extreme(-1)},
	}
	for _, op := range []string{"+", "-", "*", "/", "%"} {
		number = append(number, Function{Name: op, Args: "nn", Doc: "arithmetic", eval: arith(op[0])})
	}
	number = append(number, Function{Name: "^", Args: "ff", Result: value.TFloat8, Doc: "to the power of", Example: "2 ^ 3", Gives: "8",
		eval: func(_ *Env, a []value.Value) (value.Value, error) {
			return value.OfFloat(math.Pow(a[0].Float(), a[1].Float())), nil
		}},
		Function{Name: "neg", Args: "n", Doc: "the prefix -", eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.Negate(a[0]) }})
	register("Numbers", number)
	register("Choice", []Function{
		{Name: "coalesce", Args: "a*", nulls: true, same: true, Doc: "the first that is not NULL", Example: "coalesce(NULL, 2, 3)", Gives: "2",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				for _, v := range a {
					if !v.IsNull() {
						return v, nil
					}
				}
				return value.Value{}, nil
			}},
		{Name: "nullif", Args: "aa", nulls: true, same: true, Doc: "NULL if both are equal, else the first", Example: "nullif(2, 3)", Gives: "2",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				if !a[0].IsNull() && !a[1].IsNull() && value.Compare(a[0], a[1]) == 0 {
					return value.Value{}, nil
				}
				return a[0], nil
			}},
	})
	register("Vectors", []Function{
		{Name: "cosine_similarity", Args: "dd", Result: value.TFloat8, Doc: "cosine of the angle between two vectors: JSON arrays, their text, or float8[]. Unequal lengths, a zero vector or no array: NULL, counted",
			Example: "cosine_similarity('[1, 0]', '[1, 1]')::numeric(10, 6)", Gives: "0.707107", eval: vectors("cosine_similarity", func(dot, aa, bb, _ float64) (float64, bool) {
				return dot / (math.Sqrt(aa) * math.Sqrt(bb)), aa > 0 && bb > 0
			})},
		{Name: "dot_product", Args: "dd", Result: value.TFloat8, Doc: "the sum of products", Example: "dot_product('[1, 2]', '[3, 4]')", Gives: "11",
			eval: vectors("dot_product", func(dot, _, _, _ float64) (float64, bool) { return dot, true })},
		{Name: "euclidean_distance", Args: "dd", Result: value.TFloat8, Doc: "how far two vectors are apart", Example: "euclidean_distance('[0, 0]', '[3, 4]')", Gives: "5",
			eval: vectors("euclidean_distance", func(_, _, _, d float64) (float64, bool) { return math.Sqrt(d), true })},
		{Name: "vector_norm", Args: "d", Result: value.TFloat8, Doc: "a vector's length", Example: "vector_norm('[3, 4]')", Gives: "5",
			eval: func(e *Env, a []value.Value) (value.Value, error) {
				v, ok := readVector(e, a[0], 0)
				if !ok {
					return e.drop("vector_norm of what is no vector"), nil
				}
				sum := 0.0
				for _, f := range v {
					sum += f * f
				}
				return value.OfFloat(math.Sqrt(sum)), nil
			}},
	})
}

func extreme(sign int) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		var best value.Value
		for _, v := range a {
			if !v.IsNull() && (best.IsNull() || value.Compare(v, best)*sign > 0) {
				best = v
			}
		}
		return best, nil
	}
}

// vectorScratch is room for two vectors.
type vectorScratch [2][]float64

// vectorMax is the most dimensions that are read.
const vectorMax = 65536

func readVector(e *Env, v value.Value, which int) ([]float64, bool) {
	if v.K != value.Text && v.K != value.JSON && v.K != value.Array {
		return nil, false
	}
	out := e.vectors[which][:0]
	s := v.S
	i := value.Space(s, 0)
	if i >= len(s) || s[i] != '[' {
		return nil, false
	}
	for i = value.Space(s, i+1); i < len(s) && s[i] != ']'; {
		end := value.Skip(s, i)
		if end < 0 || len(out) >= vectorMax {
			return nil, false
		}
		n, ok := value.ParseNumber(s[i:end])
		if !ok {
			return nil, false
		}
		out = append(out, n.Float())
		if i = value.Space(s, end); i < len(s) && s[i] == ',' {
			i = value.Space(s, i+1)
		}
	}
	e.vectors[which] = out
	return out, value.Space(s, i+1) == len(s) && i < len(s)
}

func vectors(name string, f func(dot, aa, bb, dist float64) (float64, bool)) func(*Env, []value.Value) (value.Value, error) {
	return func(e *Env, a []value.Value) (value.Value, error) {
		x, ok := readVector(e, a[0], 0)
		y, ok2 := readVector(e, a[1], 1)
		if !ok || !ok2 {
			return e.drop(name + " of what is no vector"), nil
		}
		if len(x) != len(y) {
			return e.drop(name + " of vectors of other lengths"), nil
		}
		var dot, aa, bb, dist float64
		for i, p := range x {
			q := y[i]
			dot += p * q
			aa += p * p
			bb += q * q
			dist += (p - q) * (p - q)
		}
		r, ok := f(dot, aa, bb, dist)
		if !ok {
			return e.drop(name + " of a zero vector"), nil
		}
		return value.OfFloat(r), nil
	}
}

func init() {
	register("JSON", []Function{
		{Name: "json_extract", Args: "jt", Result: value.Dynamic, Doc: "what a path leads to: NULL, bool, number, text or json", Example: `json_extract('{"a": {"b": [1, 2.50]}}', '$.a.b[1]')`, Gives: "2.50",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				p, err := jsonpath.Parse(a[1].S)
				if err != nil {
					return value.Value{}, err
				}
				return jsonpath.Get(a[0].S, p), nil
			}},
		{Name: "json_typeof", Args: "j", Result: value.TText, Doc: "object, array, string, number, boolean or null", Example: "json_typeof('[1]')", Gives: "array", eval: jsonType},
		{Name: "json_array_length", Args: "j", Result: value.TInt4, Doc: "number of elements", Example: "json_array_length('[1, 2]')", Gives: "2",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				n := int64(0)
				if i := value.Space(a[0].S, 0); i >= len(a[0].S) || a[0].S[i] != '[' {
					return value.Value{}, nil
				}
				for range value.RawElements(a[0].S) {
					n++
				}
				return value.OfInt(n), nil
			}},
		{Name: "to_json", Args: "a", Result: value.TJSON, Doc: "a value as JSON", Example: "to_json('a'::text)", Gives: `"a"`,
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfJSON(string(a[0].AppendJSON(nil))), nil
			}},
		{Name: "json_build_object", Args: "?a*", Result: value.TJSON, nulls: true, Doc: "an object of names and values", Example: "json_build_object('a', 1)", Gives: `{"a":1}`,
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				b := []byte{'{'}
				for i := 0; i+1 < len(a); i += 2 {
					if i > 0 {
						b = append(b, ',')
					}
					b = append(value.AppendQuoted(b, a[i].String()), ':')
					b = a[i+1].AppendJSON(b)
				}
				return value.OfJSON(string(append(b, '}'))), nil
			}},
		{Name: "json_build_array", Args: "?a*", Result: value.TJSON, nulls: true, Doc: "an array of values", Example: "json_build_array(1, 'a')", Gives: `[1,"a"]`, eval: makeArray(value.JSON)},
	})
	for _, f := range []string{"json_typeof", "json_array_length", "json_build_object", "json_build_array", "to_json"} {
		b := *functions[f][0]
		b.Name = "jsonb" + f[4:]
		if f == "to_json" {
			b.Name = "to_jsonb"
		}
		b.Example = ""
		functions[b.Name] = append(functions[b.Name], &b)
	}
}

func makeArray(kind value.Kind) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		b := []byte{'['}
		for i, v := range a {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.AppendJSON(b)
		}
		return value.Value{K: kind, S: string(append(b, ']'))}, nil
	}
}

func jsonType(_ *Env, a []value.Value) (value.Value, error) {
	i := value.Space(a[0].S, 0)
	if i >= len(a[0].S) || value.Skip(a[0].S, i) < 0 {
		return value.Value{}, nil
	}
	switch a[0].S[i] {
	case '{':
		return value.OfText("object"), nil
	case '[':
		return value.OfText("array"), nil
	case '"':
		return value.OfText("string"), nil
	case 't', 'f':
		return value.OfText("boolean"), nil
	case 'n':
		return value.OfText("null"), nil
	}
	return value.OfText("number"), nil
}
