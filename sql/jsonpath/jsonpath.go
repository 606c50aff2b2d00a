// Package jsonpath finds the values of several paths in a piece of JSON in one pass, which
// ends when all were found. It is pure and allocates nothing but unescaped strings.
package jsonpath

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/value"
)

// Step is one step of a path: a key of an object, or the place of an array's element.
type Step struct {
	Key   string
	Index int // if Array; below zero counts from the end
	Array bool
}

// Path is where a value lies.
type Path []Step

// Parse reads a path like $.a.b[0]["c d"]. There are no wildcards.
func Parse(s string) (Path, error) {
	bad := func() (Path, error) {
		return nil, value.Errorf(value.InvalidParameter, "%q is no path", s).WithHint(`write it like $.a.b[0]["c d"]; there are no wildcards`)
	}
	rest := s
	if strings.HasPrefix(rest, "$") {
		rest = rest[1:]
	} else if rest != "" && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	var p Path
	for rest != "" {
		if len(p) >= value.DepthMax {
			return bad()
		}
		switch {
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			key := rest[1 : n+1]
			rest = rest[n+1:]
			if key == "" || key == "*" {
				return bad()
			}
			if len(key) > 1 && key[0] == '"' && key[len(key)-1] == '"' {
				key = key[1 : len(key)-1]
			}
			p = append(p, Step{Key: key})
		case len(rest) > 2 && rest[0] == '[' && rest[1] == '"':
			end := value.SkipString(rest, 1)
			if end < 0 || end >= len(rest) || rest[end] != ']' {
				return bad()
			}
			p = append(p, Step{Key: value.Unquote(rest[1:end])})
			rest = rest[end+1:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return bad()
			}
			n, err := strconv.ParseInt(rest[1:end], 10, 32)
			if err != nil {
				return bad()
			}
			p = append(p, Step{Index: int(n), Array: true})
			rest = rest[end+1:]
		default:
			return bad()
		}
	}
	return p, nil
}

// String is the path as Parse reads it.
func (p Path) String() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range p {
		switch {
		case s.Array:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		case s.Key == "" || strings.ContainsAny(s.Key, `.["\*`):
			b.Write(append(value.AppendQuoted([]byte{'['}, s.Key), ']'))
		default:
			b.WriteString("." + s.Key)
		}
	}
	return b.String()
}

// Set is several paths that are looked for together.
type Set struct {
	root  node
	paths int
}

type node struct {
	out      []int  // places of paths that end here
	fields   []edge // by key
	elements []edge // by index
	below    int    // paths that end here or below
}

type edge struct {
	key   string
	index int
	to    *node
}

// NewSet compiles paths; the value of path i goes to place i.
func NewSet(paths []Path) *Set {
	s := &Set{paths: len(paths)}
	for i, p := range paths {
		n := &s.root
		n.below++
		for _, step := range p {
			n = n.child(step)
			n.below++
		}
		n.out = append(n.out, i)
	}
	return s
}

func (n *node) child(step Step) *node {
	list := &n.fields
	if step.Array {
		list = &n.elements
	}
	for _, e := range *list {
		if e.key == step.Key && e.index == step.Index {
			return e.to
		}
	}
	to := &node{}
	*list = append(*list, edge{step.Key, step.Index, to})
	return to
}

// Find sets out[i] to what path i leads to in s: SQL NULL where it is missing, null, or where
// the JSON is not sound up to the value's end. Of keys that repeat the first counts. It says
// whether s was sound as far as it was read.
func (s *Set) Find(text string, out []value.Value) bool {
	clear(out[:s.paths])
	if s.paths == 0 {
		return true
	}
	f := finder{s: text, out: out, left: s.paths}
	end := f.visit(&s.root, 0, 0)
	if f.left == 0 {
		return true
	}
	return end >= 0 && value.Space(text, end) == len(text)
}

type finder struct {
	s    string
	out  []value.Value
	left int // paths not found yet
}

// visit reads the value at i, which node n stands for, and returns where it ends; -1 if it is
// not sound, or when nothing is left to find.
func (f *finder) visit(n *node, i, depth int) int {
	if i = value.Space(f.s, i); i >= len(f.s) || depth > value.DepthMax {
		return -1
	}
	from := i
	left := f.left
	switch {
	case f.s[i] == '{' && len(n.fields) > 0:
		i = f.object(n, i, depth)
	case f.s[i] == '[' && len(n.elements) > 0:
		i = f.array(n, i, depth)
	default:
		if i = value.Skip(f.s, i); i >= 0 {
			f.left -= n.below - len(n.out) // what lies below is not there
		}
	}
	if len(n.out) > 0 {
		end := i
		if end < 0 && left > f.left { // stopped early below: read on to this value's end
			end = value.Skip(f.s, from)
		}
		if end < 0 {
			return -1
		}
		v := value.FromJSON(f.s[from:end])
		for _, at := range n.out {
			f.out[at] = v
		}
		f.left -= len(n.out)
		i = end
	}
	if f.left == 0 {
		return -1
	}
	return i
}

