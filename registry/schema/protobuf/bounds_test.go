package protobuf

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
		{"message {", "(line 1, column 9)"},
		{"syntax = \"proto3\";\nmessage M {\n  Gone g = 1;\n}", "unknown type Gone (line 3, column 3)"},
		{`syntax = "proto4";`, "must be \"proto2\" or \"proto3\" (line 1, column 10)"},
		{`syntax = "proto3"; import "gone.proto";`, "'gone.proto' is the name of no reference"},
		{`syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }`, "tag 1"},
		{`syntax = "proto3"; message M { int32 a = 0; }`, "tag"},
		{`syntax = "proto3"; message M { int32 a = 536870912; }`, "tag"},
		{strings.Repeat("message M {", 1_000_000), "nested more than 200 deep"},
		{strings.Repeat("message M{", 201) + strings.Repeat("}", 201), "nested more than 200 deep"},
		{strings.Repeat("[", 1_000_000), "nested more than 200 deep"},
		{strings.Repeat(";", 1_000_000), "words and signs"},
		{messages(schema.NamedMax + 1), "more than 10000 types"},
		{`syntax = "proto3"; message M {` + strings.Repeat("optional M a = 1;", oneofsMax+1) + "}", "oneofs and optional fields"},
		{"\x00\xff", ""}, {"Zm9v", "not a FileDescriptorProto"},
	} {
		_, err := Language{}.Parse(&schema.Source{Text: c.text, Strict: true})
		var bad *schema.Invalid
		if !errors.As(err, &bad) || !strings.Contains(bad.Error(), c.reason) {
			t.Errorf("%.60s: %v, not %s", c.text, err, c.reason)
		}
	}
}

func messages(n int) string {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\n")
	for i := range n {
		fmt.Fprintf(&b, "message M%d{}\n", i)
	}
	return b.String()
}

// TestHeavyTexts are within the bounds, or just beyond, and made to cost much.
func TestHeavyTexts(t *testing.T) {
	lines := func(head, tail string, n int, format string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			fmt.Fprintf(&b, format, i+1)
		}
		return b.String() + tail
	}
	for name, text := range map[string]string{
		"messages": messages(9_900),
		"fields":   lines("syntax=\"proto3\";message M{", "}", 18_000, "M f%[1]d=%[1]d;"),
		"enum":     lines("syntax=\"proto3\";enum E{Z=0;", "}", 30_000, "A%[1]d=%[1]d;"),
		"empty":    "message M{" + strings.Repeat(";", 190_000) + "}",
		"options":  "message M{optional int32 a=1[" + strings.Repeat("(x)=1,", 20_000) + "(x)=1];}",
		"literal":  "message M{option (x)={" + strings.Repeat("a:1 ", 60_000) + "};}",
		"names":    "message M{option (x)={" + lines("", "", 40_000, "a%d:1 ") + "};}",
		"nested":   "message " + strings.Repeat("M{message ", 190) + "N{}" + strings.Repeat("}", 190),
		"oneofs":   lines("syntax=\"proto3\";message M{", "}", oneofsMax, "oneof o%[1]d{M f%[1]d=%[1]d;}"),
		"optional": lines("syntax=\"proto3\";message M{", "}", oneofsMax, "optional M f%[1]d=%[1]d;"),
		"reserved": "message M{reserved " + lines("", "", 60_000, "%d,") + "100000;}",
		"strings":  "option java_package=" + strings.Repeat(`"" `, 180_000) + `"x";`,
		"comments": strings.Repeat("/*a*/", 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			p, err := Language{}.Parse(&schema.Source{Text: text, Strict: name != "options"})
			if err == nil {
				_, err = p.Differences(p, schema.Strict, &schema.Work{})
			}
			runtime.ReadMemStats(&after)
			t.Logf("%d KiB: %v, %d MiB allocated: %.100v", len(text)>>10, time.Since(start).Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
			var bad *schema.Invalid
			if err != nil && !errors.As(err, &bad) && !errors.Is(err, schema.ErrTooMuch) {
				t.Error(err)
			}
		})
	}
}

// FuzzProtobuf: whatever is read is its own text, normal once, and compatible with itself.
func FuzzProtobuf(f *testing.F) {
	f.Add(golden, golden)
	for _, c := range differenceCases(f) {
		f.Add(whole(nestings[1].text, c.old), whole(nestings[2].text, c.next))
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, err := Language{}.Parse(&schema.Source{Text: one, Strict: true})
		if err != nil {
			if l, err := (Language{}).Parse(&schema.Source{Text: one}); err == nil {
				l.Normal()
				l.Format("serialized")
				_, _ = l.Differences(l, schema.Strict, &schema.Work{})
			}
			return
		}
		for _, text := range []string{a.Text(), a.Normal()} {
			b, err := Language{}.Parse(&schema.Source{Text: text, Strict: true})
			if err != nil {
				t.Fatalf("%q became %q: %v", one, text, err)
			}
			if b.Text() != text || b.Normal() != a.Normal() {
				t.Fatalf("%q became %q and %q", one, b.Text(), b.Normal())
			}
			if found, err := b.Differences(a, schema.Strict, &schema.Work{}); err == nil && len(found) > 0 {
				t.Fatalf("%q differs from itself: %v", one, found)
			}
		}
		if b, err := (Language{}).Parse(&schema.Source{Text: other}); err == nil {
			_, _ = b.Differences(a, schema.Strict, &schema.Work{})
		}
	})
}
