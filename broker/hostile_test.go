package broker_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/storage/buffer"
)

// inUse is the memory in use: heap and stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// peak runs fn and returns how far memory rose above what it was before.
func peak(fn func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	base := inUse()
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, int64(m.HeapAlloc+m.StackInuse)-base)
			select {
			case <-stop:
				done <- most
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	fn()
	close(stop)
	return <-done
}

func raw(t testing.TB, b *apitest.Broker) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func lengthed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// TestIdleConnectionsAreCheap: an idle connection, before its first request and
// after a large one, costs less than 64 KiB.
func TestIdleConnectionsAreCheap(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Log.Discard = true
	const n = 2000
	var conns []net.Conn
	before := inUse()
	for range n {
		conns = append(conns, raw(t, b))
	}
	if !apitest.Until(func() bool { return b.Server.Connections() == n }) {
		t.Fatalf("%d connections", b.Server.Connections())
	}
	// The client's half is in this process too.
	if each := (inUse() - before) / n; each > 64<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	for _, conn := range conns[:n/2] {
		c := &apitest.Client{T: t, Conn: conn, ID: "x"}
		c.Call(produceReq(topic, 0, batch(1, 100_000)))
		c.Call(metadata())
	}
	if each := (inUse() - before) / n; each > 64<<10 {
		t.Errorf("an idle connection that was used costs %d bytes", each)
	}
	if held := buffer.InUse(); held != 0 {
		t.Errorf("idle connections hold %d bytes of buffers", held)
	}
}

// TestDeclaredLengths: CVE-2022-34917. A thousand connections that declare 100 MiB
// and send little of it, in several ways.
func TestDeclaredLengths(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, map[string]string{"max.message.bytes": "104857600", "segment.bytes": "1073741824"})
	head := binary.BigEndian.AppendUint32(nil, 100<<20)
	c := &apitest.Client{T: t, ID: "x"}
	produce := c.Frame(produceReq(topic, 0, batch(1, 10)))
	produce = append(head[:4:4], produce[4:]...)
	// The records field and the batch in it claim 99 MiB.
	at := bytes.Index(produce, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // base offset and the start of the length
	if at < 0 {
		t.Fatal("no batch in the frame")
	}
	lying := append([]byte(nil), produce[:at-1]...)
	lying = binary.AppendUvarint(lying, 99<<20+1)
	lying = append(lying, produce[at:at+61]...)
	binary.BigEndian.PutUint32(lying[len(lying)-61+8:], 99<<20-12)
	lying = append(lying, make([]byte, 200)...) // so that the header is whole
	metadata := append(head[:4:4], 0, 3, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0)
	metadata = append(metadata, make([]byte, 200)...)
	binary.BigEndian.PutUint32(metadata, 16<<20)
	for name, bytes := range map[string][]byte{
		"one byte": append(head[:4:4], 0), "length only": head, "a header": produce[:30], "a batch": lying, "metadata": metadata,
	} {
		var conns []net.Conn
		rise := peak(func() {
			for range 1000 {
				c := raw(t, b)
				if _, err := c.Write(bytes); err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
			}
			apitest.Until(func() bool { return b.Server.Connections() == 1000 })
			time.Sleep(50 * time.Millisecond)
		})
		if got := b.Server.Connections(); got != 1000 {
			t.Errorf("%s: %d of 1000 connections are open", name, got)
		}
		if rise > 64<<20 {
			t.Errorf("%s: memory rose by %.1f MiB", name, mib(rise))
		}
		taken := requestMemory(t, b)
		if (name == "a batch" || name == "metadata") != (taken > 0) {
			t.Errorf("%s: %.0f bytes of request memory are taken", name, taken)
		}
		t.Logf("%s: %.1f MiB, requests %.1f MiB", name, mib(rise), taken/(1<<20))
		for _, c := range conns {
			_ = c.Close()
		}
		apitest.Until(func() bool { return b.Server.Connections() == 0 })
	}
	b.Dial().Call(latest("t"))
}