func (f *finder) object(n *node, i, depth int) int {
	var seen uint64 // fields already met, of the first 64
	found := 0
	i = value.Space(f.s, i+1)
	if i < len(f.s) && f.s[i] == '}' {
		return i + 1
	}
	for {
		if i = value.Space(f.s, i); i >= len(f.s) || f.s[i] != '"' {
			return -1
		}
		from := i
		if i = value.SkipString(f.s, i); i < 0 {
			return -1
		}
		key := f.s[from:i]
		if i = value.Space(f.s, i); i >= len(f.s) || f.s[i] != ':' {
			return -1
		}
		i++
		if at := match(n.fields, key); at >= 0 && (at >= 64 || seen&(1<<at) == 0) {
			seen |= 1 << at
			found++
			i = f.visit(n.fields[at].to, i, depth+1)
		} else {
			i = value.Skip(f.s, i)
		}
		if i < 0 {
			return -1
		}
		if i = value.Space(f.s, i); i >= len(f.s) {
			return -1
		}
		switch f.s[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// match finds the edge that a key in quotes names; -1: none.
func match(edges []edge, quoted string) int {
	key := quoted[1 : len(quoted)-1]
	escaped := strings.IndexByte(key, '\\') >= 0
	if escaped {
		key = value.Unquote(quoted)
	}
	for i := range edges {
		if edges[i].key == key {
			return i
		}
	}
	return -1
}

func (f *finder) array(n *node, i, depth int) int {
	size := 0
	for _, e := range n.elements {
		if e.index < 0 { // from the end: the length comes first
			for range value.RawElements(f.s[i:]) {
				size++
			}
			break
		}
	}
	i = value.Space(f.s, i+1)
	if i < len(f.s) && f.s[i] == ']' {
		return i + 1
	}
	for at := 0; ; at++ {
		to, second := (*node)(nil), (*node)(nil)
		for _, e := range n.elements {
			if e.index == at || e.index < 0 && size+e.index == at {
				to, second = e.to, to
			}
		}
		if second != nil { // [0] and [-1] may name the same
			if end := f.visit(second, i, depth+1); end < 0 {
				return -1
			}
		}
		if to != nil {
			i = f.visit(to, i, depth+1)
		} else {
			i = value.Skip(f.s, i)
		}
		if i < 0 {
			return -1
		}
		if i = value.Space(f.s, i); i >= len(f.s) {
			return -1
		}
		switch f.s[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// Get is what one path leads to.
func Get(text string, p Path) value.Value {
	raw, ok := Raw(text, p)
	if !ok {
		return value.Value{}
	}
	return value.FromJSON(raw)
}

// Raw is the JSON that a path leads to, as it is written.
func Raw(text string, p Path) (string, bool) {
	at := value.Space(text, 0)
	for _, step := range p {
		next, ok := enter(text, at, step)
		if !ok {
			return "", false
		}
		at = next
	}
	end := value.Skip(text, at)
	if end < 0 {
		return "", false
	}
	return text[value.Space(text, at):end], true
}

// enter finds the value of one step below the value at i.
func enter(s string, i int, step Step) (int, bool) {
	if i >= len(s) {
		return 0, false
	}
	if step.Array {
		if s[i] != '[' {
			return 0, false
		}
		want := step.Index
		if want < 0 {
			for range value.RawElements(s[i:]) {
				want++
			}
		}
		at := i
		i = value.Space(s, i+1)
		for n := 0; i < len(s) && s[i] != ']' && want >= 0; n++ {
			if n == want {
				return i, true
			}
			if i = value.Skip(s, i); i < 0 {
				return 0, false
			}
			if i = value.Space(s, i); i >= len(s) || s[i] != ',' {
				return 0, false
			}
			i = value.Space(s, i+1)
		}
		_ = at
		return 0, false
	}
	if s[i] != '{' {
		return 0, false
	}
	i = value.Space(s, i+1)
	edges := []edge{{key: step.Key}}
	for i < len(s) && s[i] == '"' {
		from := i
		if i = value.SkipString(s, i); i < 0 {
			return 0, false
		}
		found := match(edges, s[from:i]) == 0
		if i = value.Space(s, i); i >= len(s) || s[i] != ':' {
			return 0, false
		}
		i = value.Space(s, i+1)
		if found {
			return i, true
		}
		if i = value.Skip(s, i); i < 0 {
			return 0, false
		}
		if i = value.Space(s, i); i >= len(s) || s[i] != ',' {
			return 0, false
		}
		i = value.Space(s, i+1)
	}
	return 0, false
}
