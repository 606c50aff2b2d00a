package group

import "encoding/binary"

// consumerProtocol is the protocol type of consumers, the only one whose metadata
// is looked into. Connect, schema registries and others keep theirs to themselves.
const consumerProtocol = "consumer"

// cursor reads the fields of a ConsumerProtocol message. It is bad once a field does not
// fit; what is read then is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) int16() int16 {
	if b := c.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if b := c.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cursor) string() string { return string(c.take(int(c.int16()))) }

// count reads the length of an array whose elements take size bytes at least.
func (c *cursor) count(size int) int {
	n := int(c.int32())
	if n < 0 || n > len(c.b)/size {
		c.bad = true
		return 0
	}
	return n
}

// nullable moves over bytes, or a string with short, that may be null.
func (c *cursor) nullable(short bool) {
	var n int
	if short {
		n = int(c.int16())
	} else {
		n = int(c.int32())
	}
	if n != -1 {
		c.take(n)
	}
}

// partitions reads topics with a list of partitions each.
func (c *cursor) partitions() map[string]struct{} {
	topics := make(map[string]struct{})
	for range c.count(6) {
		topics[c.string()] = struct{}{}
		c.take(4 * c.count(4))
	}
	return topics
}

// topics reads the version and the topics of a subscription: version 0 is a prefix of
// all versions.
func (c *cursor) topics() (version int16, topics map[string]struct{}) {
	if version = c.int16(); version < 0 {
		c.bad = true
	}
	n := c.count(2)
	topics = make(map[string]struct{}, n)
	for range n {
		topics[c.string()] = struct{}{}
	}
	return version, topics
}

// subscribedTopics reads the topics of a ConsumerProtocol subscription. ok is false if
// the bytes are something else.
func subscribedTopics(b []byte) (topics map[string]struct{}, ok bool) {
	c := cursor{b: b}
	_, topics = c.topics()
	return topics, !c.bad
}

// wholeSubscription reads a subscription to its end, as the group's leader will. What an
// old client leaves out at the end is missed by nobody; ok is false for what does not
// parse.
func wholeSubscription(b []byte) (topics map[string]struct{}, ok bool) {
	c := cursor{b: b}
	version, topics := c.topics()
	rest := []func(){
		func() { c.nullable(false) }, // user data
		func() { c.partitions() },    // owned, version 1
		func() { c.int32() },         // generation, version 2
		func() { c.nullable(true) },  // rack, version 3
	}
	for i := 0; i < len(rest) && i <= int(version) && len(c.b) > 0; i++ {
		rest[i]()
	}
	return topics, !c.bad
}

// assignedTopics reads the topics of a ConsumerProtocol assignment; one of no bytes has
// none.
func assignedTopics(b []byte) (topics map[string]struct{}, ok bool) {
	if len(b) == 0 {
		return nil, true
	}
	c := cursor{b: b}
	if c.int16() < 0 {
		return nil, false
	}
	topics = c.partitions()
	if len(c.b) > 0 {
		c.nullable(false) // user data
	}
	return topics, !c.bad
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
