package chaos

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ours makes our broker with settings of a test; these tests look at our files.
func ours(t *testing.T, settings map[string]string) *peers.Broker {
	t.Helper()
	return peers.Prepare(t, peers.Options{Kind: peers.StreamHouse, Settings: settings})
}

func start(t *testing.T, b *peers.Broker) {
	t.Helper()
	if err := b.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
}

func kill(t *testing.T, b *peers.Broker) {
	t.Helper()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
}

// refused starts a broker that has to end by itself with an error, and returns what it
// printed.
func refused(t *testing.T, b *peers.Broker) string {
	t.Helper()
	if err := b.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(peers.Context(t, callBound)); err == nil {
		t.Fatal("the broker ended without an error")
	} else if !strings.Contains(err.Error(), "exit status") {
		t.Fatal(err)
	}
	return b.LogTail(4000)
}

func TestSecondInstanceIsRefusedAndNamesTheHolder(t *testing.T) {
	first := ours(t, nil)
	start(t, first)
	second := peers.Prepare(t, peers.Options{Kind: peers.StreamHouse, DataDir: first.Data()})
	if text := refused(t, second); !strings.Contains(text, fmt.Sprint(first.PID())) {
		t.Errorf("the refusal does not name process %d:\n%s", first.PID(), text)
	}
	p := newProbe(t, first)
	p.createTopic("t", 1)
	p.mustSend("t", []byte("the first goes on"))
}

// twoPacks leaves a journal whose last packs hold a record each, and says where the
// second one ends and what the records are.
func twoPacks(t *testing.T, b *peers.Broker) (volume string, first, second []byte) {
	t.Helper()
	start(t, b)
	p := newProbe(t, b)
	p.createTopic("t", 1)
	first, second = value("first", 0, 5000), value("second", 1, 5000)
	p.mustSend("t", first)
	p.mustSend("t", second)
	kill(t, b)
	return lastVolume(t, b), first, second
}

// find says where in a file some bytes lie.
func find(t *testing.T, path string, what []byte) int64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, what)
	if at < 0 {
		t.Fatalf("%s does not hold the record", path)
	}
	return int64(at)
}

func TestTornTailIsCutAndWritingGoesOn(t *testing.T) {
	b := ours(t, nil)
	volume, first, second := twoPacks(t, b)
	// As if the last write had stopped half way.
	if err := os.Truncate(volume, find(t, volume, second)+int64(len(second))/2); err != nil {
		t.Fatal(err)
	}
	start(t, b)
	p := newProbe(t, b)
	got, end, err := p.fetch("t", 0, 1<<20)
	if err != nil || end != 1 || !bytes.Contains(got, first) {
		t.Fatalf("partition ends at %d, error %v; the whole record before the torn one belongs there", end, err)
	}
	if offset := p.mustSend("t", []byte("next")); offset != 1 {
		t.Errorf("the next record got offset %d", offset)
	}
	if text := b.LogTail(8000); !strings.Contains(text, filepath.Base(volume)) {
		t.Errorf("the cut is not in the log:\n%s", text)
	}
}

