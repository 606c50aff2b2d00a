package groups_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/groups"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// groupLog is a log in memory for the coordinator: what is appended is durable at
// once, or fails.
type groupLog struct {
	mu   sync.Mutex
	fail error
	away error // of every partition
}

func (l *groupLog) Open(context.Context, pack.PartitionID, int32) (coordinator.Partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != nil {
		return nil, l.away
	}
	return &groupPartition{log: l}, nil
}

type groupPartition struct {
	log  *groupLog
	next int64
}

func (p *groupPartition) Close()             {}
func (p *groupPartition) Bounds() log.Bounds { return log.Bounds{} }

func (p *groupPartition) TransactionGuard(int64, int16) (bool, log.Guard, error) {
	return false, 0, nil
}

func (p *groupPartition) Append(_ context.Context, t *log.Ticket, b log.Batch) {
	p.log.mu.Lock()
	err := p.log.fail
	p.log.mu.Unlock()
	base := p.next
	record.SetOffset(b.Bytes, base, 0)
	p.next += int64(b.Header.Records)
	b.Buf.Release()
	t.Finish(0, log.Result{Err: err, BaseOffset: base})
}

func (p *groupPartition) Read(context.Context, log.ReadRequest) (log.ReadResult, error) {
	return log.ReadResult{}, nil
}

// groupTopics is the catalog as the coordinator sees it: topic "t" with 4 partitions
// and "u" with one.
type groupTopics struct {
	mu       sync.Mutex
	internal bool
}

var (
	topicT = testTopic(1, "t", 4)
	topicU = testTopic(2, "u", 1)
)

func testTopic(id byte, name string, partitions int32) *api.Topic {
	return &api.Topic{Topic: metadata.Topic{ID: pack.TopicID{id}, Name: name, Partitions: partitions}}
}

// groupDirectory is the catalog as handlers see it.
type groupDirectory struct{}

func (groupDirectory) ByName(name string) *api.Topic {
	for _, t := range []*api.Topic{topicT, topicU} {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (groupDirectory) ByID(id pack.TopicID) *api.Topic {
	for _, t := range []*api.Topic{topicT, topicU} {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (g *groupTopics) ByName(name string) (coordinator.Topic, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if name == coordinator.TopicName && g.internal {
		return coordinator.Topic{ID: pack.TopicID{9}, Name: name, Partitions: 50}, true
	}
	if t := (groupDirectory{}).ByName(name); t != nil {
		return coordinator.Topic{ID: t.ID, Name: name, Partitions: t.Partitions}, true
	}
	return coordinator.Topic{}, false
}

func (g *groupTopics) EnsureInternal(_ context.Context, name string) (coordinator.Topic, error) {
	g.mu.Lock()
	g.internal = true
	g.mu.Unlock()
	t, _ := g.ByName(name)
	return t, nil
}

func (g *groupTopics) LeaderEpoch(pack.PartitionID) (int32, bool) { return 0, true }

// groupHouse answers group requests.
type groupHouse struct {
	*groups.Handlers
	t   *testing.T
	log *groupLog
}

// withGroups runs a test in simulated time with a coordinator; found says whether it
// has found its topic already.
func withGroups(t *testing.T, found bool, test func(h *groupHouse)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := coordinator.DefaultOptions()
		topics := &groupTopics{internal: found}
		l := &groupLog{}
		c := coordinator.New(opts, topics, l, nil)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		defer running.Wait()
		defer cancel()
		synctest.Wait()
		n := 0
		test(&groupHouse{t: t, log: l, Handlers: &groups.Handlers{
			Coordinator: c, Topics: groupDirectory{}, Transactions: &joins{}, Verifies: func() bool { return true }, TransactionIDs: transactionIDs{},
			Leaders: leaders.NewSingle(&leaders.Node{ID: 7, Listeners: map[string]leaders.Endpoint{"PLAINTEXT": {Host: "broker.example", Port: 9093}, "OTHER": {Host: "other.example", Port: 1}}}, 1),
			NewUUID: func() string { n++; return fmt.Sprint("uuid", n) },
		}})
	})
}

// transactionIDs has a coordinator for all ids but "away".
type transactionIDs struct{}

func (transactionIDs) Find(_ context.Context, id string) protocol.Code {
	if id == "away" {
		return protocol.CoordinatorNotAvailable
	}
	return protocol.None
}

// call sends a request of a version through the wire's encoding, to the handler that
// the route table has for it, and the response back.
func call[R kmsg.Response](h *groupHouse, version int16, req kmsg.Request) R {
	h.t.Helper()
	var table api.Routes
	routes.Fill(&table, &routes.Handlers{Groups: h.Handlers})
	route := table.Route(req.Key(), version)
	if route == nil {
		h.t.Fatalf("%s v%d has no route", protocol.Name(req.Key()), version)
	}
	req.SetVersion(version)
	sent := kmsg.RequestForKey(req.Key())
	sent.SetVersion(version)
	if err := sent.ReadFrom(req.AppendTo(nil)); err != nil {
		h.t.Fatal(err)
	}
	resp, err := route.Handler(h.t.Context(), &api.Request{
		Key: req.Key(), Version: version, ClientID: "client", Body: sent,
		Conn: &api.ConnInfo{ClientHost: "/127.0.0.1", Listener: "PLAINTEXT"},
	})
	if err != nil {
		h.t.Fatalf("%s v%d: %v", protocol.Name(req.Key()), version, err)
	}
	resp.SetVersion(version)
	got := req.ResponseKind()
	got.SetVersion(version)
	if err := got.ReadFrom(resp.AppendTo(nil)); err != nil {
		h.t.Fatalf("%s v%d: the response cannot be read: %v", protocol.Name(req.Key()), version, err)
	}
	return got.(R)
}

// member joins and syncs as a member of one, at the newest versions.
func (h *groupHouse) member(group string, instance *string) (id string, generation int32) {
	h.t.Helper()
	join := joinRequest(group)
	join.InstanceID = instance
	r := call[*kmsg.JoinGroupResponse](h, 9, join)
	if protocol.Code(r.ErrorCode) == protocol.MemberIDRequired {
		join.MemberID = r.MemberID
		r = call[*kmsg.JoinGroupResponse](h, 9, join)
	}
	if r.ErrorCode != 0 {
		h.t.Fatal(protocol.Code(r.ErrorCode))
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation, sync.ProtocolType, sync.Protocol = group, r.MemberID, r.Generation, r.ProtocolType, r.Protocol
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: r.MemberID, MemberAssignment: []byte("mine")}}
	if s := call[*kmsg.SyncGroupResponse](h, 5, sync); s.ErrorCode != 0 || string(s.MemberAssignment) != "mine" {
		h.t.Fatalf("%+v", s)
	}
	return r.MemberID, r.Generation
}

func joinRequest(group string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.ProtocolType = group, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 10_000, 60_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 0, 0, 0, 0, 1, 0, 1, 't'}
	r.Protocols = append(r.Protocols, p)
	return r
}

func name(s *string) string {
	if s == nil {
		return "<null>"
	}
	return *s
}

func code(c int16) protocol.Code { return protocol.Code(c) }
