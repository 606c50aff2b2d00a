package fetch_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/broker/api/fetch"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
)

// step goes on with the session: parts changed, others are as before.
func (f *fetcher) step(t *testing.T, parts []at, forget []at) map[string]kmsg.FetchResponseTopicPartition {
	t.Helper()
	resp := f.Call(f.request(parts, forget)).(*kmsg.FetchResponse)
	if resp.ErrorCode != 0 {
		t.Fatalf("session: %v", protocol.Code(resp.ErrorCode))
	}
	f.session = resp.SessionID
	if f.epoch++; f.epoch < 0 {
		f.epoch = 1
	}
	out := map[string]kmsg.FetchResponseTopicPartition{}
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			out[fmt.Sprint(topic.Topic, topic.TopicID[0], "-", p.Partition)] = p
		}
	}
	return out
}

func names(m map[string]kmsg.FetchResponseTopicPartition) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// TestSession walks one session through its life.
func TestSession(t *testing.T) {
	for _, version := range []int16{7, 12, 13, 18} {
		b := apitest.Start(t, apitest.Options{Slots: 10})
		topic := b.Topic("t", 5, nil)
		key := func(p int) string {
			if version >= 13 {
				return fmt.Sprint("", topic.ID[0], "-", p)
			}
			return fmt.Sprint("t", 0, "-", p)
		}
		f := newFetcher(b, version)
		f.epoch = 0
		got := f.step(t, []at{{topic, 0, 0}, {topic, 1, 0}, {topic, 2, 0}}, nil)
		if len(got) != 3 || f.session == 0 {
			t.Fatalf("v%d: full: %v, session %d", version, names(got), f.session)
		}
		if got = f.step(t, nil, nil); len(got) != 0 {
			t.Fatalf("v%d: nothing is new: %v", version, names(got))
		}
		b.Produce(topic, 1, apitest.Batch(1, 10))
		if got = f.step(t, nil, nil); len(got) != 1 || len(got[key(1)].RecordBatches) == 0 {
			t.Fatalf("v%d: partition 1 has records: %v", version, names(got))
		}
		// Who does not move on gets the same again, as in Kafka.
		if got = f.step(t, nil, nil); len(got[key(1)].RecordBatches) == 0 {
			t.Fatalf("v%d: again: %v", version, names(got))
		}
		if got = f.step(t, []at{{topic, 1, 1}}, nil); len(got) != 0 {
			t.Fatalf("v%d: read to its end: %v", version, names(got))
		}
		// A new partition is shown once, a forgotten one never.
		if got = f.step(t, []at{{topic, 3, 0}}, []at{{topic, 1, 0}}); len(got) != 1 || got[key(3)].HighWatermark != 0 {
			t.Fatalf("v%d: partition 3 is new: %v", version, names(got))
		}
		b.Produce(topic, 1, apitest.Batch(1, 10))
		if got = f.step(t, nil, nil); len(got) != 0 {
			t.Fatalf("v%d: partition 1 is forgotten: %v", version, names(got))
		}
		// A wait in a session ends when one of its partitions advances.
		f.wait = 20_000
		f.Send(f.request(nil, nil))
		time.Sleep(10 * time.Millisecond)
		b.Produce(topic, 1, apitest.Batch(1, 10))
		b.Produce(topic, 3, apitest.Batch(1, 10))
		resp, _, err := f.Receive(f.request(nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		if parts := flatParts(resp.(*kmsg.FetchResponse)); len(parts) != 1 || parts[0].Partition != 3 {
			t.Fatalf("v%d: after the wait: %+v", version, parts)
		}
		f.epoch++
		// An error is told every time.
		f.wait = 0
		for range 2 {
			if got = f.step(t, []at{{topic, 3, 99}}, nil); got[key(3)].ErrorCode != int16(protocol.OffsetOutOfRange) {
				t.Fatalf("v%d: out of range: %v", version, names(got))
			}
		}
		if got = f.step(t, []at{{topic, 3, 1}}, nil); len(got) != 1 || got[key(3)].HighWatermark != 1 {
			t.Fatalf("v%d: after an error the watermark is told again: %v", version, names(got))
		}
		// An emptied session ends.
		f.step(t, nil, []at{{topic, 0, 0}, {topic, 2, 0}, {topic, 3, 0}})
		if f.session != 0 || b.Sessions.Len() != 0 {
			t.Fatalf("v%d: session %d of %d after all was forgotten", version, f.session, b.Sessions.Len())
		}
		if !apitest.Until(func() bool { return b.Log.Watchers() == 0 }) {
			t.Fatalf("v%d: %d watchers are left", version, b.Log.Watchers())
		}
	}
}

// TestSessionErrors: unknown sessions, wrong epochs, and ids mixed with names.
func TestSessionErrors(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Slots: 10})
	topic := b.Topic("t", 2, nil)
	f := newFetcher(b, 12)
	code := func(version int16, session, epoch int32) protocol.Code {
		req := f.request(nil, nil)
		req.Version, req.SessionID, req.SessionEpoch = version, session, epoch
		resp := f.Call(req).(*kmsg.FetchResponse)
		if resp.ErrorCode != 0 && len(resp.Topics) != 0 {
			t.Errorf("an error with topics: %+v", resp)
		}
		return protocol.Code(resp.ErrorCode)
	}
	f.epoch = 0
	f.step(t, []at{{topic, 0, 0}}, nil)
	if c := code(12, f.session+1, 1); c != protocol.FetchSessionIDNotFound {
		t.Errorf("unknown session: %v", c)
	}
	for _, epoch := range []int32{2, 7, -5} {
		if c := code(12, f.session, epoch); c != protocol.InvalidFetchSessionEpoch {
			t.Errorf("epoch %d: %v", epoch, c)
		}
	}
	if c := code(13, f.session, 1); c != protocol.FetchSessionTopicIDError {
		t.Errorf("ids in a session of names: %v", c)
	}
	if c := code(12, f.session, 1); c != protocol.None {
		t.Errorf("errors moved the epoch on: %v", c)
	}
	// Closing gives the data and ends the session; so does beginning anew.
	b.Produce(topic, 0, apitest.Batch(1, 10))
	f.epoch = -1
	resp := f.fetch(at{topic, 0, 0})
	if p := flatParts(resp); len(p) != 1 || len(p[0].RecordBatches) == 0 || resp.SessionID != 0 || b.Sessions.Len() != 0 {
		t.Errorf("closing: %+v, %d sessions", resp, b.Sessions.Len())
	}
	f.epoch = 0
	old := f.session
	if resp = f.fetch(at{topic, 0, 0}); resp.SessionID == 0 || resp.SessionID == old || b.Sessions.Len() != 1 {
		t.Errorf("an unknown session with epoch 0 opens a new one: %+v", resp)
	}
	f.session = resp.SessionID
	if resp = f.fetch(at{topic, 0, 0}); resp.SessionID == f.session || b.Sessions.Len() != 1 {
		t.Errorf("a known one with epoch 0 is replaced: %d sessions", b.Sessions.Len())
	}
}

