package group

// Description is what DescribeGroups shows of a group.
type Description struct {
	State        State
	ProtocolType string
	Protocol     string // in Stable only
	Members      []MemberDescription
}

// MemberDescription is what DescribeGroups shows of a member. Metadata is for the
// chosen protocol, in Stable only.
type MemberDescription struct {
	MemberID   string
	InstanceID *string
	ClientID   string
	ClientHost string
	Metadata   []byte
	Assignment []byte
}

// Describe returns what DescribeGroups shows.
func (g *Group) Describe() Description {
	d := Description{State: g.state, ProtocolType: g.protocolType}
	if g.is(Stable) {
		d.Protocol = *g.protocol
	}
	d.Members = make([]MemberDescription, 0, len(g.members))
	for _, m := range g.members {
		e := MemberDescription{
			MemberID: m.id, InstanceID: m.instance, ClientID: m.clientID, ClientHost: m.clientHost,
			Assignment: m.assignment,
		}
		if g.is(Stable) {
			e.Metadata, _ = m.metadata(*g.protocol)
		}
		d.Members = append(d.Members, e)
	}
	return d
}
