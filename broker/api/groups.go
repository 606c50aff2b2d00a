package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/protocol"
)

// Groups answers the requests of the classic group protocol (KIP-62 and later) and
// of its administration. It holds what they have in common.
type Groups struct {
	Coordinator *coordinator.Coordinator
	Topics      Directory
	Node        *Node
	// NewUUID makes a random UUID in text form; member ids end in one.
	NewUUID func() string
}

// Routes puts the group APIs into the table.
func (g *Groups) Routes(t *Routes) {
	t.Handle(int16(kmsg.OffsetCommit), g.OffsetCommit)
	t.Handle(int16(kmsg.OffsetFetch), g.OffsetFetch)
	t.Handle(int16(kmsg.FindCoordinator), g.FindCoordinator)
	t.Handle(int16(kmsg.JoinGroup), g.JoinGroup)
	t.Handle(int16(kmsg.Heartbeat), g.Heartbeat)
	t.Handle(int16(kmsg.LeaveGroup), g.LeaveGroup)
	t.Handle(int16(kmsg.SyncGroup), g.SyncGroup)
	t.Handle(int16(kmsg.DescribeGroups), g.DescribeGroups)
	t.Handle(int16(kmsg.ListGroups), g.ListGroups)
	t.Handle(int16(kmsg.DeleteGroups), g.DeleteGroups)
	t.Handle(int16(kmsg.OffsetDelete), g.OffsetDelete)
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
