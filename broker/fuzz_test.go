package broker_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/storage/buffer"
)

// FuzzFrames sends a broker whatever bytes: it answers or closes, never panics, and
// keeps no memory.
func FuzzFrames(f *testing.F) {
	b := apitest.Start(f, apitest.Options{Slots: 10})
	topic := b.Topic("t", 2, nil)
	b.Log.Discard = true
	c := &apitest.Client{T: f, ID: "fuzz"}
	f.Add(c.Frame(produceReq(topic, 0, batch(2, 10))))
	for _, spec := range b.Routes.Specs() {
		for v := spec.Min; v <= spec.Max; v++ {
			req := kmsg.RequestForKey(spec.Key)
			req.SetVersion(v)
			f.Add(c.Frame(req))
		}
	}
	f.Add(append(c.Frame(metadata()), c.Frame(latest("t"))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= 6 { // mostly within a frame, so that more than lengths is tried
			if n := binary.BigEndian.Uint32(data); n%4 != 0 {
				binary.BigEndian.PutUint32(data, uint32(len(data)-4))
			}
		}
		conn, err := net.Dial("tcp", b.Addr)
		if err != nil {
			t.Skip(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write(data)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the connection is still open")
			}
		}
		if panics(t, b) != 0 {
			t.Fatal("a handler panicked")
		}
		if !apitest.Until(func() bool { return buffer.InUse() == 0 }) {
			t.Fatalf("%d bytes of buffers are kept", buffer.InUse())
		}
	})
}

func panics(t testing.TB, b *apitest.Broker) float64 {
	families, err := b.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "streamhouse_request_panics_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no counter of panics")
	return 0
}