// TestSessionUnknownTopic: an unknown topic is told each time and does not end waits;
// when it appears it is read.
func TestSessionUnknownTopic(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Slots: 10})
	topic := b.Topic("t", 1, nil)
	later := &catalog.Topic{}
	later.Name = "later"
	f := newFetcher(b, 12)
	f.epoch = 0
	f.step(t, []at{{topic, 0, 0}, {later, 0, 0}}, nil)
	f.wait = 100
	start := time.Now()
	got := f.step(t, nil, nil)
	if p := got["later0-0"]; len(got) != 1 || p.ErrorCode != int16(protocol.UnknownTopicOrPartition) {
		t.Fatalf("%v", got)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Fatalf("the wait ended after %v", took)
	}
	b.Produce(b.Topic("later", 1, nil), 0, apitest.Batch(1, 10))
	f.wait = 20_000
	if got = f.step(t, nil, nil); len(got["later0-0"].RecordBatches) == 0 {
		t.Fatalf("%v", got)
	}
}

// TestSessionRotates: a limit that one partition fills does not starve the others.
func TestSessionRotates(t *testing.T) {
	b := apitest.Start(t, apitest.Options{Slots: 10})
	topic := b.Topic("t", 4, nil)
	var parts []at
	for p := range int32(4) {
		for range 20 {
			b.Produce(topic, p, apitest.Batch(1, 1000))
		}
		parts = append(parts, at{topic, p, 0})
	}
	f := newFetcher(b, 12)
	f.epoch, f.max = 0, 1500
	offsets := map[int32]int64{}
	update := parts
	for range 40 {
		got := f.step(t, update, nil)
		update = nil
		for _, p := range got {
			if len(p.RecordBatches) > 0 {
				offsets[p.Partition]++
				update = append(update, at{topic, p.Partition, offsets[p.Partition]})
			}
		}
	}
	for p := range int32(4) {
		if offsets[p] < 5 {
			t.Errorf("partition %d got %d of 40 batches: %v", p, offsets[p], offsets)
		}
	}
}

