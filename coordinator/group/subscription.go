package group

import "encoding/binary"

// consumerProtocol is the protocol type of consumers, the only one whose metadata
// is looked into. Connect, schema registries and others keep theirs to themselves.
const consumerProtocol = "consumer"

// subscribedTopics reads the topics of a ConsumerProtocol subscription: version 0 is
// a prefix of all versions. ok is false if the bytes are something else.
func subscribedTopics(b []byte) (topics map[string]struct{}, ok bool) {
	if len(b) < 6 || int16(binary.BigEndian.Uint16(b)) < 0 {
		return nil, false
	}
	n := int32(binary.BigEndian.Uint32(b[2:]))
	b = b[6:]
	if n < 0 || int(n) > len(b)/2 {
		return nil, false
	}
	topics = make(map[string]struct{}, n)
	for range n {
		if len(b) < 2 {
			return nil, false
		}
		size := int(int16(binary.BigEndian.Uint16(b)))
		b = b[2:]
		if size < 0 || size > len(b) {
			return nil, false
		}
		topics[string(b[:size])] = struct{}{}
		b = b[size:]
	}
	return topics, true
}

// learnTopics notes what the members of a consumer group subscribe to; unknown if
// the group is of another kind or one of them says something that cannot be read.
func (g *Group) learnTopics() {
	g.subscribed, g.knowsSubscribed = nil, false
	if g.protocolType != consumerProtocol {
		return
	}
	all := make(map[string]struct{})
	for _, m := range g.members {
		metadata, _ := m.metadata(*g.protocol)
		topics, ok := subscribedTopics(metadata)
		if !ok {
			return
		}
		for t := range topics {
			all[t] = struct{}{}
		}
	}
	g.subscribed, g.knowsSubscribed = all, true
}

// Subscribes says whether the group consumes a topic, as far as can be known: a
// consumer group whose subscriptions cannot be read may consume anything.
func (g *Group) Subscribes(topic string) bool {
	if !g.knowsSubscribed {
		return g.protocolType == consumerProtocol
	}
	_, ok := g.subscribed[topic]
	return ok
}
