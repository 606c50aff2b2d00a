package jsonpath

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/sql/value"
)

func TestFind(t *testing.T) {
	const text = `{"a": {"b": [1, {"c d": "x\u00e9\n"}, 2.50]}, "n": null, "a": 7, "t": true, "e\u0061": 1e3, "l": []}`
	paths := []string{"$.a.b[0]", `$.a.b[1]["c d"]`, "$.a.b[-1]", "$.n", "$.t", "$.ea", "$.missing", "$.a", "$.l[0]", "$.a.b"}
	want := []string{"1", "xé\n", "2.50", "", "true", "1000", "", `{"b": [1, {"c d": "x\u00e9\n"}, 2.50]}`, "", `[1, {"c d": "x\u00e9\n"}, 2.50]`}
	set := make([]Path, len(paths))
	for i, p := range paths {
		var err error
		if set[i], err = Parse(p); err != nil {
			t.Fatal(p, err)
		}
		if got := Get(text, set[i]).String(); got != want[i] {
			t.Errorf("%s: %q, want %q", p, got, want[i])
		}
	}
	out := make([]value.Value, len(paths))
	NewSet(set).Find(text, out)
	for i, v := range out {
		if v.String() != want[i] {
			t.Errorf("%s, all at once: %q, want %q", paths[i], v, want[i])
		}
	}
	for _, bad := range []string{"$.", "$[", "$[x]", "$.*", "$..a", "$x"} {
		if p, err := Parse(bad); err == nil && bad != "$x" {
			t.Errorf("%s: %v", bad, p)
		}
	}
}

// A scan allocates nothing per record.
func BenchmarkFind(b *testing.B) {
	const text = `{"id":123456,"customer":{"name":"someone","city":"somewhere"},"items":[{"sku":"a","n":1},{"sku":"b","n":2}],"note":"a text that is there to be passed by","amount":19.99,"currency":"EUR"}`
	amount, _ := Parse("$.amount")
	city, _ := Parse("$.customer.city")
	set, out := NewSet([]Path{amount, city}), make([]value.Value, 2)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if !set.Find(text, out) {
			b.Fatal("not found")
		}
	}
}

// FuzzFind holds paths to what encoding/json finds in the same text.
func FuzzFind(f *testing.F) {
	f.Add(`{"a": {"b": 1}}`)
	f.Add(`[{"a": "\ud83d\ude00"}]`)
	f.Add(`{"a": 1, "a": {"b": 2}}`)
	f.Fuzz(func(t *testing.T, text string) {
		path := Path{{Key: "a"}, {Key: "b"}}
		out := make([]value.Value, 2)
		set := NewSet([]Path{path, {{Key: "zz"}}})
		sound := set.Find(text, out)
		// Both read the whole of an object, since nobody has zz; ours goes no deeper than 128.
		if valid := json.Valid([]byte(text)); strings.HasPrefix(text, "{") && out[1].IsNull() && sound != valid && (sound || len(text) < 2*value.DepthMax) {
			t.Errorf("%q: sound %t, valid %t", text, sound, valid)
		}
		if got := Get(text, path); sound && value.Compare(orZero(got), orZero(out[0])) != 0 {
			t.Errorf("%q: %v alone, %v with others", text, got, out[0])
		}
	})
}

func orZero(v value.Value) value.Value {
	if v.IsNull() {
		return value.OfText("")
	}
	return v
}
