package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// Rights decides what the client of one connection may do with what a name stands for. It
// is asked by the connection's reader alone.
type Rights interface {
	May(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool
}

// May says whether the client may do something. Without Rights everybody may do
// everything.
func (r *Request) May(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool {
	return r.Conn == nil || r.Conn.Rights == nil || r.Conn.Rights.May(on, op, name)
}

// Group is the one way to a group for a request, which wants to do op with it: NONE, or
// what is answered instead.
func (r *Request) Group(id string, op kmsg.ACLOperation) protocol.Code {
	if !r.May(kmsg.ACLResourceTypeGroup, op, id) {
		return protocol.GroupAuthorizationFailed
	}
	return protocol.None
}

// clusterName is what the one resource of its type is called.
const clusterName = "kafka-cluster"

// The operations that there are for each type of resource.
var (
	topicOperations = []kmsg.ACLOperation{
		kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter,
		kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
	}
	groupOperations = []kmsg.ACLOperation{
		kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
	}
	clusterOperations = []kmsg.ACLOperation{
		kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite,
	}
)

// TopicOperations are what the client may do with a topic, as bits (KIP-430).
func (r *Request) TopicOperations(name string) int32 {
	return r.operations(kmsg.ACLResourceTypeTopic, topicOperations, name)
}

// GroupOperations are what the client may do with a group, as bits (KIP-430).
func (r *Request) GroupOperations(id string) int32 {
	return r.operations(kmsg.ACLResourceTypeGroup, groupOperations, id)
}

// ClusterOperations are what the client may do with the cluster, as bits (KIP-430).
func (r *Request) ClusterOperations() int32 {
	return r.operations(kmsg.ACLResourceTypeCluster, clusterOperations, clusterName)
}

func (r *Request) operations(on kmsg.ACLResourceType, all []kmsg.ACLOperation, name string) (bits int32) {
	for _, op := range all {
		if r.May(on, op, name) {
			bits |= 1 << op
		}
	}
	return bits
}