func TestDamageInTheMiddleIsNamedAndRefused(t *testing.T) {
	b := ours(t, nil)
	volume, first, _ := twoPacks(t, b)
	f, err := os.OpenFile(volume, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := find(t, volume, first)
	// The pack's index lies before its batches: a byte of each must be noticed, the
	// record's only when it is read.
	if _, err := f.WriteAt([]byte{0xff, 0xff}, at-100); err != nil {
		t.Fatal(err)
	}
	text := refused(t, b)
	if !strings.Contains(text, filepath.Base(volume)) {
		t.Errorf("the refusal does not name %s:\n%s", filepath.Base(volume), text)
	}
}

// A record that was damaged on the disk is never served: the client gets an error.
func TestDamagedRecordIsNotServed(t *testing.T) {
	b := ours(t, nil)
	volume, first, _ := twoPacks(t, b)
	f, err := os.OpenFile(volume, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{^first[100]}, find(t, volume, first)+100); err != nil {
		t.Fatal(err)
	}
	if err := b.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(peers.Context(t, peers.StartTimeout)); err != nil {
		if !strings.Contains(err.Error(), filepath.Base(volume)) {
			t.Errorf("the refusal does not name the file: %v", err)
		}
		return // refusing at start is sound as well
	}
	got, _, err := newProbe(t, b).fetch("t", 0, 1<<20)
	if err == nil && len(got) > 0 {
		t.Errorf("%d bytes were served, whose record is damaged", len(got))
	}
}

// A start goes over the open journal once, not more: 1 GiB of it is there at once.
func TestStartWithAGibibyteInTheJournal(t *testing.T) {
	b := ours(t, map[string]string{"journal.volume.bytes": "2147483648", "seal.max.age.ms": "86400000"})
	start(t, b)
	p := newProbe(t, b)
	p.createTopic("t", 16)
	const requestBytes, total = 1 << 20, 1 << 30
	values := make([][]byte, 64)
	for i := range values {
		values[i] = value("bulk", int64(i), requestBytes/16/64)
	}
	batches := map[int32][]byte{}
	for number := range 16 {
		batches[int32(number)] = wire.Batch(time.Now().UnixMilli(), values...)
	}
	for sent := 0; sent < total; sent += requestBytes {
		resp := p.ask(wire.ProduceRequest("t", 30_000, batches)).(*kmsg.ProduceResponse)
		for _, part := range resp.Topics[0].Partitions {
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				t.Fatal(err)
			}
		}
	}
	kill(t, b)
	p.drop()
	began := time.Now()
	start(t, b)
	took, read := time.Since(began), readBytes(t, b)
	t.Logf("ready %v after a kill with 1 GiB in the open journal, %d KiB read", took.Round(time.Millisecond), read>>10)
	if read > total+total/4 {
		t.Errorf("%d MiB were read to start: the journal holds %d", read>>20, total>>20)
	}
	if bound := 15 * time.Second; took > bound { // 2 s are promised; a loaded machine gets more
		t.Errorf("ready only after %v", took)
	}
	if _, end, err := p.fetch("t", 0, 1<<20); err != nil || end != 64*total/requestBytes {
		t.Errorf("partition 0 ends at %d, error %v", end, err)
	}
}

// Loading a coordinator costs what its live keys cost, not what was ever committed: also
// when the broker is killed while the commits come as fast as it takes them.
func TestLoadingACoordinatorIsBoundedByLiveKeys(t *testing.T) {
	const commits, keys, connections = 5_000_000, 100, 8
	b := ours(t, nil)
	start(t, b)
	p := newProbe(t, b)
	p.createTopic("t", keys)
	findCoordinator(p) // makes __consumer_offsets
	burst := &commitBurst{t: t, addr: b.Addr(), keys: keys, enough: commits / keys, reached: make(chan struct{})}
	began := time.Now()
	group := burst.start(connections)
	select {
	case <-burst.reached:
	case <-time.After(2 * time.Minute):
		t.Errorf("%d commits in %v", burst.acked.Load()*keys, time.Since(began))
	}
	took := time.Since(began)
	kill(t, b) // in the middle of it
	group.Wait()
	acked, tried := burst.acked.Load(), burst.next.Load()
	t.Logf("%d commits in %v: %.0f/s", acked*keys, took.Round(time.Millisecond), float64(acked*keys)/took.Seconds())
	p.drop()
	start(t, b)
	checkOffsets(t, loadedOffsets(p), burst.floor(), tried, keys)
	loaded := metric(t, b, "streamhouse_coordinator_load_bytes_total")
	t.Logf("%.0f bytes of __consumer_offsets were read", loaded)
	if loaded >= 1<<20 || loaded <= 0 {
		t.Errorf("%.0f bytes of __consumer_offsets were read for %d keys", loaded, keys)
	}
}

