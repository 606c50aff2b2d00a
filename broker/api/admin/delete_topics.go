package admin

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DeleteTopics (key 20), versions 1 to 6.
//
//	3  TOPIC_DELETION_DISABLED, which older clients see as INVALID_REQUEST
//	4  flexible; 5 messages
//	6  topics by name or by id (KIP-516)

// DeleteTopics removes topics with everything in them.
func (c *Handlers) DeleteTopics(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteTopicsRequest)
	ctx, cancel := api.Within(ctx, req.TimeoutMillis)
	defer cancel()
	topics := req.Topics
	if r.Version < 6 {
		topics = make([]kmsg.DeleteTopicsRequestTopic, len(req.TopicNames))
		for i := range topics {
			topics[i].Topic = &req.TopicNames[i]
		}
	}
	resp := kmsg.NewPtrDeleteTopicsResponse()
	resp.Topics = []kmsg.DeleteTopicsResponseTopic{}
	repeated := api.Twice(topics, deleteKeyOf)
	delete(repeated, deleteKey{}) // entries without name and id are answered one by one
	both := c.namedTwice(topics)
	for i := range topics {
		want := &topics[i]
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = want.Topic, want.TopicID
		var err error
		again, first := repeated[deleteKeyOf(want)]
		switch {
		case deleteKeyOf(want) == deleteKey{}, want.Topic != nil && want.TopicID != noTopicID:
			err = c.deleteTopic(ctx, r, want, nil, &out)
		case again:
			err = protocol.Errorf(protocol.InvalidRequest, "Duplicate topic %s.", deleteKeyOf(want).kind())
			delete(repeated, deleteKeyOf(want))
		case !first:
			continue
		case req.TimeoutMillis <= 0:
			err = protocol.RequestTimedOut
		case want.Topic == nil && both[want.TopicID]:
			continue // answered beside its name
		default:
			err = c.deleteTopic(ctx, r, want, both, &out)
		}
		if r.Version < 3 && api.CodeOf(err) == protocol.TopicDeletionDisabled {
			err = protocol.InvalidRequest
		}
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// namedTwice returns the ids of topics that are named by id and by name.
func (c *Handlers) namedTwice(topics []kmsg.DeleteTopicsRequestTopic) map[[16]byte]bool {
	ids := make(map[[16]byte]bool)
	for i := range topics {
		if topics[i].Topic == nil && topics[i].TopicID != noTopicID {
			ids[topics[i].TopicID] = true
		}
	}
	both := make(map[[16]byte]bool)
	for i := range topics {
		if topics[i].Topic == nil || topics[i].TopicID != noTopicID {
			continue
		}
		if t, _ := api.Find(c.Catalog, api.Named(*topics[i].Topic)); t != nil && ids[t.ID] {
			both[t.ID] = true
		}
	}
	return both
}

type deleteKey struct {
	named bool
	name  string
	id    [16]byte
}

// kind is what messages call the key.
func (k deleteKey) kind() string {
	if k.named {
		return "name"
	}
	return "id"
}

func deleteKeyOf(t *kmsg.DeleteTopicsRequestTopic) deleteKey {
	k := deleteKey{id: t.TopicID}
	if t.Topic != nil {
		k.named, k.name = true, *t.Topic
	}
	return k
}

func (c *Handlers) deleteTopic(ctx context.Context, r *api.Request, want *kmsg.DeleteTopicsRequestTopic, both map[[16]byte]bool, out *kmsg.DeleteTopicsResponseTopic) error {
	named, identified := want.Topic != nil, want.TopicID != noTopicID
	var ref api.Ref
	switch {
	case named && identified:
		return protocol.Errorf(protocol.InvalidRequest, "You may not specify both topic name and topic id.")
	case identified:
		ref = api.Identified(want.TopicID)
	case named:
		ref = api.Named(*want.Topic)
	default:
		return protocol.Errorf(protocol.InvalidRequest, "Neither topic name nor id were specified.")
	}
	t, code := c.deletable(r, ref)
	switch code {
	case protocol.None:
	case protocol.UnknownTopicID:
		return protocol.Errorf(code, "This server does not host this topic ID.")
	case protocol.UnknownTopicOrPartition:
		return errNoPartition
	case protocol.TopicAuthorizationFailed:
		if identified && t != nil {
			out.Topic = &t.Name
		}
		return code
	default:
		return code
	}
	out.Topic, out.TopicID = &t.Name, t.ID
	if both[t.ID] {
		return protocol.Errorf(protocol.InvalidRequest, "The provided topic name maps to an ID that was already supplied.")
	}
	err := c.Catalog.Delete(ctx, t.ID)
	if named && errors.Is(err, protocol.UnknownTopicID) { // somebody else was faster
		return protocol.UnknownTopicOrPartition
	}
	return err
}

// deletable finds a topic that a client wants to delete. Who may delete topics of the
// cluster may delete all. Others need to be allowed to describe it, or learn nothing, and
// to delete it: a topic beside the code is one that they may know of.
func (c *Handlers) deletable(r *api.Request, ref api.Ref) (*api.Topic, protocol.Code) {
	if r.SeesCluster(kmsg.ACLOperationDelete) {
		return api.Find(c.Catalog, ref)
	}
	t, code := r.Topic(c.Catalog, ref, kmsg.ACLOperationDescribe)
	if code == protocol.None && !r.May(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDelete, t.Name) {
		code = protocol.TopicAuthorizationFailed
	}
	return t, code
}
