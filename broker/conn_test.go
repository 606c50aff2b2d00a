package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

func batch(n, size int) []byte {
	b := record.NewBuilder()
	for i := range n {
		b.Append(time.Now().UnixMilli(), []byte("k"), bytes.Repeat([]byte{byte(i)}, size))
	}
	return bytes.Clone(b.Batch())
}

func produceReq(topic *catalog.Topic, partition int32, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic.Name
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func latest(topic string) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 5
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func metadata() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = 9, []kmsg.MetadataRequestTopic{}
	return req
}

// TestPipelined: answers come in the order of the requests, produces overlap one
// another, and anything else sees the effects of all before it.
func TestPipelined(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	for _, acks := range []int16{-1, 1, 0} {
		c := b.Dial()
		from := b.End(topic, 0)
		b.Log.Hold()
		var asked []kmsg.Request
		for range 5 {
			req := produceReq(topic, 0, batch(1, 100))
			req.Acks = acks
			c.Send(req)
			if acks != 0 {
				asked = append(asked, req)
			}
		}
		if !apitest.Until(func() bool { return b.Log.Held() == 5 }) {
			t.Fatalf("acks %d: %d of 5 produces overlap", acks, b.Log.Held())
		}
		asked = append(asked, latest("t"), produceReq(topic, 0, batch(1, 100)), latest("t"))
		for _, req := range asked[len(asked)-3:] {
			c.Send(req)
		}
		time.Sleep(20 * time.Millisecond)
		if n := b.Log.Held(); n != 5 {
			t.Fatalf("acks %d: a produce behind another request began: %d held", acks, n)
		}
		b.Log.Flush()
		for i, req := range asked {
			resp, _, err := c.Receive(req)
			if err != nil {
				t.Fatalf("acks %d: answer %d: %v", acks, i, err)
			}
			switch r := resp.(type) {
			case *kmsg.ProduceResponse:
				want := from + int64(i)
				if i == len(asked)-2 {
					want = from + 5
				}
				if got := r.Topics[0].Partitions[0].BaseOffset; got != want {
					t.Errorf("acks %d: answer %d: offset %d, want %d", acks, i, got, want)
				}
			case *kmsg.ListOffsetsResponse:
				want := from + 5
				if i == len(asked)-1 {
					want = from + 6
				}
				if got := r.Topics[0].Partitions[0].Offset; got != want {
					t.Errorf("acks %d: the end is %d, want %d", acks, got, want)
				}
			}
		}
	}
}

// TestPipelinedBytes sends a mixture of requests in one stream, cut into pieces of
// every size.
func TestPipelinedBytes(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	for _, piece := range []int{1, 7, 100, 5000, 1 << 20} {
		c := b.Dial()
		var stream []byte
		var asked []kmsg.Request
		sizes := []int{1, 50, 2000, 70_000, 300_000}
		if piece < 100 {
			sizes = sizes[:3]
		}
		for _, size := range sizes {
			for _, req := range []kmsg.Request{produceReq(topic, 0, batch(2, size)), metadata(), produceReq(topic, 0, batch(1, size/2)), latest("t")} {
				stream, asked = append(stream, c.Frame(req)...), append(asked, req)
			}
		}
		go func() {
			for len(stream) > 0 {
				n := min(piece, len(stream))
				if _, err := c.Conn.Write(stream[:n]); err != nil {
					return
				}
				stream = stream[n:]
			}
		}()
		for i, req := range asked {
			resp, correlation, err := c.Receive(req)
			if err != nil || correlation != int32(i+1) {
				t.Fatalf("pieces of %d: answer %d: %d, %v", piece, i, correlation, err)
			}
			if code := api.FirstError(resp); code != 0 {
				t.Fatalf("pieces of %d: answer %d: %v", piece, i, code)
			}
		}
	}
}

// TestApiVersionsUnknown: a version that is not known is answered in version 0 with
// what is, and the connection goes on (KIP-511).
func TestApiVersionsUnknown(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	for _, version := range []int16{6, 99, -1, 32767} {
		frame := binary.BigEndian.AppendUint16(nil, 18)
		frame = binary.BigEndian.AppendUint16(frame, uint16(version))
		frame = binary.BigEndian.AppendUint32(frame, 77)
		frame = append(frame, 0, 1, 'x', 0, 9, 9, 9)
		if _, err := c.Conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
			t.Fatal(err)
		}
		v0 := kmsg.NewPtrApiVersionsRequest()
		resp, correlation, err := c.Receive(v0)
		if err != nil || correlation != 77 {
			t.Fatalf("version %d: %d, %v", version, correlation, err)
		}
		r := resp.(*kmsg.ApiVersionsResponse)
		if r.ErrorCode != 35 || len(r.ApiKeys) != 1 || r.ApiKeys[0].ApiKey != 18 || r.ApiKeys[0].MaxVersion != 5 {
			t.Fatalf("version %d: %+v", version, r)
		}
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 4, "test", "1.0"
	if r := c.Call(req).(*kmsg.ApiVersionsResponse); r.ErrorCode != 0 || len(r.ApiKeys) != len(b.Routes.Specs()) {
		t.Fatalf("%+v", r)
	}
}

