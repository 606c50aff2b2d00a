package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// ElectLeaders (key 43), versions 0 to 2.
//
//	1  the kind of election (KIP-460): 0 the preferred replica, 1 an unclean one
//	2  flexible
//
// The one broker leads every partition, as its preferred replica and in sync: there is
// never anything to elect.

const (
	electPreferred = 0
	electUnclean   = 1
)

// ElectLeaders says that no election is needed. When all topics are asked for (null),
// only partitions with something to elect are named, as in Kafka: none.
func (c *Handlers) ElectLeaders(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ElectLeadersRequest)
	resp := kmsg.NewPtrElectLeadersResponse()
	resp.Topics = []kmsg.ElectLeadersResponseTopic{}
	refused := needs(r, kmsg.ACLOperationAlter)
	resp.ErrorCode = int16(api.CodeOf(refused))
	asked := req.Topics == nil || len(req.Topics) > 0 // Kafka looks at nothing else in a request about nothing
	if refused == nil && asked && r.Version >= 1 && req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		refused = protocol.Errorf(protocol.InvalidRequest, "Unknown election type %d", req.ElectionType)
		resp.ErrorCode = int16(protocol.InvalidRequest)
	}
	if asked && refused == nil && req.TimeoutMillis <= 0 {
		refused = protocol.RequestTimedOut
		resp.ErrorCode = int16(protocol.RequestTimedOut)
	}
	if req.Topics == nil && refused == nil {
		for _, t := range c.Catalog.Snapshot().Topics() {
			resp.Topics = append(resp.Topics, electTopic(t.Name))
		}
	}
	for i := range req.Topics {
		want := &req.Topics[i]
		t, _ := api.Find(c.Catalog, api.Named(want.Topic))
		out := electTopic(want.Topic)
		for _, index := range want.Partitions {
			p := kmsg.NewElectLeadersResponseTopicPartition()
			p.Partition = index
			err := refused
			if err == nil {
				err = elect(want.Topic, t, index)
			}
			c.refuse(&p.ErrorCode, &p.ErrorMessage, err)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func electTopic(name string) kmsg.ElectLeadersResponseTopic {
	t := kmsg.NewElectLeadersResponseTopic()
	t.Topic, t.Partitions = name, []kmsg.ElectLeadersResponseTopicPartition{}
	return t
}

func elect(name string, t *api.Topic, index int32) error {
	switch {
	case t == nil:
		return protocol.Errorf(protocol.UnknownTopicOrPartition, "No such topic as %s", name)
	case !api.HasPartition(t, index):
		return protocol.Errorf(protocol.UnknownTopicOrPartition, "No such partition as %s-%d", name, index)
	}
	return protocol.Errorf(protocol.ElectionNotNeeded, "Leader election not needed for topic partition.")
}
