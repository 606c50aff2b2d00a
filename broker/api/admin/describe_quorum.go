package admin

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/leaders"
)

// DescribeQuorum (key 55), versions 0 to 2.
//
//	1  when voters fetched and had caught up (KIP-836)
//	2  messages, directory ids, and where the voters are (KIP-853)
//
// There is no raft log: topics and settings are in the metadata store. What Kafka's
// tools expect of a healthy quorum of one is answered: this broker leads it, in an epoch
// that counts its starts, is its only voter and has caught up now. The log's end is 0,
// since there is none; the voter is where the broker's clients find it.

const metadataTopic = "__cluster_metadata"

// DescribeQuorum shows the quorum of one. It takes exactly the partition that Kafka has
// a quorum for; anything else in the request makes all of it unknown, as in Kafka.
func (c *Handlers) DescribeQuorum(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeQuorumRequest)
	resp := kmsg.NewPtrDescribeQuorumResponse()
	resp.ErrorMessage = new(string)
	resp.Topics, resp.Nodes = []kmsg.DescribeQuorumResponseTopic{}, []kmsg.DescribeQuorumResponseNode{}
	if err := needs(r, kmsg.ACLOperationDescribe); err != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		return resp, nil
	}
	known := len(req.Topics) == 1 && req.Topics[0].Topic == metadataTopic &&
		len(req.Topics[0].Partitions) == 1 && req.Topics[0].Partitions[0].Partition == 0
	if known {
		for _, n := range c.Leaders.View().Nodes() {
			resp.Nodes = append(resp.Nodes, quorumNode(n))
		}
	}
	for i := range req.Topics {
		out := kmsg.NewDescribeQuorumResponseTopic()
		out.Topic, out.Partitions = req.Topics[i].Topic, []kmsg.DescribeQuorumResponseTopicPartition{}
		for _, want := range req.Topics[i].Partitions {
			p := kmsg.NewDescribeQuorumResponseTopicPartition()
			p.Partition = want.Partition
			if known {
				p.ErrorMessage = new(string)
				c.fillQuorum(&p)
			} else {
				c.refuse(&p.ErrorCode, &p.ErrorMessage, errNoPartition)
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func (c *Handlers) fillQuorum(p *kmsg.DescribeQuorumResponseTopicPartition) {
	view, now := c.Leaders.View(), c.Now().UnixMilli()
	p.LeaderID, p.LeaderEpoch = view.Controller()
	for _, n := range view.Nodes() {
		voter := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		voter.ReplicaID = n.ID
		voter.LastFetchTimestamp, voter.LastCaughtUpTimestamp = now, now
		p.CurrentVoters = append(p.CurrentVoters, voter)
	}
	p.Observers = []kmsg.DescribeQuorumResponseTopicPartitionReplicaState{}
}

func quorumNode(node *leaders.Node) kmsg.DescribeQuorumResponseNode {
	n := kmsg.NewDescribeQuorumResponseNode()
	n.NodeID = node.ID
	for _, name := range slices.Sorted(maps.Keys(node.Listeners)) {
		at := node.Endpoint(name)
		l := kmsg.NewDescribeQuorumResponseNodeListener()
		l.Name, l.Host, l.Port = name, at.Host, uint16(at.Port)
		n.Listeners = append(n.Listeners, l)
	}
	return n
}
