package leaders

import "github.com/streamhouse/streamhouse/metadata/catalog"

// Single is a broker on its own: it leads everything, in epochs that count its starts from
// a topic's birth. It is its own only view.
type Single struct {
	self     *Node
	start    int32
	nodes    []*Node
	replicas []int32
}

// NewSingle makes the view of a broker that has been started start times
// (metadata.Start.Epoch).
func NewSingle(self *Node, start int32) *Single {
	return &Single{self: self, start: start, nodes: []*Node{self}, replicas: []int32{self.ID}}
}

// View implements Leaders.
func (s *Single) View() View { return s }

// Nodes implements View.
func (s *Single) Nodes() []*Node { return s.nodes }

// Node implements View.
func (s *Single) Node(id int32) *Node {
	if id != s.self.ID {
		return nil
	}
	return s.self
}

// Controller implements View.
func (s *Single) Controller() (id, epoch int32) { return s.self.ID, s.start }

// Of implements View.
func (s *Single) Of(t *catalog.Topic, _ int32) Leader {
	return Leader{Node: s.self.ID, Epoch: s.start - t.BirthEpoch, Replicas: s.replicas}
}

// Coordinator implements View.
func (s *Single) Coordinator(Kind, string) int32 { return s.self.ID }