// TestManyTags: CVE-2026-111115. A million tagged fields in header and body.
func TestManyTags(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	tags := func(n int, distinct bool) []byte {
		out := binary.AppendUvarint(nil, uint64(n))
		for i := range n {
			tag := uint64(5)
			if distinct {
				tag = uint64(i)
			}
			out = append(binary.AppendUvarint(out, tag), 0)
		}
		return out
	}
	header := func(key, version int16) []byte {
		out := binary.BigEndian.AppendUint16(nil, uint16(key))
		out = binary.BigEndian.AppendUint16(out, uint16(version))
		return append(out, 0, 0, 0, 1, 0, 1, 'x')
	}
	for _, distinct := range []bool{false, true} {
		for name, frame := range map[string][]byte{
			"header":      append(header(3, 9), tags(1_000_000, distinct)...),
			"produce":     append(header(0, 9), tags(1_000_000, distinct)...),
			"versions":    append(header(18, 3), tags(1_000_000, distinct)...),
			"body":        append(append(header(3, 9), 0, 1, 1, 0, 0), tags(1_000_000, distinct)...),
			"produce end": append(append(header(0, 9), 0, 0, 0xFF, 0xFF, 0, 0, 0, 9, 1), tags(1_000_000, distinct)...),
		} {
			c := apitest.Dial(t, b.Addr)
			frame = lengthed(frame)
			rise := peak(func() {
				_, _ = c.Conn.Write(frame)
				c.Closed()
			})
			if rise > 8<<20 {
				t.Errorf("%s, distinct %v: memory rose by %.1f MiB", name, distinct, mib(rise))
			}
		}
	}
}

// TestGarbage: bytes that are no requests close the connection, a line says so once,
// and a client beside them notices nothing.
func TestGarbage(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	b := apitest.Start(t, apitest.Options{Logger: zap.New(core), Config: func(c *broker.Config) {
		c.FirstFrame, c.Frame = 200*time.Millisecond, 200*time.Millisecond
	}})
	topic := b.Topic("t", 1, nil)
	stop := make(chan struct{})
	var beside sync.WaitGroup
	client := b.Dial()
	beside.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if r := client.Call(produceReq(topic, 0, batch(1, 100))); api.FirstError(r) != 0 {
				t.Errorf("a client beside: %v", api.FirstError(r))
			}
		}
	})
	r := rand.New(rand.NewPCG(1, 2))
	var all sync.WaitGroup
	for i := range 300 {
		var data []byte
		switch i % 6 {
		case 0: // noise
			data = make([]byte, 1+r.IntN(5000))
			for j := range data {
				data[j] = byte(r.Uint32())
			}
		case 1: // somebody else's protocol
			data = []byte("GET / HTTP/1.1\r\nHost: broker\r\n\r\n")
		case 2: // TLS
			data = []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3}
		case 3: // giant and negative lengths
			data = binary.BigEndian.AppendUint32(nil, []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 101 << 20}[r.IntN(4)])
		case 4: // half a request
			frame := (&apitest.Client{T: t, ID: "x"}).Frame(produceReq(topic, 0, batch(3, 1000)))
			data = frame[:r.IntN(len(frame)-1)+1]
		case 5: // a request with noise in its body
			data = (&apitest.Client{T: t, ID: "x"}).Frame(produceReq(topic, 0, batch(3, 1000)))
			for range 20 {
				data[20+r.IntN(len(data)-20)] = byte(r.Uint32())
			}
		}
		all.Go(func() {
			c, err := net.Dial("tcp", b.Addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			_, _ = c.Write(data)
			if i%2 == 0 {
				_ = c.(*net.TCPConn).CloseWrite()
			}
			valid := i%6 == 5 // perhaps: noise in a batch is only refused
			patience := 10 * time.Second
			if valid {
				patience = time.Second
			}
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() && !valid {
					t.Errorf("kind %d is still open", i%6)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	beside.Wait()
	client.Call(latest("t"))
	if n := logs.Len(); n == 0 || n > 10 {
		t.Errorf("%d lines in the log", n)
		for _, e := range logs.All() {
			t.Log(e.Message, e.ContextMap())
		}
	}
	if !apitest.Until(func() bool { return b.Server.Connections() == 1 && buffer.InUse() == 0 }) {
		t.Errorf("%d connections, %d bytes of buffers are left", b.Server.Connections(), buffer.InUse())
	}
}

// TestSlowReader: a client that asks and does not read costs a bounded amount, and
// is closed.
func TestSlowReader(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) { c.SendStall = 500 * time.Millisecond }})
	topic := b.Topic("t", 1, nil)
	for range 40 {
		c := b.Dial()
		if r := c.Call(produceReq(topic, 0, batch(1, 900_000))); api.FirstError(r) != 0 {
			t.Fatal(api.FirstError(r))
		}
		_ = c.Conn.Close()
	}
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.MaxBytes = 12, 50<<20
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic = "t"
	fp := kmsg.NewFetchRequestTopicPartition()
	fp.PartitionMaxBytes = 50 << 20
	ft.Partitions = append(ft.Partitions, fp)
	fetch.Topics = append(fetch.Topics, ft)
	fetch.SessionEpoch = -1
	many := make([]kmsg.MetadataRequestTopic, 0, 1)
	big := kmsg.NewPtrMetadataRequest()
	big.Version, big.Topics = 9, many
	b.Topic("wide", 10_000, nil)
	big.Topics = nil
	rise := peak(func() {
		for range 20 {
			for _, req := range []kmsg.Request{fetch, big} {
				c := b.Dial()
				_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
				frame := c.Frame(req)
				go func() {
					for range 1000 {
						if _, err := c.Conn.Write(frame); err != nil {
							return
						}
					}
				}()
			}
		}
		if !apitest.Until(func() bool { return b.Server.Connections() == 0 }) {
			t.Errorf("%d slow readers are still served", b.Server.Connections())
		}
	})
	// The records are the log's own; what the answers to Metadata take is ours.
	if rise > 64<<20 {
		t.Errorf("memory rose by %.1f MiB", mib(rise))
	}
}

