package group

import (
	"bytes"
	"time"
)

// Protocol is one assignment protocol that a member supports, with metadata that
// is opaque here.
type Protocol struct {
	Name     string
	Metadata []byte
}

// member is a member that has joined. A member that was only given an id (KIP-394)
// is in Group.pending instead.
type member struct {
	id               string
	instance         *string // static members only (KIP-345)
	clientID         string
	clientHost       string
	sessionTimeout   time.Duration
	rebalanceTimeout time.Duration
	protocols        []Protocol // in order of preference
	protocolBytes    int64      // of names and metadata
	assignment       []byte

	joining Waiter // JoinGroup that waits, or 0
	syncing Waiter // SyncGroup that waits, or 0
	// fresh is set until the first generation with this member: it cannot send
	// heartbeats yet, so it is dropped when its deadline passes even while it waits.
	fresh bool
	// deadline is when the session ends; zero if nothing but an answer to the
	// member's waiter starts it again.
	deadline time.Time
}

func (m *member) static() bool { return m.instance != nil }

// speaks makes protocols, which are the member's own and distinct, those it supports.
func (m *member) speaks(protocols []Protocol) {
	m.protocols, m.protocolBytes = protocols, protocolBytes(protocols)
}

// metadata returns what the member said for a protocol; false if it does not
// support it.
func (m *member) metadata(protocol string) ([]byte, bool) {
	for i := range m.protocols {
		if m.protocols[i].Name == protocol {
			return m.protocols[i].Metadata, true
		}
	}
	return nil, false
}

// matches says whether the member joined with these very protocols, which are distinct.
func (m *member) matches(protocols []Protocol) bool {
	if len(m.protocols) != len(protocols) {
		return false
	}
	for i := range protocols {
		if m.protocols[i].Name != protocols[i].Name || !bytes.Equal(m.protocols[i].Metadata, protocols[i].Metadata) {
			return false
		}
	}
	return true
}

// satisfied says whether the member need not send heartbeats now, because it waits
// for an answer of ours.
func (m *member) satisfied() bool {
	return !m.fresh && (m.joining != 0 || m.syncing != 0)
}
