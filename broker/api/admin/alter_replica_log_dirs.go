package admin

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// AlterReplicaLogDirs (key 34), versions 1 and 2 (KIP-113): 2 is flexible.
//
// There is one log dir. A partition that is to be moved there is there already, which
// Kafka answers with NONE; any other dir is LOG_DIR_NOT_FOUND.

// AlterReplicaLogDirs says of each partition whether it can be where it is wanted. If a
// partition is named for two dirs the later one counts, and a topic without partitions
// is not answered, as in Kafka.
func (c *Handlers) AlterReplicaLogDirs(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AlterReplicaLogDirsRequest)
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	resp.Topics = []kmsg.AlterReplicaLogDirsResponseTopic{}
	denied := r.Cluster(kmsg.ACLOperationAlter)
	topics := make(map[string]int)
	places := make(map[string]map[int32]int)
	for i := range req.Dirs {
		dir := &req.Dirs[i]
		for j := range dir.Topics {
			name := dir.Topics[j].Topic
			if len(dir.Topics[j].Partitions) == 0 {
				continue
			}
			at, again := topics[name]
			if !again {
				at = len(resp.Topics)
				topics[name], places[name] = at, make(map[int32]int)
				t := kmsg.NewAlterReplicaLogDirsResponseTopic()
				t.Topic = name
				resp.Topics = append(resp.Topics, t)
			}
			out := &resp.Topics[at]
			for _, index := range dir.Topics[j].Partitions {
				place, again := places[name][index]
				if !again {
					place = len(out.Partitions)
					places[name][index] = place
					out.Partitions = append(out.Partitions, kmsg.NewAlterReplicaLogDirsResponseTopicPartition())
				}
				p := &out.Partitions[place]
				if p.Partition, p.ErrorCode = index, int16(denied); denied == protocol.None {
					p.ErrorCode = int16(c.moveReplica(dir.Dir, name, index))
				}
			}
		}
	}
	return resp, nil
}

// What Kafka calls the folder of a replica that moves, TOPIC-PARTITION.ID-future, has 41
// bytes beside topic and partition, and may have 255.
const futureDirMax, futureDirBytes = 255, 41

func (c *Handlers) moveReplica(dir, topic string, index int32) protocol.Code {
	if len(topic)+len(strconv.Itoa(int(index)))+futureDirBytes > futureDirMax {
		return protocol.InvalidTopicException
	}
	if dir != c.Dir.Path() {
		return protocol.LogDirNotFound
	}
	t, code := api.Find(c.Catalog, api.Named(topic))
	if code == protocol.None && !api.HasPartition(t, index) {
		return protocol.UnknownTopicOrPartition
	}
	return code
}
