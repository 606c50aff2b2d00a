package api

import (
	"time"

	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/protocol"
)

// Groups answers the requests of the classic group protocol (KIP-62 and later) and
// of its administration. It holds what they have in common.
type Groups struct {
	Coordinator  *coordinator.Coordinator
	Transactions Transactions
	Verifies     func() bool // transaction.partition.verification.enable
	// TransactionIDs finds the coordinator of a transactional id.
	TransactionIDs TransactionFinder
	Topics         Directory
	Node           *Node
	// NewUUID makes a random UUID in text form; member ids end in one.
	NewUUID func() string
}

// Routes puts the group APIs into the table.
func (g *Groups) Routes(t *Routes) {
	t.Handle(protocol.KeyOffsetCommit, g.OffsetCommit)
	t.Handle(protocol.KeyOffsetFetch, g.OffsetFetch)
	t.Handle(protocol.KeyFindCoordinator, g.FindCoordinator)
	t.Handle(protocol.KeyJoinGroup, g.JoinGroup)
	t.Handle(protocol.KeyHeartbeat, g.Heartbeat)
	t.Handle(protocol.KeyLeaveGroup, g.LeaveGroup)
	t.Handle(protocol.KeySyncGroup, g.SyncGroup)
	t.Handle(protocol.KeyDescribeGroups, g.DescribeGroups)
	t.Handle(protocol.KeyListGroups, g.ListGroups)
	t.Handle(protocol.KeyDeleteGroups, g.DeleteGroups)
	t.Handle(protocol.KeyOffsetDelete, g.OffsetDelete)
	if g.Transactions != nil {
		t.Handle(protocol.KeyTxnOffsetCommit, g.TxnOffsetCommit)
	}
}

// groupOperations are the ACL operations that exist for a group, as bits: READ,
// DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS. Without an authorizer a
// client may do all of them (KIP-430).
const groupOperations = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }

// hasPartition says whether a topic exists and has the partition.
func hasPartition(t *Topic, partition int32) bool {
	return t != nil && partition >= 0 && partition < t.Partitions
}

// groupMessage is what newer versions say beside a group's error code; nil without
// an error.
func groupMessage(id string, code protocol.Code) *string {
	var m string
	switch code {
	case protocol.None:
		return nil
	case protocol.GroupIDNotFound:
		m = "Group " + id + " not found."
	case protocol.NonEmptyGroup:
		m = "Group " + id + " is not empty."
	default:
		m = "Group " + id + ": " + code.String()
	}
	return &m
}
