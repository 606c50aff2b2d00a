// Package groups has the handlers of classic groups and of committed offsets, one file per
// API key; the rules are their coordinator's.
package groups

import (
	"time"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
)

// Handlers answers the requests of the classic group protocol (KIP-62 and later) and
// of its administration. It holds what they have in common.
type Handlers struct {
	Coordinator  *coordinator.Coordinator
	Transactions api.Transactions
	Verifies     func() bool // transaction.partition.verification.enable
	// TransactionIDs finds the coordinator of a transactional id.
	TransactionIDs api.TransactionFinder
	Topics         api.Directory
	Leaders        leaders.Leaders
	// NewUUID makes a random UUID in text form; member ids end in one.
	NewUUID func() string
}

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }

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