// TestUnserved: keys and versions that are not served close the connection.
func TestUnserved(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	for _, kv := range [][2]int16{{0, 2}, {0, 14}, {1, 3}, {3, 14}, {4, 1}, {17, 2}, {22, 6}, {52, 0}, {95, 0}, {-1, 0}, {32767, 0}, {3, -1}} {
		c := b.Dial()
		frame := binary.BigEndian.AppendUint16(nil, uint16(kv[0]))
		frame = binary.BigEndian.AppendUint16(frame, uint16(kv[1]))
		frame = append(binary.BigEndian.AppendUint32(frame, 1), make([]byte, 40)...)
		if _, err := c.Conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
			t.Fatal(err)
		}
		c.Closed()
	}
}

// TestAnswersBeforeGarbage: what was asked before garbage is answered, then the
// connection is closed.
func TestAnswersBeforeGarbage(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Log.Hold()
	c := b.Dial()
	req := produceReq(topic, 0, batch(1, 10))
	if _, err := c.Conn.Write(append(c.Frame(req), 0xFF, 0xFF, 0xFF, 0xFF)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	b.Log.Flush()
	if _, _, err := c.Receive(req); err != nil {
		t.Fatal(err)
	}
	c.Closed()
}

// TestPanic: a handler that panics costs its connection, and nobody else notices.
func TestPanic(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	b := apitest.Start(t, apitest.Options{NoCore: true, Logger: zap.New(core), Routes: func(r *api.Routes) {
		r.Add(apitest.Row(protocol.KeyMetadata, func(context.Context, *api.Request) (kmsg.Response, error) { panic("mad") }))
		r.Add(apitest.Row(protocol.KeyHeartbeat, func(context.Context, *api.Request) (kmsg.Response, error) {
			return nil, errors.New("no answer")
		}))
		r.Add(apitest.Row(protocol.KeyDescribeCluster, func(context.Context, *api.Request) (kmsg.Response, error) {
			return kmsg.NewPtrDescribeClusterResponse(), nil
		}))
	}})
	other, c := b.Dial(), b.Dial()
	other.Call(kmsg.NewPtrDescribeClusterRequest())
	c.Send(metadata())
	c.Closed()
	c = b.Dial()
	c.Send(kmsg.NewPtrHeartbeatRequest())
	c.Closed()
	other.Call(kmsg.NewPtrDescribeClusterRequest())
	if n := logs.FilterMessage("panic while serving a connection").Len(); n != 1 {
		t.Errorf("%d lines about the panic", n)
	}
	if !apitest.Until(func() bool { return b.Server.Connections() == 1 }) {
		t.Errorf("%d connections are left", b.Server.Connections())
	}
}

// TestMetrics: requests are counted by API and first error.
func TestMetrics(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	c := b.Dial()
	c.Call(produceReq(topic, 0, batch(1, 10)))
	c.Call(produceReq(topic, 5, batch(1, 10)))
	c.Call(latest("none"))
	c.Call(metadata())
	want := `
# HELP streamhouse_requests_total Requests answered, by API and by the first error in the answer.
# TYPE streamhouse_requests_total counter
streamhouse_requests_total{api="ListOffsets",code="UNKNOWN_TOPIC_OR_PARTITION"} 1
streamhouse_requests_total{api="Metadata",code="NONE"} 1
streamhouse_requests_total{api="Produce",code="NONE"} 1
streamhouse_requests_total{api="Produce",code="UNKNOWN_TOPIC_OR_PARTITION"} 1
`
	if err := testutil.GatherAndCompare(b.Registry, bytes.NewBufferString(want), "streamhouse_requests_total"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(b.Registry, "streamhouse_request_seconds"); n == 0 {
		t.Error("no latencies")
	}
}

// TestConnectionLimits: in all and per address; who leaves makes room.
func TestConnectionLimits(t *testing.T) {
	for name, set := range map[string]func(*broker.Config){
		"all":      func(c *broker.Config) { c.MaxConnections = 3 },
		"address":  func(c *broker.Config) { c.MaxConnectionsPerIP = 3 },
		"override": func(c *broker.Config) { c.ConnectionsOverrides = map[string]int{"127.0.0.1": 3} },
	} {
		b := apitest.Start(t, apitest.Options{Config: set})
		var in []*apitest.Client
		for range 3 {
			c := b.Dial()
			c.Call(metadata())
			in = append(in, c)
		}
		b.Dial().Closed()
		_ = in[0].Conn.Close()
		if !apitest.Until(func() bool { return b.Server.Connections() == 2 }) {
			t.Fatalf("%s: %d connections", name, b.Server.Connections())
		}
		b.Dial().Call(metadata())
		in[1].Call(metadata())
	}
}

// TestSetLimits: a change counts for those who come after it, and closes nobody.
func TestSetLimits(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	first, second := b.Dial(), b.Dial()
	first.Call(metadata())
	second.Call(metadata())
	open := broker.DefaultConfig().Limits
	for name, l := range map[string]broker.Limits{
		"all":      {MaxConnections: 1, MaxConnectionsPerIP: open.MaxConnectionsPerIP},
		"address":  {MaxConnections: open.MaxConnections, MaxConnectionsPerIP: 1},
		"listener": {MaxConnections: open.MaxConnections, MaxConnectionsPerIP: 9, MaxPerListener: map[string]int{"plaintext": 2}},
		"override": {MaxConnections: open.MaxConnections, MaxConnectionsPerIP: 9, ConnectionsOverrides: map[string]int{"127.0.0.1": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b.Server.SetLimits(l)
			b.Dial().Closed()
			first.Call(metadata())
			second.Call(metadata())
			b.Server.SetLimits(open)
			b.Dial().Call(metadata())
		})
	}
}

// TestIdle: connections that do nothing, or stop within a frame, are closed; those
// that work are not.
func TestIdle(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) {
		c.MaxIdle, c.FirstFrame, c.Frame = 300*time.Millisecond, 100*time.Millisecond, 150*time.Millisecond
	}})
	busy := b.Dial()
	silent, half, slow := b.Dial(), b.Dial(), b.Dial()
	_, _ = half.Conn.Write([]byte{0, 0})
	slow.Call(metadata())
	go func() { // a byte now and then
		for _, x := range slow.Frame(metadata()) {
			if _, err := slow.Conn.Write([]byte{x}); err != nil {
				return
			}
			time.Sleep(30 * time.Millisecond)
		}
	}()
	start := time.Now()
	for time.Since(start) < time.Second {
		busy.Call(metadata())
		time.Sleep(50 * time.Millisecond)
	}
	silent.Closed()
	half.Closed()
	slow.Closed()
	busy.Call(metadata())
	if n := b.Server.Connections(); n != 1 {
		t.Errorf("%d connections are left", n)
	}
}

