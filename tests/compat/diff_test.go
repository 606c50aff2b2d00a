package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"
)

// difference is one field of one case in which two brokers differ over a run of lanes.
// The values are JSON; absent stands for a field that is not there.
type difference struct {
	suite, name, versions, path string
	kafka, here                 string
}

const absent = "absent"

// diffCase compares the answers to one case, lane by lane. Lanes that one side was not
// asked in are left out.
func diffCase(suite, name string, kafka, here []answer) []difference {
	type key struct{ path, kafka, here string }
	type open struct {
		at   int
		last int16
	}
	var out []difference
	runs := make(map[key]open)
	for _, a := range here {
		for lane := a.From; lane <= a.To; lane++ {
			want, ok := at(kafka, lane)
			if !ok {
				continue
			}
			diff("", want, a.Answer, func(path, k, h string) {
				id := key{path, k, h}
				if run, ok := runs[id]; ok && run.last == lane-1 {
					from, _, _ := parseSpan(out[run.at].versions)
					out[run.at].versions = span(from, lane)
					runs[id] = open{run.at, lane}
					return
				}
				runs[id] = open{len(out), lane}
				out = append(out, difference{suite, name, span(lane, lane), path, k, h})
			})
		}
	}
	return out
}

// diff yields each field in which two trees differ. Lists of different lengths differ
// as a whole.
func diff(path string, kafka, here any, yield func(path, kafka, here string)) {
	switch k := kafka.(type) {
	case map[string]any:
		h, ok := here.(map[string]any)
		if !ok {
			break
		}
		names := slices.Sorted(maps.Keys(k))
		for name := range h {
			if _, both := k[name]; !both {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			a, inKafka := k[name]
			b, inHere := h[name]
			at := strings.TrimPrefix(path+"."+name, ".")
			switch {
			case !inKafka:
				yield(at, absent, brief(text(b)))
			case !inHere:
				yield(at, brief(text(a)), absent)
			default:
				diff(at, a, b, yield)
			}
		}
		return
	case []any:
		h, ok := here.([]any)
		if !ok || len(h) != len(k) {
			break
		}
		for i := range k {
			diff(fmt.Sprintf("%s[%d]", path, i), k[i], h[i], yield)
		}
		return
	}
	if a, b := text(kafka), text(here); a != b {
		yield(path, brief(a), brief(b))
	}
}

// brief cuts a long value, which a checksum then stands for.
func brief(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes, CRC %08x)", strings.ToValidUTF8(s[:most], ""), len(s), crc32.ChecksumIEEE([]byte(s)))
}

// text is a value as JSON on one line.
func text(v any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out.String())
}

// The comparison has to see what there is to see.
func TestDiff(t *testing.T) {
	tree := func(s string) any {
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct{ kafka, here, want string }{
		{`{"a":1}`, `{"a":1}`, ``},
		{`{"a":1}`, `{"a":2}`, `a: 1 2`},
		{`{"a":null}`, `{"a":""}`, `a: null ""`},
		{`{"a":null}`, `{"a":[]}`, `a: null []`},
		{`{"a":[1,{"b":2}]}`, `{"a":[1,{"b":3,"c":4}]}`, `a[1].b: 2 3; a[1].c: absent 4`},
		{`{"a":[1,2]}`, `{"a":[1]}`, `a: [1,2] [1]`},
		{`"connection closed"`, `{"a":1}`, `: "connection closed" {"a":1}`},
		{`{"a":1}`, `{}`, `a: 1 absent`},
	} {
		var got []string
		diff("", tree(c.kafka), tree(c.here), func(path, k, h string) {
			got = append(got, fmt.Sprintf("%s: %s %s", path, k, h))
		})
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s and %s differ in %q, want %q", c.kafka, c.here, s, c.want)
		}
	}
	one, two := []answer{{0, 3, "x"}}, []answer{{0, 1, "x"}, {2, 3, "y"}}
	if got := diffCase("s", "c", one, two); len(got) != 1 || got[0].versions != "2-3" {
		t.Errorf("over lanes: %+v", got)
	}
}
