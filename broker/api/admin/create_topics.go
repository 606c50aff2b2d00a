package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// CreateTopics (key 19), versions 2 to 7.
//
//	4  -1 partitions or replicas mean the broker's defaults (KIP-464)
//	5  flexible; the answer has counts and configs (KIP-525)
//	7  the answer has the topic id (KIP-516)
//
// A topic can be used as soon as the answer is there. The replication factor shown
// is the real one, which is 1.

// CreateTopics makes topics.
func (c *Handlers) CreateTopics(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.CreateTopicsRequest)
	ctx, cancel := api.Within(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrCreateTopicsResponse()
	resp.Topics = []kmsg.CreateTopicsResponseTopic{}
	repeated := api.Twice(req.Topics, func(t *kmsg.CreateTopicsRequestTopic) string { return t.Topic })
	made := make(map[string]bool)
	for i := range req.Topics {
		want := &req.Topics[i]
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic, out.Configs = want.Topic, []kmsg.CreateTopicsResponseTopicConfig{}
		again, first := repeated[want.Topic]
		switch {
		case again:
			c.refuse(&out.ErrorCode, &out.ErrorMessage, protocol.Errorf(protocol.InvalidRequest, "Duplicate topic name."))
			delete(repeated, want.Topic) // one answer for all of them
		case !first:
			continue
		case req.TimeoutMillis <= 0:
			out.ErrorCode = int16(protocol.RequestTimedOut)
		case !mayCreate(r, want.Topic):
			c.refuse(&out.ErrorCode, &out.ErrorMessage, protocol.Errorf(protocol.TopicAuthorizationFailed, "Authorization failed."))
		default:
			c.createTopic(ctx, r, want, req.ValidateOnly, made, &out)
			made[want.Topic] = out.ErrorCode == 0
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func (c *Handlers) createTopic(ctx context.Context, r *api.Request, want *kmsg.CreateTopicsRequestTopic, validateOnly bool, made map[string]bool, out *kmsg.CreateTopicsResponseTopic) {
	spec, err := topicSpec(want)
	spec.Beside = made
	var t *api.Topic
	if err == nil && validateOnly {
		t, err = c.Catalog.Plan(ctx, spec)
	} else if err == nil {
		t, err = c.Catalog.Create(ctx, spec)
	}
	if err != nil {
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		return
	}
	out.TopicID = t.ID // also of a topic that is only planned, as in Kafka
	if !r.Sees(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribeConfigs, want.Topic) {
		out.ConfigErrorCode = int16(protocol.TopicAuthorizationFailed)
		return
	}
	out.NumPartitions, out.ReplicationFactor = t.Partitions, 1
	for _, e := range config.DescribeTopic(t.Configs, c.Catalog.Broker(), nil) {
		o := kmsg.NewCreateTopicsResponseTopicConfig()
		o.Name, o.Value, o.ReadOnly, o.Source, o.IsSensitive = e.Name, e.Value, e.ReadOnly, int8(e.Source), e.Sensitive
		if raw, ok := t.Configs[e.Name]; ok && !e.Sensitive {
			o.Value = &raw // as it was written, where DescribeConfigs shows what was read
		}
		out.Configs = append(out.Configs, o)
	}
}

// topicSpec reads what kind of topic is asked for.
func topicSpec(want *kmsg.CreateTopicsRequestTopic) (catalog.Spec, error) {
	spec := catalog.Spec{Name: want.Topic, Partitions: want.NumPartitions, Replicas: want.ReplicationFactor}
	if len(want.ReplicaAssignment) > 0 {
		spec.Assignments = make(map[int32][]int32, len(want.ReplicaAssignment))
	}
	for i := range want.ReplicaAssignment {
		a := &want.ReplicaAssignment[i]
		if _, ok := spec.Assignments[a.Partition]; ok {
			return spec, protocol.Errorf(protocol.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition %d", a.Partition)
		}
		spec.Assignments[a.Partition] = a.Replicas
	}
	spec.Configs = make(map[string]*string, len(want.Configs))
	for i := range want.Configs {
		if want.Configs[i].Value == nil {
			spec.NullConfigs = append(spec.NullConfigs, want.Configs[i].Name)
			continue
		}
		spec.Configs[want.Configs[i].Name] = want.Configs[i].Value
	}
	return spec, nil
}

// resource names what configs belong to.
func resource(kind kmsg.ConfigResourceType, name string) metadata.Resource {
	return metadata.Resource{Type: int8(kind), Name: name}
}
