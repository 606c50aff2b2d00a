package properties

import (
	"reflect"
	"testing"
)

func TestRead(t *testing.T) {
	text := "# a comment\n! another\n\na=1\n b : 2 \nc 3\nd=x\\\n   y\ne\\=f = \\u00e4\\ud83d\\ude00\\t\ng\nbad=\\u00g0\nh=a=b\r\ni=\\\\\n"
	want := []Property{
		{4, "a", "1"}, {5, "b", "2 "}, {6, "c", "3"}, {7, "d", "xy"}, {9, "e=f", "ä😀\t"}, {10, "g", ""}, {11, "bad", ""}, {12, "h", "a=b"}, {13, "i", "\\"},
	}
	var got []Property
	for p, err := range Read(text) {
		if (err != nil) != (p.Name == "bad") {
			t.Errorf("%+v: %v", p, err)
		}
		got = append(got, p)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a=1\\\n 2\n\\u0041:b")
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for p := range Read(text) {
			if p.Line <= last {
				t.Fatalf("line %d after %d", p.Line, last)
			}
			last = p.Line
		}
	})
}
