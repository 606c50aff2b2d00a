package routes

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// The operations, short.
const (
	read            = kmsg.ACLOperationRead
	write           = kmsg.ACLOperationWrite
	create          = kmsg.ACLOperationCreate
	remove          = kmsg.ACLOperationDelete
	alter           = kmsg.ACLOperationAlter
	describe        = kmsg.ACLOperationDescribe
	clusterAction   = kmsg.ACLOperationClusterAction
	describeConfigs = kmsg.ACLOperationDescribeConfigs
	alterConfigs    = kmsg.ACLOperationAlterConfigs
	idempotentWrite = kmsg.ACLOperationIdempotentWrite
)

func needs(list ...api.Need) []api.Need { return append([]api.Need{}, list...) }

func topic(op kmsg.ACLOperation) api.Need {
	return need(kmsg.ACLResourceTypeTopic, op, protocol.TopicAuthorizationFailed)
}

func group(op kmsg.ACLOperation) api.Need {
	return need(kmsg.ACLResourceTypeGroup, op, protocol.GroupAuthorizationFailed)
}

func cluster(op kmsg.ACLOperation) api.Need {
	return need(kmsg.ACLResourceTypeCluster, op, protocol.ClusterAuthorizationFailed)
}

func txnID(op kmsg.ACLOperation) api.Need {
	return need(kmsg.ACLResourceTypeTransactionalId, op, protocol.TransactionalIDAuthorizationFailed)
}

func need(on kmsg.ACLResourceType, op kmsg.ACLOperation, lack protocol.Code) api.Need {
	return api.Need{AnyOf: []api.Right{{On: on, Op: op}}, Lack: lack}
}

// either is given by any of two; who has none is told what the second one says.
func either(a, b api.Need) api.Need {
	b.AnyOf = append(append([]api.Right{}, a.AnyOf...), b.AnyOf...)
	return b
}

// told answers the lack with another code than the resource's own.
func told(n api.Need, lack protocol.Code) api.Need {
	n.Lack = lack
	return n
}

// unseen leaves out what the right is lacking for.
func unseen(n api.Need) api.Need {
	n.Lack = protocol.None
	return n
}

// when limits a need to some requests, or to a part of one.
func when(those string, n api.Need) api.Need {
	n.If = those
	return n
}

// settings need the right on what they belong to.
func settings(op kmsg.ACLOperation) []api.Need {
	return needs(when("a topic's", topic(op)), when("a group's", group(op)), when("all others", cluster(op)))
}
