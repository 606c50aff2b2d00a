package schema

import (
	"bytes"
	"slices"
	"testing"
)

func TestFrames(t *testing.T) {
	guid := GUID{1, 2, 3}
	for _, f := range []Frame{{ID: 1}, {ID: 1<<31 - 1}, {GUID: guid}} {
		got, rest, err := ReadFrame(append(f.Append(nil), "payload"...))
		if err != nil || got != f || string(rest) != "payload" {
			t.Errorf("%+v: %+v, %q, %v", f, got, rest, err)
		}
	}
	for _, bad := range []string{"", "\x00", "\x00\x00\x00\x01", "\x00\x00\x00\x00\x00", "\x00\xff\xff\xff\xff", "\x01short", "\x02\x00\x00\x00\x01", "{}"} {
		if f, _, err := ReadFrame([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, f)
		}
	}
}

func TestIndexes(t *testing.T) {
	for in, want := range map[string][]int{"\x00": {0}, "\x02\x02": {1}, "\x04\x00\x06": {0, 3}} {
		got, rest, err := ReadIndexes([]byte(in + "x"))
		if err != nil || !slices.Equal(got, want) || string(rest) != "x" || string(AppendIndexes(nil, want)) != in {
			t.Errorf("%q: %v, %q, %v", in, got, rest, err)
		}
	}
	for _, bad := range []string{"", "\x01", "\x02", "\x04\x00", "\xff\xff\xff\xff\x0f", "\x02\x01"} {
		if got, _, err := ReadIndexes([]byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x07\x04\x00\x06x"))
	f.Add(append(Frame{GUID: GUID{9}}.Append(nil), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, rest, err := ReadFrame(b)
		if err != nil {
			return
		}
		if !bytes.Equal(append(frame.Append(nil), rest...), b) {
			t.Fatalf("%x read as %+v and %x", b, frame, rest)
		}
		indexes, after, err := ReadIndexes(rest)
		if err != nil {
			return
		}
		again, _, err := ReadIndexes(append(AppendIndexes(nil, indexes), after...))
		if err != nil || !slices.Equal(again, indexes) {
			t.Fatalf("%v became %v: %v", indexes, again, err)
		}
	})
}
