package admin

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
)

// Metadata (key 3), versions 0 to 13.
//
//	 0  an empty list means all topics; from 1 on null does, and empty means none
//	 1  rack, controller, internal topics
//	 2  cluster id
//	 4  the client says whether topics may be made
//	 5  offline replicas
//	 7  leader epochs (KIP-320)
//	 8  authorised operations (KIP-430); of the cluster until 10
//	 9  flexible
//	10  topic ids in answers, 12 in requests too (KIP-516)
//	13  a top-level error code
//
// As in Kafka the answer to a request that makes a topic says
// UNKNOWN_TOPIC_OR_PARTITION, and the client asks again. The replicas shown are this
// broker, whatever number was asked for.

// maxAutoCreate bounds the topics that one request makes; the client's next ones
// make the rest.
const maxAutoCreate = 256

// Metadata tells clients what there is and who leads it.
func (c *Handlers) Metadata(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.MetadataRequest)
	resp := kmsg.NewPtrMetadataResponse()
	view := c.Leaders.View()
	for _, n := range view.Nodes() {
		at, b := n.Endpoint(r.Conn.Listener), kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = n.ID, at.Host, at.Port, n.Rack
		resp.Brokers = append(resp.Brokers, b)
	}
	resp.ClusterID = &c.Node.ClusterID
	resp.ControllerID, _ = view.Controller()
	if req.IncludeClusterAuthorizedOperations && r.Version >= 8 && r.Version <= 10 {
		resp.AuthorizedOperations = r.ClusterOperations()
	}
	if refused := refuseMetadata(r.Version, req); refused != nil {
		return refused, nil
	}
	m := &metadataAnswer{Handlers: c, ctx: ctx, request: r, body: req, view: view}
	resp.Topics = []kmsg.MetadataResponseTopic{}
	if req.Topics == nil || (r.Version == 0 && len(req.Topics) == 0) {
		for _, t := range c.Catalog.Snapshot().Topics() {
			if r.Sees(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribe, t.Name) {
				resp.Topics = append(resp.Topics, m.topic(t))
			}
		}
		return resp, nil
	}
	byID := m.byID()
	repeated := api.Twice(req.Topics, metadataKeyOf)
	for i := range req.Topics {
		if _, first := repeated[metadataKeyOf(&req.Topics[i])]; !first {
			continue // each topic once, however often it is named
		}
		delete(repeated, metadataKeyOf(&req.Topics[i]))
		if byID && req.Topics[i].TopicID == noTopicID {
			continue // Kafka drops names beside ids
		}
		resp.Topics = append(resp.Topics, m.named(&req.Topics[i]))
	}
	return resp, nil
}

var noTopicID [16]byte

// metadataAnswer makes one answer.
type metadataAnswer struct {
	*Handlers
	ctx     context.Context
	request *api.Request
	body    *kmsg.MetadataRequest
	view    leaders.View
	made    int
}

// byID says whether the request names topics by id.
func (m *metadataAnswer) byID() bool {
	if m.request.Version < 12 {
		return false
	}
	for i := range m.body.Topics {
		if m.body.Topics[i].TopicID != noTopicID {
			return true
		}
	}
	return false
}

// named answers one entry of the request.
func (m *metadataAnswer) named(want *kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	if want.TopicID != noTopicID && m.request.Version >= 12 {
		t, code := m.request.Topic(m.Catalog, api.Identified(want.TopicID), kmsg.ACLOperationDescribe)
		if t != nil {
			return m.topic(t)
		}
		out := noTopic(nil, code)
		out.TopicID = want.TopicID
		return out
	}
	t, code := m.request.Topic(m.Catalog, api.Named(*want.Topic), kmsg.ACLOperationDescribe)
	if t != nil {
		return m.topic(t)
	}
	if code != protocol.UnknownTopicOrPartition {
		return noTopic(want.Topic, code)
	}
	out := m.missing(want.Topic)
	if out.ErrorCode != int16(protocol.TopicAuthorizationFailed) && m.body.IncludeTopicAuthorizedOperations && m.request.Version >= 8 {
		out.AuthorizedOperations = m.request.TopicOperations(*want.Topic) // by name, whether it is there or not
	}
	return out
}

// refuseMetadata answers a request that names a topic neither by name nor by id, or by
// id before that was possible: everything is INVALID_REQUEST then, and no brokers are
// shown. Kafka from v12 on finds UNKNOWN_SERVER_ERROR for it.
func refuseMetadata(version int16, req *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	if !slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool {
		return t.Topic == nil && t.TopicID == noTopicID || version < 12 && (t.Topic == nil || t.TopicID != noTopicID)
	}) {
		return nil
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.Brokers, resp.ErrorCode = []kmsg.MetadataResponseBroker{}, int16(protocol.InvalidRequest)
	for i := range req.Topics {
		name := ""
		if req.Topics[i].Topic != nil {
			name = *req.Topics[i].Topic
		}
		out := noTopic(&name, protocol.InvalidRequest)
		out.TopicID = req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// metadataKey is a topic as a request names it.
type metadataKey struct {
	name string
	id   [16]byte
}

func metadataKeyOf(t *kmsg.MetadataRequestTopic) metadataKey {
	k := metadataKey{id: t.TopicID}
	if t.Topic != nil && t.TopicID == noTopicID {
		k.name = *t.Topic
	}
	return k
}

// missing answers for a topic that does not exist, and makes it where that is
// wanted.
func (m *metadataAnswer) missing(name *string) kmsg.MetadataResponseTopic {
	wanted := (m.request.Version < 4 || m.body.AllowAutoTopicCreation) && m.Catalog.Broker().Bool("auto.create.topics.enable")
	if wanted && !mayCreate(m.request, *name) {
		return noTopic(name, protocol.TopicAuthorizationFailed)
	}
	if err := catalog.CheckName(*name); err != nil {
		return noTopic(name, api.CodeOf(err))
	}
	if wanted && m.made < maxAutoCreate {
		m.made++
		t, created, err := m.Catalog.Ensure(m.ctx, *name)
		if err == nil && !created {
			return m.topic(t) // somebody else was faster
		}
		if err != nil && api.CodeOf(err) == protocol.UnknownServerError {
			return noTopic(name, protocol.LeaderNotAvailable) // the store failed: ask again
		}
	}
	return noTopic(name, protocol.UnknownTopicOrPartition)
}

// mayCreate says whether a request may make a topic: any, or this one.
func mayCreate(r *api.Request, name string) bool {
	return r.SeesCluster(kmsg.ACLOperationCreate) || r.May(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationCreate, name)
}

func noTopic(name *string, code protocol.Code) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.ErrorCode = name, int16(code)
	out.Partitions = []kmsg.MetadataResponseTopicPartition{}
	out.IsInternal = name != nil && catalog.IsInternal(*name)
	return out
}

// topic shows a topic.
func (m *metadataAnswer) topic(t *api.Topic) kmsg.MetadataResponseTopic {
	out := noTopic(&t.Name, protocol.None)
	out.TopicID, out.IsInternal = t.ID, t.Internal
	if m.body.IncludeTopicAuthorizedOperations && m.request.Version >= 8 {
		out.AuthorizedOperations = m.request.TopicOperations(t.Name)
	}
	nobody := []int32{}
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, t.Partitions)
	for i := range out.Partitions {
		p, of := kmsg.NewMetadataResponseTopicPartition(), m.view.Of(t, int32(i))
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), of.Node, of.Epoch
		p.Replicas, p.ISR, p.OfflineReplicas = of.Replicas, of.Replicas, nobody
		out.Partitions[i] = p
	}
	return out
}
