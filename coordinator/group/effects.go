package group

import "github.com/streamhouse/streamhouse/protocol"

// Waiter names a JoinGroup or SyncGroup request that waits for its answer. The
// caller chooses it; 0 is nobody.
type Waiter uint64

// Effects is what a step asks of its caller. When it has Stores, its Replies wait
// until the last of them is durable.
type Effects struct {
	Replies []Reply
	Stores  []Store
}

// Reply is the answer to one waiter. Exactly one of Join and Sync is set.
type Reply struct {
	To   Waiter
	Join *JoinReply
	Sync *SyncReply
}

// Fail turns a reply whose record could not be stored into one with that code.
// A reply that is an error already stays what it is, except MEMBER_ID_REQUIRED,
// which promises that the group knows the member.
func (r *Reply) Fail(code protocol.Code) {
	switch {
	case r.Join != nil && (r.Join.Code == protocol.None || r.Join.Code == protocol.MemberIDRequired):
		r.Join = &JoinReply{Code: code, Generation: -1}
	case r.Sync != nil && r.Sync.Code == protocol.None:
		r.Sync = &SyncReply{Code: code}
	}
}

// Store is a record of __consumer_offsets that must become durable. The caller
// reports the outcome with Group.Stored, in the order in which Stores were made.
type Store struct {
	Token uint64
	Record
}

// JoinReply is the answer to a JoinGroup.
type JoinReply struct {
	Code           protocol.Code
	Generation     int32 // -1 with an error
	ProtocolType   string
	Protocol       *string // nil with an error
	Leader         string
	SkipAssignment bool // KIP-814; only the leader can get it
	MemberID       string
	Members        []JoinMember // for the leader only
}

// JoinMember is what the leader is told of a member.
type JoinMember struct {
	MemberID   string
	InstanceID *string
	Metadata   []byte
}

// SyncReply is the answer to a SyncGroup.
type SyncReply struct {
	Code         protocol.Code
	ProtocolType string
	Protocol     *string // nil with an error
	Assignment   []byte
}

func (fx *Effects) join(w Waiter, r JoinReply) {
	if w == 0 {
		return
	}
	fx.Replies = append(fx.Replies, Reply{To: w, Join: &r})
}

func (fx *Effects) joinError(w Waiter, memberID string, code protocol.Code) {
	fx.join(w, JoinReply{Code: code, Generation: -1, MemberID: memberID})
}

func (fx *Effects) sync(w Waiter, r SyncReply) {
	if w == 0 {
		return
	}
	fx.Replies = append(fx.Replies, Reply{To: w, Sync: &r})
}

func (fx *Effects) syncError(w Waiter, code protocol.Code) {
	fx.sync(w, SyncReply{Code: code})
}
