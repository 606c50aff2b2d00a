package broker_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// BenchmarkProduce is the produce path over loopback with a log that drops what it
// gets: reading, parsing, checking, answering. user-s/GiB is the whole process, the
// sending client included (client-user-s/GiB measures that alone).
func BenchmarkProduce(b *testing.B) {
	for _, bc := range []struct {
		name              string
		partitions, batch int
		recordSize        int
	}{
		{"1x1MB", 1, 900_000, 1000},
		{"16x64KB", 16, 64_000, 1000},
		{"100x16KB", 100, 16_000, 1000},
		{"1000x16KB", 1000, 16_000, 1000},
		{"1000x1KB", 1000, 900, 900},
		{"16x64KB-100B", 16, 64_000, 100},
	} {
		b.Run(bc.name, func(b *testing.B) { benchProduce(b, bc.partitions, bc.batch, bc.recordSize) })
	}
}

func benchProduce(b *testing.B, partitions, batch, recordSize int) {
	br := apitest.Start(b, apitest.Options{})
	br.Log.Discard = true
	topic := br.Topic("t", int32(partitions), nil)
	c := br.Dial()
	frame := c.Frame(benchRequest(topic, partitions, batch, recordSize))
	answer := len(c.Call(benchRequest(topic, partitions, batch, recordSize)).AppendTo(nil)) + 8
	flood(b, c.Conn, frame, answer, "user-s/GiB")
}

func benchRequest(topic *catalog.Topic, partitions, batch, recordSize int) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 8, -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic.Name
	for p := range partitions {
		rb := record.NewBuilder()
		for i := 0; i == 0 || rb.Size()+recordSize+20 < batch; i++ {
			rb.Append(time.Now().UnixMilli(), nil, bytes.Repeat([]byte{byte(i)}, recordSize-10))
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = int32(p), bytes.Clone(rb.Batch())
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// flood sends the same frame with five in flight.
func flood(b *testing.B, conn net.Conn, frame []byte, answer int, unit string) {
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	b.ResetTimer()
	before := userTime()
	tokens, failed := make(chan struct{}, 5), make(chan error, 1)
	go func() {
		buf := make([]byte, answer)
		for range b.N {
			if _, err := io.ReadFull(conn, buf); err != nil {
				failed <- err
				return
			}
			<-tokens
		}
		failed <- nil
	}()
	for range b.N {
		tokens <- struct{}{}
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric((userTime()-before).Seconds()/(float64(b.N)*float64(len(frame))/(1<<30)), unit)
}

func userTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprint("getrusage: ", err))
	}
	return time.Duration(u.Utime.Nano())
}
