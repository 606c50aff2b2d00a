// Package attacks does to the binary what hostile or broken clients may do with a few
// connections, all at once and in little memory, and then asks whether others are served.
package attacks

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

var only = flag.String("only", "", "an attack whose name begins like this, alone")

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

const (
	limitMiB = 400 // GOMEMLIMIT
	peakMiB  = 512 // resident, at any time
	restMiB  = 64  // resident, above the start, when all is over
	// attackTime is how long attacks go on, one and all together, once they have begun, for
	// which they have startTime.
	attackTime = time.Second
	startTime  = 30 * time.Second
	// restTime is how long the broker has to give memory back; a call for how soon is not made.
	restTime = 60 * time.Second
	patience = 30 * time.Second

	messageTooLarge = 10
	requestTimedOut = 7
)

// attackers are the connections of one attack.
type attackers struct {
	t    *testing.T
	addr string
	stop chan struct{}
	all  sync.WaitGroup
	sent *atomic.Int64 // requests, or parts of one, that went out
}

// each opens n connections, on each of which do is repeated until it fails or the attack is
// over. What becomes of an attacker is of no interest: it may be served or cut.
func (a *attackers) each(n int, do func(c *wire.Conn) error) {
	for range n {
		a.all.Go(func() {
			for {
				c, err := wire.Dial(a.addr, "attack", patience)
				if err != nil {
					return
				}
				a.hold(c, do)
				_ = c.Close()
				select {
				case <-a.stop:
					return
				case <-time.After(100 * time.Millisecond): // it is cut, and comes again
				}
			}
		})
	}
}

func (a *attackers) hold(c *wire.Conn, do func(c *wire.Conn) error) {
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		select {
		case <-a.stop:
			_ = c.Close()
		case <-gone:
		}
	}()
	for do(c) == nil {
		a.sent.Add(1)
	}
}

// wait blocks until the attack is over.
func (a *attackers) wait() error {
	<-a.stop
	return net.ErrClosed
}

// once does something and then holds the connection.
func (a *attackers) once(do func(c *wire.Conn) error) func(c *wire.Conn) error {
	return func(c *wire.Conn) error {
		if err := do(c); err != nil {
			return err
		}
		a.sent.Add(1)
		return a.wait()
	}
}

func send(req kmsg.Request) func(c *wire.Conn) error {
	return func(c *wire.Conn) error {
		_, err := c.Send(req)
		return err
	}
}

// attacks are what is done, by name.
var attacks = map[string]func(a *attackers){
	"long polls of 9 MiB": func(a *attackers) {
		req := fetch(0, -1, 1)
		req.MaxWaitMillis, req.MinBytes = 1<<31-1, 1
		req.UnknownTags.Set(99, make([]byte, 9<<20))
		a.each(8, a.once(send(req)))
	},
	"slow uploads": func(a *attackers) {
		head := binary.BigEndian.AppendUint32(nil, 15<<20)
		head = append(head, 0, 3, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0) // Metadata
		part := append(head, make([]byte, 1<<20)...)
		a.each(100, a.once(func(c *wire.Conn) error {
			_, err := c.Write(part)
			return err
		}))
	},
	"answers that multiply": func(a *attackers) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Version, req.IncludeDocumentation, req.IncludeSynonyms = 4, true, true
		for range 5000 {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
			req.Resources = append(req.Resources, r)
		}
		a.each(4, send(req))
		req = kmsg.NewPtrDescribeConfigsRequest()
		req.Version, req.IncludeDocumentation, req.IncludeSynonyms = 4, true, true
		for range 90 {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
			req.Resources = append(req.Resources, r)
		}
		a.each(20, send(req)) // and take nothing
	},
	"joins with large bodies": func(a *attackers) {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.ProtocolType = 6, "attack", "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 6000, 6000
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = "range", []byte("x")
		req.Protocols = append(req.Protocols, p)
		req.UnknownTags.Set(99, make([]byte, 9<<20))
		a.each(12, func(c *wire.Conn) error {
			resp, err := c.Call(req, patience)
			if err != nil {
				return err
			}
			again := *req
			again.MemberID = resp.(*kmsg.JoinGroupResponse).MemberID
			if _, err := c.Send(&again); err != nil {
				return err
			}
			a.sent.Add(1)
			return a.wait()
		})
	},
	"a produce of ten million partitions": func(a *attackers) {
		req := wire.ProduceRequest("t", 30_000, map[int32][]byte{0: nil})
		body := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
		head := body[4 : len(body)-9] // up to the number of partitions
		const n = 10_000_000
		frame := binary.AppendUvarint(append(binary.BigEndian.AppendUint32(nil, 0), head...), n+1)
		frame = append(frame, bytes.Repeat([]byte{0, 0, 0, 1, 0, 0}, n)...) // there is no partition 1
		frame = append(frame, 0, 0)
		binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
		a.each(2, func(c *wire.Conn) error {
			_, err := c.Write(frame)
			a.sent.Add(1)
			return err
		})
	},
	"a fetch session that grows": func(a *attackers) {
		a.each(2, func(c *wire.Conn) error {
			session := int32(0)
			for epoch := range int32(7) {
				resp, err := c.Call(fetch(session, epoch, 100_000), patience)
				if err != nil {
					return err
				}
				a.sent.Add(1)
				session = resp.(*kmsg.FetchResponse).SessionID
			}
			return a.wait()
		})
	},
	"zstd bombs": func(a *attackers) {
		var out bytes.Buffer
		enc, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			a.t.Fatal(err)
		}
		// A record of a gigabyte and a half, which is never held.
		const size = 3 << 29
		body := binary.AppendVarint([]byte{0, 0, 0, 1}, size)
		head := binary.AppendVarint(nil, int64(len(body)+size+1))
		_, _ = enc.Write(append(head, body...))
		zeros := make([]byte, 1<<20)
		for range size >> 20 {
			_, _ = enc.Write(zeros)
		}
		_, _ = enc.Write([]byte{0})
		if err := enc.Close(); err != nil {
			a.t.Fatal(err)
		}
		batch := wire.Compressed(4, 1, out.Bytes())
		req := wire.ProduceRequest("t", 5000, map[int32][]byte{0: batch})
		a.each(4, func(c *wire.Conn) error {
			resp, err := c.Call(req, patience)
			if err != nil {
				return err
			}
			if code := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; code != messageTooLarge && code != requestTimedOut {
				a.t.Errorf("a bomb is answered with %d", code)
			}
			return nil
		})
	},
}

