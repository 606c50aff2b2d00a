// Package admin tests from outside what administrators do to a running broker: a
// setting acts at once, is there after a restart, and what is reported is what there is.
package admin

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

var kind = flag.String("broker", "streamhouse", "streamhouse or kafka: who is tested")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// patience bounds one request, and how long what was changed may take to act in Kafka,
// whose brokers learn it from their controller.
const patience = 20 * time.Second

type house struct {
	*peers.Broker
	t    *testing.T
	conn *wire.Conn
}

// start starts a broker with the settings.
func start(t *testing.T, settings ...map[string]string) *house {
	all := map[string]string{}
	for _, s := range settings {
		maps.Copy(all, s)
	}
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*kind), Settings: all})
	h := &house{Broker: b, t: t}
	t.Cleanup(h.hangUp)
	return h
}

func (h *house) hangUp() {
	if h.conn != nil {
		_ = h.conn.Close() // nothing is on its way
		h.conn = nil
	}
}

// restart stops the broker in order and starts it again.
func (h *house) restart() {
	h.t.Helper()
	h.hangUp()
	if err := h.Stop(); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Start(peers.Context(h.t, peers.StartTimeout)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) call(version int16, req kmsg.Request) kmsg.Response {
	h.t.Helper()
	if h.conn == nil {
		conn, err := wire.Dial(h.Addr(), "admin", patience)
		if err != nil {
			h.t.Fatal(err)
		}
		h.conn = conn
	}
	req.SetVersion(version)
	resp, err := h.conn.Call(req, patience)
	if err != nil {
		h.t.Fatalf("%T: %v", req, err)
	}
	return resp
}

func (h *house) create(topic string) {
	h.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, 1, 1
	req.Topics = append(req.Topics, t)
	if got := h.call(7, req).(*kmsg.CreateTopicsResponse).Topics[0]; got.ErrorCode != 0 {
		h.t.Fatal(protocol.Code(got.ErrorCode))
	}
}

// produce sends one record of n bytes.
func (h *house) produce(topic string, n int) (code protocol.Code, batchBytes int) {
	h.t.Helper()
	batch := wire.Batch(time.Now().UnixMilli(), make([]byte, n))
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10000
	t := kmsg.NewProduceRequestTopic()
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batch
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	got := h.call(9, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return protocol.Code(got.ErrorCode), len(batch)
}

// expect asks again until a record of n bytes gets this answer.
func (h *house) expect(topic string, n int, want protocol.Code) {
	h.t.Helper()
	var got protocol.Code
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got, _ = h.produce(topic, n); got == want {
			return
		}
		if *kind == string(peers.StreamHouse) {
			break // here a change acts before it is answered
		}
	}
	h.t.Fatalf("a record of %d bytes: %v, want %v", n, got, want)
}

// set changes settings of the broker ("1") or of all brokers (""); nil removes one.
func (h *house) set(name string, values map[string]*string) {
	h.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, name
	for key, v := range values {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = key, v
		if v == nil {
			c.Op = kmsg.IncrementalAlterConfigOpDelete
		}
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	if got := h.call(1, req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]; got.ErrorCode != 0 {
		h.t.Fatalf("%v: %v %s", values, protocol.Code(got.ErrorCode), *got.ErrorMessage)
	}
}

// shown is a setting of the broker with all the places it could come from.
func (h *house) shown(key string) string {
	h.t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeBroker, "1", []string{key}
	req.Resources = append(req.Resources, r)
	got := h.call(4, req).(*kmsg.DescribeConfigsResponse).Resources[0]
	if got.ErrorCode != 0 || len(got.Configs) != 1 {
		h.t.Fatalf("%+v", got)
	}
	out := *got.Configs[0].Value
	for _, s := range got.Configs[0].ConfigSynonyms {
		out += fmt.Sprintf(" %s:%s=%s", s.Source, s.Name, *s.Value)
	}
	return out
}

func text(s string) *string { return &s }

// A broker's own setting goes before that of all brokers, each acts on the next request,
// and both are there after a restart.
func TestSettingsActAndStay(t *testing.T) {
	h := start(t)
	h.create("t")
	const all, own = "message.max.bytes", "message.max.bytes"
	h.expect("t", 5000, protocol.None)
	h.set("", map[string]*string{all: text("2000")})
	h.expect("t", 5000, protocol.MessageTooLarge)
	h.set("1", map[string]*string{own: text("100000")})
	h.expect("t", 5000, protocol.None)
	const want = "100000 DYNAMIC_BROKER_CONFIG:message.max.bytes=100000 DYNAMIC_DEFAULT_BROKER_CONFIG:message.max.bytes=2000 DEFAULT_CONFIG:message.max.bytes=1048588"
	if got := h.shown(own); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	h.restart()
	if got := h.shown(own); got != want {
		t.Errorf("after a restart: %s", got)
	}
	h.expect("t", 5000, protocol.None)
	h.expect("t", 200000, protocol.MessageTooLarge)
	h.set("1", map[string]*string{own: nil})
	h.expect("t", 5000, protocol.MessageTooLarge)
	h.set("", map[string]*string{all: nil})
	h.expect("t", 200000, protocol.None)
}

// Limits of connections act on who comes next, and after a restart.
func TestConnectionLimitsAct(t *testing.T) {
	if *kind != string(peers.StreamHouse) {
		t.Skip("Kafka's own connections count too")
	}
	for name, value := range map[string]string{
		"max.connections": "2", "max.connections.per.ip": "2", "max.connections.per.ip.overrides": "127.0.0.1:2",
		"listener.name.plaintext.max.connections": "2",
	} {
		t.Run(name, func(t *testing.T) { limitActs(t, name, value) })
	}
}

// metadataOver asks over a connection of its own.
func (h *house) metadataOver(client string) (*wire.Conn, error) {
	conn, err := wire.Dial(h.Addr(), client, patience)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Call(kmsg.NewPtrMetadataRequest(), patience); err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return conn, nil
}

func limitActs(t *testing.T, name, value string) {
	h := start(t)
	h.set("1", map[string]*string{name: text(value)})
	refused := func() {
		t.Helper()
		extra, err := wire.Dial(h.Addr(), "extra", patience)
		if err == nil {
			defer extra.Close()
			_, err = extra.Call(kmsg.NewPtrMetadataRequest(), patience)
		}
		if !closed(err) {
			t.Errorf("a third connection: %v", err)
		}
	}
	second := func() *wire.Conn {
		t.Helper()
		// The connection that found the broker started may not have left yet.
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			h.hangUp()
			first, err := h.metadataOver("first")
			if err == nil {
				h.conn = first
				var second *wire.Conn
				second, err = h.metadataOver("second")
				if err == nil {
					return second
				}
			}
			if !closed(err) || time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	c := second()
	refused()
	_ = c.Close() // before the restart, so that it does not wait for it
	h.restart()
	c = second()
	defer c.Close()
	refused()
	h.set("1", map[string]*string{name: nil})
	third, err := wire.Dial(h.Addr(), "third", patience)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if _, err := third.Call(kmsg.NewPtrMetadataRequest(), patience); err != nil {
		t.Error(err)
	}
}

// size is what DescribeLogDirs says of a topic's partition 0, and of the volume.
func (h *house) size(topic string) (bytes, total, usable int64) {
	h.t.Helper()
	got := h.call(5, kmsg.NewPtrDescribeLogDirsRequest()).(*kmsg.DescribeLogDirsResponse)
	if len(got.Dirs) != 1 || got.Dirs[0].ErrorCode != 0 {
		h.t.Fatalf("%+v", got)
	}
	dir := got.Dirs[0]
	if dir.Dir != h.Data() {
		h.t.Errorf("log dir %s, want %s", dir.Dir, h.Data())
	}
	for _, t := range dir.Topics {
		if t.Topic == topic {
			return t.Partitions[0].Size, dir.TotalBytes, dir.UsableBytes
		}
	}
	return -1, dir.TotalBytes, dir.UsableBytes
}

// The size of a partition is that of its batches, in the journal as in sealed segments.
func TestLogDirSizes(t *testing.T) {
	h := start(t)
	h.create("t")
	want := int64(0)
	check := func(when string) {
		t.Helper()
		size, total, usable := h.size("t")
		for end := time.Now().Add(patience); size < 0 && *kind == string(peers.Kafka) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			size, total, usable = h.size("t") // Kafka makes the log after it has answered
		}
		if size != want {
			t.Errorf("%s: %d bytes, want %d", when, size, want)
		}
		if total <= 0 || usable <= 0 || usable > total {
			t.Errorf("%s: %d of %d bytes usable", when, usable, total)
		}
	}
	write := func() {
		t.Helper()
		for n := range 20 {
			code, bytes := h.produce("t", 1000*n+1)
			if code != protocol.None {
				t.Fatal(code)
			}
			want += int64(bytes)
		}
	}
	check("empty")
	write()
	check("written")
	h.restart() // ours seals when it stops
	check("after a restart")
	write()
	check("written again")
}
