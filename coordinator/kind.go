package coordinator

import (
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// kind is a group of some kind as its shard sees it: what is timed, written down, counted,
// listed and removed without knowing what the group's members agree on. Classic groups are
// the only kind so far. Requests that are about members ask for their own kind, as classic
// does; a conversion puts another kind into the entry within one write.
//
// Its methods are pure steps, called with the shard's mutex held.
type kind interface {
	ID() string
	Kind() string // as ListGroups names it
	State() group.State
	ProtocolType() string
	Generation() int32
	Size() int    // members
	Bytes() int64 // of memory that they take, about

	// Time and the log: Deadline says when Tick is due, Stored what became of a record.
	Deadline() (time.Time, bool)
	Tick(now time.Time) group.Effects
	Loaded(now time.Time) group.Effects
	Stored(now time.Time, token uint64, code protocol.Code) group.Effects
	Damage() []string

	// Removal.
	Idle() bool
	Kill(now time.Time)
	Revive()
	CheckDelete() protocol.Code

	// Offsets: who may commit and delete them, and which have had their time.
	CheckCommit(memberID string, instance *string, generation int32) protocol.Code
	CheckTxnCommit(memberID string, instance *string, generation int32) protocol.Code
	Committed(now time.Time, memberID string)
	CheckOffsetDelete() protocol.Code
	Subscribes(topic string) bool
	Expired(o *group.Offsets, now int64, retention time.Duration) (expired []group.TopicPartition, all bool)
}

// classic is the group of a request that only classic groups know: JoinGroup, SyncGroup,
// Heartbeat, LeaveGroup, DescribeGroups. There is no other kind yet; the next one says here
// what its members are told who speak the classic protocol.
func (e *entry) classic() *group.Group { return e.group.(*group.Group) }