// TestRequestMemory: many large requests at once share the budget, wait for one
// another, and all get their answer.
func TestRequestMemory(t *testing.T) {
	const budget = 4 << 20
	b := apitest.Start(t, apitest.Options{Config: func(c *broker.Config) { c.MaxQueuedBytes = budget }})
	topic := b.Topic("t", 1, nil)
	b.Log.Discard = true
	big := kmsg.NewPtrMetadataRequest()
	big.Version = 4
	name := string(bytes.Repeat([]byte{'a'}, 10_000)) // too long, and refused
	for range 200 {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		big.Topics = append(big.Topics, rt)
	}
	var all sync.WaitGroup
	most := 0.0
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				most = max(most, requestMemory(t, b))
			}
		}
	}()
	func() {
		for i := range 24 {
			c := b.Dial()
			all.Go(func() {
				for range 3 {
					req := kmsg.Request(big)
					if i%2 == 0 {
						req = produceReq(topic, 0, batch(1, 1_000_000))
					}
					frame := c.Frame(req)
					if _, err := c.Conn.Write(frame); err != nil {
						t.Error(err)
						return
					}
					if _, _, err := c.Receive(req); err != nil {
						t.Errorf("client %d: %v", i, err)
						return
					}
				}
			})
		}
		all.Wait()
	}()
	close(stop)
	<-watched
	if most > budget+8<<20 || most < budget/4 {
		t.Errorf("requests took %.1f MiB at most, the budget is %d MiB", most/(1<<20), budget>>20)
	}
	if !apitest.Until(func() bool { return requestMemory(t, b) == 0 }) {
		t.Errorf("%.0f bytes are not given back", requestMemory(t, b))
	}
}

// requestMemory reads the gauge of the budget.
func requestMemory(t testing.TB, b *apitest.Broker) float64 {
	return gauge(t, b, "streamhouse_request_memory_bytes")
}

func gauge(t testing.TB, b *apitest.Broker, name string) float64 {
	families, err := b.Registry.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Errorf("no gauge %s", name)
	return 0
}
