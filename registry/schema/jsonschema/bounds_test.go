package jsonschema

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// TestBadInput: each has its reason, and the place where the parser knows it.
func TestBadInput(t *testing.T) {
	for _, c := range []struct{ text, reason string }{
		{"", "not JSON"}, {"{", "not JSON"}, {"{}{}", "something follows"}, {`{"a":}`, "not JSON"}, {`{"a":1,}`, "not JSON"},
		{`"string"`, "want boolean or object"}, {"null", "want boolean or object"}, {"[]", "want boolean or object"},
		{"{\n  \"a\" 1}", "(line 2, column 7)"},
		{`{"type":"strin"}`, "/type"},
		{`{"pattern":"("}`, "/pattern"},
		{`{"maximum":1e1001}`, "exponent beyond"},
		{`{"maximum":` + strings.Repeat("1", 1001) + `}`, "more than 1000 characters"},
		{`{"$ref":"http://example.com/x.json"}`, "'http://example.com/x.json' is the name of no reference"},
		{strings.Repeat("[", 1_000_000), "nested more than 200 deep"},
		{strings.Repeat(`{"not":`, 201) + "{}" + strings.Repeat("}", 201), "nested more than 200 deep"},
		{`{"anyOf":[` + strings.Repeat("{},", 100_000) + `{}]}`, "more than 20000 objects"},
		{`{"anyOf":[` + strings.Repeat("true,", 1) + `true],"pattern":"` + strings.Repeat("(", patternMax+1) + `"}`, "pattern"},
		{definitions(schema.NamedMax + 1), "more than 10000 definitions"},
	} {
		_, err := Language{}.Parse(&schema.Source{Text: c.text, Strict: true})
		var bad *schema.Invalid
		if !errors.As(err, &bad) || !strings.Contains(bad.Error(), c.reason) {
			t.Errorf("%.60s: %v, not %s", c.text, err, c.reason)
		}
		if err != nil && len(err.Error()) > reasonMax+100 {
			t.Errorf("%.60s: a reason of %d bytes", c.text, len(err.Error()))
		}
	}
}

func definitions(n int) string {
	var b strings.Builder
	b.WriteString(`{"definitions":{`)
	for i := range n {
		fmt.Fprintf(&b, `"d%d":true,`, i)
	}
	b.WriteString(`"last":true}}`)
	return b.String()
}

// heavyTexts are within the bounds, or just beyond, and made to cost much.
func heavyTexts() map[string]string {
	chain := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"$ref":"#/definitions/0","definitions":{`)
		for i := range n {
			fmt.Fprintf(&b, `"%d":{"properties":{"a":{"$ref":"#/definitions/%d"}}},`, i, (i+1)%n)
		}
		return b.String() + `"x":true}}`
	}
	components := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"properties":{`)
		for i := range n {
			fmt.Fprintf(&b, `"%d":{"$ref":"#/components/%d"},`, i, i)
		}
		b.WriteString(`"x":true},"components":{`)
		for i := range n {
			fmt.Fprintf(&b, `"%d":{},`, i)
		}
		return b.String() + `"x":true}}`
	}
	return map[string]string{
		"branches":  `{"anyOf":[` + strings.Repeat(`{"maxLength":1},`, 19_000) + `{}]}`,
		"objects":   `{"oneOf":[` + strings.Repeat(`{"properties":{"a":{}}},`, 6_000) + `{}]}`,
		"oneOfs":    strings.Repeat(`{"oneOf":[{"properties":{}},`, 90) + "{}" + strings.Repeat("]}", 90),
		"chain":     chain(9_000),
		"names":     `{"properties":{"` + strings.Repeat("x", 500_000) + `":{"properties":{"a":{},"b":{},"c":{},"d":{},"e":{},"f":{},"g":{},"h":{},"i":{},"j":{},"k":{},"l":{},"m":{},"n":{},"o":{},"p":{},"q":{}}}}}`,
		"odd":       components(9_000),
		"ids":       `{"anyOf":[` + strings.Repeat(`{"$id":"http://x/y"},`, 9_000) + `{}]}`,
		"numbers":   `{"enum":[` + strings.Repeat("1e1000,", 140_000) + `0]}`,
		"patterns":  `{"patternProperties":{"(a+)+$":{},"(a|a)*$":{},"(a|aa)+$":{}},"properties":{"` + strings.Repeat("a", 5000) + `!":{}}}`,
		"values":    `{"default":[` + strings.Repeat("0,", 500_000) + `0]}`,
		"unique":    `{"required":["` + strings.Join(strings.Fields(strings.Repeat("a ", 200_000)), `","`) + `"]}`,
		"repeats":   `{"anyOf":[` + strings.Repeat(`{"pattern":"((a{1000}){1000}){1000}"},`, 9_000) + `{}]}`,
		"intervals": `{"pattern":"` + strings.Repeat(`[\\p{L}\\p{N}]`, 1200) + `"}`,
	}
}

// TestHeavyTexts: each is parsed and compared with itself within the bounds of memory, or
// refused. Its time is bounded by steps, and by Stop where there are no steps.
func TestHeavyTexts(t *testing.T) {
	for name, text := range heavyTexts() {
		t.Run(name, func(t *testing.T) {
			if len(text) > 1<<20 {
				t.Fatalf("%d bytes are beyond a body", len(text))
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			p, err := Language{}.Parse(&schema.Source{Text: text})
			parsing := time.Since(start)
			if err == nil {
				w := &schema.Work{Stop: func() bool { return time.Since(start) > 5*time.Second }}
				_, err = p.Differences(p, schema.Strict, w)
			}
			runtime.ReadMemStats(&after)
			t.Logf("%v to parse, %v in all, %d MiB allocated: %.100v", parsing.Round(time.Millisecond), time.Since(start).Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
			var bad *schema.Invalid
			if err != nil && !errors.As(err, &bad) && !errors.Is(err, schema.ErrTooMuch) {
				t.Error(err)
			}
		})
	}
}

// FuzzJSON: whatever is read is its own text, normal once, and compatible with itself.
func FuzzJSON(f *testing.F) {
	for _, c := range differenceCases(f) {
		f.Add(c.old, c.next)
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, err := Language{}.Parse(&schema.Source{Text: one})
		if err != nil {
			return
		}
		for _, text := range []string{a.Text(), a.Normal()} {
			b, err := Language{}.Parse(&schema.Source{Text: text})
			if err != nil {
				t.Fatalf("%q became %q: %v", one, text, err)
			}
			if text == a.Text() && b.Text() != text || b.Normal() != a.Normal() {
				t.Fatalf("%q became %q and %q", one, b.Text(), b.Normal())
			}
			if found, err := b.Differences(a, schema.Strict, &schema.Work{}); err == nil && len(found) > 0 {
				t.Fatalf("%q differs from itself: %v", one, found)
			}
		}
		if b, err := (Language{}).Parse(&schema.Source{Text: other}); err == nil {
			strict, err := b.Differences(a, schema.Strict, &schema.Work{})
			lenient, err2 := b.Differences(a, schema.Lenient, &schema.Work{})
			if err == nil && err2 == nil && len(lenient) > 0 && len(strict) == 0 {
				t.Fatalf("%q -> %q is stricter when lenient", one, other)
			}
		}
	})
}
