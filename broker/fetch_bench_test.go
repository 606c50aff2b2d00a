package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
)

// BenchmarkFetch is the fetch path over loopback: 16 partitions with a batch each, by
// name and without a session.
func BenchmarkFetch(b *testing.B) {
	br := apitest.Start(b, apitest.Options{})
	topic := br.Topic("t", 16, nil)
	c := br.Dial()
	c.Call(benchRequest(topic, 16, 4000, 1000))
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.SessionEpoch, req.MinBytes = 12, 1<<20, -1, 1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic.Name
	for p := range int32(16) {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.PartitionMaxBytes = p, 1<<20
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	frame := c.Frame(req)
	answer := len(c.Call(req).AppendTo(nil)) + 9
	flood(b, c.Conn, frame, answer, "user-s/GiB")
}
