package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// Rights decides what the client of one connection may do with what a name stands for. It
// is asked by the connection's reader alone, and answers all questions of a request by the
// same rules.
type Rights interface {
	May(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool
	// MayAny: with any resource of a type.
	MayAny(on kmsg.ACLResourceType, op kmsg.ACLOperation) bool
	// Denied writes down that a request was denied something.
	Denied(key int16, on kmsg.ACLResourceType, op kmsg.ACLOperation, name string)
	// Version changes when an answer may have.
	Version() int64
}

// Sees says whether the client may do something, where a no is no denial: it is left out,
// or something else gives the right. Without Rights everybody may do everything.
func (r *Request) Sees(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool {
	return r.Conn == nil || r.Conn.Rights == nil || r.Conn.Rights.May(on, op, name)
}

// May is Sees where a no is a denial, which is written down.
func (r *Request) May(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool {
	if r.Sees(on, op, name) {
		return true
	}
	if this := (asked{on, op, name}); !r.denied[this] {
		if r.denied == nil {
			r.denied = make(map[asked]bool)
		}
		r.denied[this] = true
		r.Conn.Rights.Denied(r.Key, on, op, name)
	}
	return false
}

// asked is what a request wants to do.
type asked struct {
	on   kmsg.ACLResourceType
	op   kmsg.ACLOperation
	name string
}

// MayAny says whether the client may do something with any resource of a type.
func (r *Request) MayAny(on kmsg.ACLResourceType, op kmsg.ACLOperation) bool {
	return r.Conn == nil || r.Conn.Rights == nil || r.Conn.Rights.MayAny(on, op)
}

// Cluster says whether the client may do something with the cluster: NONE, or what is
// answered instead.
func (r *Request) Cluster(op kmsg.ACLOperation) protocol.Code {
	if !r.May(kmsg.ACLResourceTypeCluster, op, clusterName) {
		return protocol.ClusterAuthorizationFailed
	}
	return protocol.None
}

// SeesCluster is Cluster where a no is no denial.
func (r *Request) SeesCluster(op kmsg.ACLOperation) bool {
	return r.Sees(kmsg.ACLResourceTypeCluster, op, clusterName)
}

// TransactionalID is the one way to a transactional id for a request, which wants to do op
// with it: NONE, or what is answered instead.
func (r *Request) TransactionalID(id string, op kmsg.ACLOperation) protocol.Code {
	if !r.May(kmsg.ACLResourceTypeTransactionalId, op, id) {
		return protocol.TransactionalIDAuthorizationFailed
	}
	return protocol.None
}

// RightsVersion changes when an answer about rights may have; 0 without Rights.
func (r *Request) RightsVersion() int64 {
	if r.Conn == nil || r.Conn.Rights == nil {
		return 0
	}
	return r.Conn.Rights.Version()
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

// ClusterOperations are what the client may do with the cluster, as bits (KIP-430); none
// if it may not describe it.
func (r *Request) ClusterOperations() int32 {
	if !r.SeesCluster(kmsg.ACLOperationDescribe) {
		return 0
	}
	return r.operations(kmsg.ACLResourceTypeCluster, clusterOperations, clusterName)
}

func (r *Request) operations(on kmsg.ACLResourceType, all []kmsg.ACLOperation, name string) (bits int32) {
	for _, op := range all {
		if r.Sees(on, op, name) {
			bits |= 1 << op
		}
	}
	return bits
}