// A stop in order leaves hardly anything to read.
func TestStopInOrderLeavesLittleToLoad(t *testing.T) {
	const keys = 100
	b := ours(t, nil)
	start(t, b)
	p := newProbe(t, b)
	p.createTopic("t", keys)
	findCoordinator(p)
	burst := &commitBurst{t: t, addr: b.Addr(), keys: keys, enough: 2000, reached: make(chan struct{})}
	group := burst.start(2)
	select {
	case <-burst.reached:
	case <-time.After(2 * time.Minute):
		t.Error("the commits take too long")
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	p.drop()
	start(t, b)
	checkOffsets(t, loadedOffsets(p), burst.floor(), burst.next.Load(), keys)
	loaded := metric(t, b, "streamhouse_coordinator_load_bytes_total")
	t.Logf("%.0f bytes of __consumer_offsets were read", loaded)
	// The live offsets, with all that surrounds them.
	if loaded > 64<<10 || loaded <= 0 {
		t.Errorf("%.0f bytes of __consumer_offsets were read for %d keys", loaded, keys)
	}
	if read := readBytes(t, b); read > 4<<20 {
		t.Errorf("%d KiB were read to start", read>>10)
	}
}

// commitBurst commits rising offsets for all partitions of t, over several connections,
// until the broker is gone.
type commitBurst struct {
	t       *testing.T
	addr    string
	keys    int
	enough  int64 // acknowledged requests, then reached is closed
	reached chan struct{}

	next  atomic.Int64 // offset that was tried last
	acked atomic.Int64 // requests
	mu    sync.Mutex
	last  []int64 // per connection: the offset that was acknowledged last
}

func (c *commitBurst) start(connections int) *sync.WaitGroup {
	c.last = make([]int64, connections)
	group := &sync.WaitGroup{}
	for i := range connections {
		group.Go(func() { c.run(i) })
	}
	return group
}

func (c *commitBurst) run(i int) {
	conn := &redial{addr: c.addr, name: "committer"}
	defer conn.drop()
	for {
		offset := c.next.Add(1)
		if commitAll(c.t, conn, offset, c.keys) != nil {
			return // killed, or stopping
		}
		c.mu.Lock()
		c.last[i] = offset
		c.mu.Unlock()
		if c.acked.Add(1) == c.enough {
			close(c.reached)
		}
	}
}

// floor is the offset below which no partition may be: connections overtake one another
// by one request each.
func (c *commitBurst) floor() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Min(c.last)
}

// loadedOffsets waits until the group's offsets are loaded.
func loadedOffsets(p *probe) *kmsg.OffsetFetchResponse {
	p.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 7, "g"
	for deadline := time.Now().Add(callBound); ; time.Sleep(5 * time.Millisecond) {
		resp := p.ask(req).(*kmsg.OffsetFetchResponse)
		if resp.ErrorCode == 0 {
			return resp
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the group's offsets are not there: %v", kerr.ErrorForCode(resp.ErrorCode))
		}
	}
}

// findCoordinator asks for the group's coordinator until there is one.
func findCoordinator(p *probe) {
	p.t.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorKey = 3, "g"
	for deadline := time.Now().Add(callBound); ; time.Sleep(5 * time.Millisecond) {
		err := kerr.ErrorForCode(p.ask(req).(*kmsg.FindCoordinatorResponse).ErrorCode)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal(err)
		}
	}
}

// checkOffsets looks for an offset of every partition, between what was acknowledged and
// what was tried.
func checkOffsets(t *testing.T, resp *kmsg.OffsetFetchResponse, from, to int64, keys int) {
	t.Helper()
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != keys {
		t.Fatalf("offsets of %d topics", len(resp.Topics))
	}
	for _, p := range resp.Topics[0].Partitions {
		if p.Offset < from || p.Offset > to {
			t.Errorf("partition %d: committed %d, want %d to %d", p.Partition, p.Offset, from, to)
		}
	}
}

// commitAll commits one offset for every partition of t.
func commitAll(t *testing.T, conn *redial, offset int64, keys int) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 8, "g", -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = "t"
	for number := range keys {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = int32(number), offset
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	for deadline := time.Now().Add(callBound); ; {
		resp, err := conn.call(t.Context(), req)
		if err != nil {
			return err
		}
		err = commitError(resp.(*kmsg.OffsetCommitResponse), nil, "t", 0)
		if err == nil || !kerr.IsRetriable(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond) // the coordinator is being loaded
	}
}
