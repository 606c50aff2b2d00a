package api

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// DeleteTopics (key 20), versions 1 to 6.
//
//	3  TOPIC_DELETION_DISABLED, which older clients see as INVALID_REQUEST
//	4  flexible; 5 messages
//	6  topics by name or by id (KIP-516)

// DeleteTopics removes topics with everything in them.
func (c *Core) DeleteTopics(ctx context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteTopicsRequest)
	ctx, cancel := within(ctx, req.TimeoutMillis)
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
	repeated := twice(topics, deleteKeyOf)
	for i := range topics {
		want := &topics[i]
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = want.Topic, want.TopicID
		var err error
		again, first := repeated[deleteKeyOf(want)]
		switch {
		case again:
			err = protocol.Errorf(protocol.InvalidRequest, "Duplicate topic.")
			delete(repeated, deleteKeyOf(want))
		case !first:
			continue
		default:
			err = c.deleteTopic(ctx, want, &out)
		}
		if r.Version < 3 && codeOf(err) == protocol.TopicDeletionDisabled {
			err = protocol.InvalidRequest
		}
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

type deleteKey struct {
	name string
	id   [16]byte
}

func deleteKeyOf(t *kmsg.DeleteTopicsRequestTopic) deleteKey {
	k := deleteKey{id: t.TopicID}
	if t.Topic != nil {
		k.name = *t.Topic
	}
	return k
}

func (c *Core) deleteTopic(ctx context.Context, want *kmsg.DeleteTopicsRequestTopic, out *kmsg.DeleteTopicsResponseTopic) error {
	named, identified := want.Topic != nil, want.TopicID != noTopicID
	var t *Topic
	switch {
	case named && identified:
		return protocol.Errorf(protocol.InvalidRequest, "You may not specify both topic name and topic id.")
	case identified:
		if t = c.Catalog.ByID(want.TopicID); t == nil {
			return protocol.Errorf(protocol.UnknownTopicID, "This server does not host this topic ID.")
		}
	case named:
		if t = c.Catalog.ByName(*want.Topic); t == nil {
			return protocol.Errorf(protocol.UnknownTopicOrPartition, "This server does not host this topic-partition.")
		}
	default:
		return protocol.Errorf(protocol.InvalidRequest, "Neither topic name nor id were specified.")
	}
	out.Topic, out.TopicID = &t.Name, t.ID
	err := c.Catalog.Delete(ctx, t.ID)
	if named && errors.Is(err, protocol.UnknownTopicID) { // somebody else was faster
		return protocol.UnknownTopicOrPartition
	}
	return err
}
