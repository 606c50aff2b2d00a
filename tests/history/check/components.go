package check

import "slices"

// cycles returns one shortest cycle of each strongly connected component that has one.
func (g graph) cycles() [][]int {
	var found [][]int
	for _, component := range g.components() {
		if len(component) > 1 {
			found = append(found, g.shortest(component))
		}
	}
	return found
}

// components are the strongly connected components, by Tarjan's algorithm, without
// recursion: histories have long chains of transactions.
func (g graph) components() [][]int {
	t := tarjan{g: g, number: make([]int, len(g)), low: make([]int, len(g)), onStack: make([]bool, len(g))}
	for n := range g {
		if t.number[n] == 0 {
			t.visit(n)
		}
	}
	return t.found
}

type tarjan struct {
	g           graph
	number, low []int // numbers begin at 1; 0 is not visited
	onStack     []bool
	next        int
	stack       []int
	found       [][]int
}

// frame is a node under visit and the edge to follow next.
type frame struct{ node, edge int }

func (t *tarjan) visit(root int) {
	frames := []frame{t.enter(root)}
	for len(frames) > 0 {
		f := &frames[len(frames)-1]
		if f.edge < len(t.g[f.node]) {
			to := t.g[f.node][f.edge].to
			f.edge++
			if t.number[to] == 0 {
				frames = append(frames, t.enter(to))
			} else if t.onStack[to] {
				t.low[f.node] = min(t.low[f.node], t.number[to])
			}
			continue
		}
		node := f.node
		frames = frames[:len(frames)-1]
		if len(frames) > 0 {
			parent := frames[len(frames)-1].node
			t.low[parent] = min(t.low[parent], t.low[node])
		}
		if t.low[node] == t.number[node] {
			t.leave(node)
		}
	}
}

func (t *tarjan) enter(n int) frame {
	t.next++
	t.number[n], t.low[n], t.onStack[n] = t.next, t.next, true
	t.stack = append(t.stack, n)
	return frame{node: n}
}

// leave takes the component of a root off the stack.
func (t *tarjan) leave(root int) {
	at := slices.Index(t.stack, root)
	component := slices.Clone(t.stack[at:])
	t.stack = t.stack[:at]
	for _, n := range component {
		t.onStack[n] = false
	}
	t.found = append(t.found, component)
}

// shortest is a shortest cycle through the first node of a component that lies on one.
func (g graph) shortest(component []int) []int {
	inside := map[int]bool{}
	for _, n := range component {
		inside[n] = true
	}
	start := slices.Min(component)
	parent := map[int]int{}
	queue := []int{start}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, e := range g[n] {
			if e.to == start {
				return path(parent, start, n)
			}
			if _, seen := parent[e.to]; !seen && inside[e.to] {
				parent[e.to] = n
				queue = append(queue, e.to)
			}
		}
	}
	panic("check: a strongly connected component without a cycle")
}

// path follows parents from the end back to the start, and turns them round.
func path(parent map[int]int, start, end int) []int {
	nodes := []int{end}
	for n := end; n != start; {
		n = parent[n]
		nodes = append(nodes, n)
	}
	slices.Reverse(nodes)
	return nodes
}
