package group

import (
	"fmt"
	"slices"
)

// Records that an older broker wrote may hold, as a member's subscription or assignment,
// bytes of something else. A client dies of an assignment that does not parse, and a
// leader of somebody else's subscription. So a loaded consumer group is looked through:
//
//   - a member with a subscription that does not parse is dropped. Its client is told
//     UNKNOWN_MEMBER_ID and joins anew;
//   - a member with an assignment that does not parse, or of topics that it does not
//     subscribe to, has none, and may commit what it has read.
//
// Both begin a rebalance in Loaded. Groups of other kinds keep to themselves what their
// bytes mean.

// mend takes what is damaged out of a group that was read, before its topics are learned.
func (g *Group) mend() {
	if g.protocolType != consumerProtocol {
		return
	}
	for _, m := range slices.Clone(g.members) {
		metadata, _ := m.metadata(*g.protocol)
		subscribed, ok := wholeSubscription(metadata)
		if !ok {
			g.damage = append(g.damage, fmt.Sprintf("the subscription of member %q", m.id))
			g.remove(m.id)
			continue
		}
		assigned, ok := assignedTopics(m.assignment)
		for topic := range assigned {
			_, wanted := subscribed[topic]
			ok = ok && wanted
		}
		if !ok {
			g.damage = append(g.damage, fmt.Sprintf("the assignment of member %q", m.id))
			m.assignment = nil
		}
	}
}

// Damage lists what was damaged in the record that the group was loaded from, for an
// administrator to read.
func (g *Group) Damage() []string { return g.damage }