// TestSessionSlots: who gets a slot when all are taken.
func TestSessionSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := fetch.NewSessions(2, 1<<20)
		log, topics := apitest.NewLog(), directory{}
		h := &fetch.Handlers{Topics: topics, Log: log, Leaders: leaders.NewSingle(&leaders.Node{}, 0), Sessions: cache, MaxBytes: 1 << 20, MaxMemory: 1 << 20, Now: time.Now}
		ask := func(session, epoch int32, partitions int32) int32 {
			req := kmsg.NewPtrFetchRequest()
			req.Version, req.SessionID, req.SessionEpoch = 12, session, epoch
			rt := kmsg.NewFetchRequestTopic()
			rt.Topic = "t"
			for p := range partitions {
				rp := kmsg.NewFetchRequestTopicPartition()
				rp.Partition = p
				rt.Partitions = append(rt.Partitions, rp)
			}
			if partitions > 0 {
				req.Topics = append(req.Topics, rt)
			}
			f, _, err := h.Fetch(context.Background(), &api.Request{Key: 1, Version: 12, Body: req, Conn: &api.ConnInfo{}})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Release()
			resp := kmsg.NewPtrFetchResponse()
			resp.Version = 12
			if err := resp.ReadFrom(f.Meta[9:]); err != nil {
				t.Fatal(err)
			}
			return resp.SessionID
		}
		first, second := ask(0, 0, 3), ask(0, 0, 5)
		if first == 0 || second == 0 || ask(0, 0, 9) != 0 {
			t.Fatal("two slots, and no eviction of young sessions")
		}
		time.Sleep(sessionAge / 2)
		ask(first, 1, 0)
		ask(second, 1, 0)
		time.Sleep(sessionAge/2 + time.Second)
		// Both are old now, neither is unused: the smaller makes way for a larger one.
		if ask(0, 0, 2) != 0 || ask(0, 0, 3) != 0 {
			t.Fatal("a session made way for one that is not larger")
		}
		third := ask(0, 0, 4)
		if third == 0 || ask(second, 2, 0) != second {
			t.Fatalf("the smaller old session should make way: %d", third)
		}
		time.Sleep(sessionAge + time.Second)
		// Both are unused: even a small one gets a slot.
		if ask(0, 0, 1) == 0 || cache.Len() != 2 {
			t.Fatalf("an unused session should make way; %d sessions", cache.Len())
		}
		if log.Watchers() != 2 {
			t.Fatalf("%d watchers for 2 sessions", log.Watchers())
		}
	})
}