// TestStop: a stop lets requests in progress finish, answers them, ends waits, and
// keeps to its bound.
func TestStop(t *testing.T) {
	entered := make(chan struct{})
	var interrupted atomic.Bool
	b := apitest.Start(t, apitest.Options{
		Config: func(c *broker.Config) { c.Drain = time.Second },
		Routes: func(r *api.Routes) {
			r.Add(apitest.Row(protocol.KeyJoinGroup, func(ctx context.Context, _ *api.Request) (kmsg.Response, error) {
				close(entered)
				<-ctx.Done()
				interrupted.Store(true)
				return kmsg.NewPtrJoinGroupResponse(), nil
			}))
		},
	})
	topic := b.Topic("t", 1, nil)
	b.Log.Hold()
	idle, writing, waiting := b.Dial(), b.Dial(), b.Dial()
	idle.Call(metadata())
	req := produceReq(topic, 0, batch(1, 10))
	writing.Send(req)
	join := kmsg.NewPtrJoinGroupRequest()
	waiting.Send(join)
	<-entered
	if !apitest.Until(func() bool { return b.Log.Held() == 1 }) {
		t.Fatal("the batch did not come")
	}
	stopped := make(chan error, 1)
	start := time.Now()
	go func() { stopped <- b.Stop() }()
	idle.Closed()
	b.Log.Flush()
	if resp, _, err := writing.Receive(req); err != nil || api.FirstError(resp) != 0 {
		t.Errorf("a produce in progress: %v", err)
	}
	if _, _, err := waiting.Receive(join); err != nil || !interrupted.Load() {
		t.Errorf("a wait in progress: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if b.Server.Connections() != 0 {
		t.Errorf("%d connections are left", b.Server.Connections())
	}
}

// TestStopStuck: what cannot finish does not hold up a stop.
func TestStopStuck(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) { c.Drain = 300 * time.Millisecond }})
	topic := b.Topic("t", 1, nil)
	b.Log.Hold()
	c := b.Dial()
	c.Send(produceReq(topic, 0, batch(1, 10)))
	if !apitest.Until(func() bool { return b.Log.Held() == 1 }) {
		t.Fatal("the batch did not come")
	}
	start := time.Now()
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
	b.Log.Flush() // too late, and harmless
}

// TestListeners: each listener has its own advertised address.
func TestListeners(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) {
		c.Listeners = append(c.Listeners, broker.Listener{Name: "OUTSIDE", Address: "127.0.0.1:0"})
	}})
	b.Self.Listeners["OUTSIDE"] = leaders.Endpoint{Host: "outside.example", Port: 1234}
	for i, want := range []string{"127.0.0.1", "outside.example"} {
		c := apitest.Dial(t, b.Server.Addr(i).String())
		r := c.Call(metadata()).(*kmsg.MetadataResponse)
		if r.Brokers[0].Host != want {
			t.Errorf("listener %d: %+v", i, r.Brokers)
		}
	}
}

// TestConfigFaults: all faults are reported at once.
func TestConfigFaults(t *testing.T) {
	cfg := broker.Config{Listeners: []broker.Listener{{Name: "A"}, {Name: "A"}}}
	err := cfg.Validate()
	for _, want := range []string{"twice", "socket.request.max.bytes", "max.connections", "queued.max.request.bytes"} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	ok := broker.DefaultConfig()
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}