// fetch asks for partitions of topic t from 0 on, of which one exists.
func fetch(session, epoch, n int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch, req.MaxBytes = 12, session, epoch, 1<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = "t"
	for p := range n {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.PartitionMaxBytes = p+max(epoch, 0)*n, 1<<20
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// TestAttacks: while all of it goes on and after it, the broker stays within its memory,
// answers a new client and acknowledges its records; then it gives the memory back.
func TestAttacks(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Env: []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", limitMiB)}})
	served(t, b.Addr())
	start := b.MemoryMiB(t, peers.Resident)
	names := slices.Sorted(maps.Keys(attacks))
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, *only) })
	for _, name := range names {
		wave(t, b.Addr(), name)
	}
	wave(t, b.Addr(), names...)
	served(t, b.Addr())
	peak := b.MemoryMiB(t, peers.ResidentMost)
	now := 0
	for end := time.Now().Add(restTime); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if now = b.MemoryMiB(t, peers.Resident); now <= start+restMiB {
			break
		}
	}
	t.Logf("resident: %d MiB at the start, %d at most, %d afterwards", start, peak, now)
	if peak > peakMiB {
		t.Errorf("%d MiB at most, under a limit of %d", peak, limitMiB)
	}
	if now > start+restMiB {
		t.Errorf("%d MiB a minute later, %d at the start", now, start)
	}
	served(t, b.Addr())
}

// wave makes some attacks at the same time. One alone must do something; of several some
// may keep others from being heard.
func wave(t *testing.T, addr string, names ...string) {
	stop := make(chan struct{})
	var running []*attackers
	for _, name := range names {
		a := &attackers{t: t, addr: addr, stop: stop, sent: new(atomic.Int64)}
		running = append(running, a)
		attacks[name](a)
	}
	if len(running) == 1 {
		for end := time.Now().Add(startTime); running[0].sent.Load() == 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s: did nothing", names[0])
				break
			}
		}
	}
	time.Sleep(attackTime)
	served(t, addr)
	close(stop)
	for _, a := range running {
		a.all.Wait()
	}
}

// served fails the test unless a new client gets its metadata and an acknowledgement.
func served(t *testing.T, addr string) {
	t.Helper()
	c, err := wire.Dial(addr, "good", patience)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	meta := kmsg.NewPtrMetadataRequest()
	meta.Version, meta.AllowAutoTopicCreation = 9, true
	rt := kmsg.NewMetadataRequestTopic()
	name := "t"
	rt.Topic = &name
	meta.Topics = append(meta.Topics, rt)
	resp, err := c.Call(meta, patience)
	if err != nil {
		t.Fatalf("metadata: %v", err)
	}
	if m := resp.(*kmsg.MetadataResponse); len(m.Topics) != 1 {
		t.Fatalf("%+v", m)
	}
	batch := wire.Batch(time.Now().UnixMilli(), bytes.Repeat([]byte{1}, 1000))
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		resp, err = c.Call(wire.ProduceRequest("t", 20_000, map[int32][]byte{0: batch}), patience)
		if err != nil {
			t.Fatalf("produce: %v", err)
		}
		code := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
		if code == 0 {
			return
		}
		if code != 3 || time.Now().After(end) { // the topic is being made
			t.Fatalf("produce: %d", code)
		}
	}
}