const sessionAge = 2 * time.Minute

// directory has one topic, t, of 10 partitions.
type directory struct{}

var onlyTopic = func() *catalog.Topic {
	t := &catalog.Topic{}
	t.Name, t.ID, t.Partitions = "t", [16]byte{7}, 10
	return t
}()

func (directory) ByName(name string) *catalog.Topic {
	if name == "t" {
		return onlyTopic
	}
	return nil
}

func (directory) ByID(id [16]byte) *catalog.Topic { return onlyTopic }

// fetchTen makes a request of partitions from to from+n of topic t, of which ten exist.
func fetchTen(session, epoch, from, n int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = 12, session, epoch
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = "t"
	for p := range n {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition = from + p
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// TestSessionsAreBounded: a session does not grow past what all may have, and what is
// read without one counts too: such a request gets its answer at once, and does not wait.
// Sessions end with the connection that used them last.
func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := apitest.NewLog()
		h := &fetch.Handlers{Topics: directory{}, Log: log, Leaders: leaders.NewSingle(&leaders.Node{}, 0), Sessions: fetch.NewSessions(10, 100<<10), MaxBytes: 1 << 20, MaxMemory: 1 << 20, Now: time.Now}
		table := &api.Routes{}
		routes.Fill(table, &routes.Handlers{Fetch: h})
		conn := &api.ConnInfo{ID: 7}
		ask := func(req *kmsg.FetchRequest) *kmsg.FetchResponse {
			f, _, err := h.Fetch(context.Background(), &api.Request{Key: 1, Version: 12, Body: req, Conn: conn})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Release()
			resp := kmsg.NewPtrFetchResponse()
			resp.Version = 12
			if err := resp.ReadFrom(f.Meta[9:]); err != nil {
				t.Fatal(err)
			}
			return resp
		}
		id := ask(fetchTen(0, 0, 0, 60)).SessionID
		if id == 0 {
			t.Fatal("no session for 60 of 100 partitions")
		}
		if r := ask(fetchTen(id, 1, 30, 60)); r.ErrorCode != 0 || r.SessionID != id {
			t.Fatalf("a session cannot grow to 90 of 100: %d", r.ErrorCode)
		}
		if r := ask(fetchTen(id, 2, 90, 60)); protocol.Code(r.ErrorCode) != protocol.FetchSessionIDNotFound {
			t.Fatalf("a session grew to 150 of 100: %d", r.ErrorCode)
		}
		if n := h.Sessions.Len(); n != 0 || log.Watchers() != 0 {
			t.Fatalf("%d sessions, %d watchers", n, log.Watchers())
		}
		start := time.Now()
		wait := fetchTen(0, -1, 0, 150)
		wait.MaxWaitMillis, wait.MinBytes = 60_000, 1
		if r := ask(wait); time.Since(start) != 0 || len(r.Topics[0].Partitions) != 150 {
			t.Errorf("150 of 100 partitions were waited for, for %v", time.Since(start))
		}
		wait = fetchTen(0, -1, 0, 5)
		wait.MaxWaitMillis, wait.MinBytes = 1<<31-1, 1
		if ask(wait); time.Since(start) != time.Minute {
			t.Errorf("waited for %v", time.Since(start))
		}
		if ask(fetchTen(0, 0, 0, 100)).SessionID == 0 {
			t.Fatal("not all room was given back")
		}
		table.Left(&api.ConnInfo{ID: 8})
		if h.Sessions.Len() != 1 {
			t.Error("a session ended with another's connection")
		}
		table.Left(conn)
		if n := h.Sessions.Len(); n != 0 || log.Watchers() != 0 {
			t.Errorf("%d sessions, %d watchers of a connection that ended", n, log.Watchers())
		}
		if ask(fetchTen(0, 0, 0, 100)).SessionID == 0 {
			t.Error("not all room was given back")
		}
	})
}
