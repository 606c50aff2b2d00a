package admin

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// DescribeLogDirs (key 35), versions 1 to 5.
//
//	2  flexible
//	3  an error for the whole answer
//	4  total and usable bytes of the volume (KIP-827)
//	5  cordoned dirs (KIP-1066): none is
//
// There is one log dir: the data folder. A partition's size is that of its batches as
// they are stored, in sealed segments and in the open journal, wherever the bucket is.
// Only what exists is answered, as Kafka does; nothing moves, so no replica is a future
// one, and none lags.

// LogDir is the folder that DescribeLogDirs and AlterReplicaLogDirs are about.
type LogDir interface {
	Path() string // absolute
	// Space is the size of the volume that holds it, and how much of that this process
	// may still use, in bytes.
	Space() (total, usable int64, err error)
}

// DescribeLogDirs shows the data folder and the partitions in it.
func (c *Handlers) DescribeLogDirs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeLogDirsRequest)
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	resp.Dirs = []kmsg.DescribeLogDirsResponseDir{}
	if code := r.Cluster(kmsg.ACLOperationDescribe); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.Topics = c.Dir.Path(), []kmsg.DescribeLogDirsResponseDirTopic{}
	if err := c.fillLogDir(ctx, &dir, req.Topics); err != nil {
		dir.ErrorCode = int16(protocol.KafkaStorageError)
		c.Logger.Error("log dir cannot be described", zap.String("dir", dir.Dir), zap.Error(err))
	}
	resp.Dirs = []kmsg.DescribeLogDirsResponseDir{dir}
	return resp, nil
}

// fillLogDir answers for the topics asked for, nil being all.
func (c *Handlers) fillLogDir(ctx context.Context, dir *kmsg.DescribeLogDirsResponseDir, asked []kmsg.DescribeLogDirsRequestTopic) error {
	var err error
	if dir.TotalBytes, dir.UsableBytes, err = c.Dir.Space(); err != nil {
		return err
	}
	snapshot := c.Catalog.Snapshot()
	if asked == nil {
		for _, t := range snapshot.Topics() {
			if err := c.addLogDirTopic(ctx, dir, t, nil); err != nil {
				return err
			}
		}
		return nil
	}
	wanted, order := mergePartitions(asked)
	for _, name := range order {
		if t, _ := api.Find(snapshot, api.Named(name)); t != nil {
			if err := c.addLogDirTopic(ctx, dir, t, wanted[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergePartitions gathers what is asked of each topic, which may be named twice, in
// the order of the first mention.
func mergePartitions(asked []kmsg.DescribeLogDirsRequestTopic) (partitions map[string][]int32, order []string) {
	partitions = make(map[string][]int32, len(asked))
	for i := range asked {
		name := asked[i].Topic
		if _, again := partitions[name]; !again {
			order = append(order, name)
			partitions[name] = []int32{}
		}
		partitions[name] = append(partitions[name], asked[i].Partitions...)
	}
	return partitions, order
}

// addLogDirTopic adds a topic's partitions, nil being all; those that do not exist are
// left out, and so is a topic without any.
func (c *Handlers) addLogDirTopic(ctx context.Context, dir *kmsg.DescribeLogDirsResponseDir, t *catalog.Topic, partitions []int32) error {
	if partitions == nil {
		partitions = make([]int32, t.Partitions)
		for i := range partitions {
			partitions[i] = int32(i)
		}
	}
	slices.Sort(partitions)
	out := kmsg.NewDescribeLogDirsResponseDirTopic()
	out.Topic = t.Name
	for _, index := range slices.Compact(partitions) {
		if !api.HasPartition(t, index) {
			continue
		}
		size, err := c.Log.Size(ctx, pack.PartitionID{Topic: t.ID, Partition: index})
		if err != nil {
			return err
		}
		p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		p.Partition, p.Size = index, size
		out.Partitions = append(out.Partitions, p)
	}
	if len(out.Partitions) > 0 {
		dir.Topics = append(dir.Topics, out)
	}
	return nil
}
