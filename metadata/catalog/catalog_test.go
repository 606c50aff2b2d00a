package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/protocol"
)

// fixture is a catalog over a store in memory, with the log's lines.
type fixture struct {
	*catalog.Catalog
	store  *mem.Store
	static map[string]string
	lines  *observer.ObservedLogs
}

func open(t *testing.T, static map[string]string) *fixture {
	f := &fixture{store: mem.New(nil), static: static}
	f.reopen(t, 5)
	return f
}

// reopen is another start over the same store.
func (f *fixture) reopen(t *testing.T, epoch int32) {
	t.Helper()
	core, lines := observer.New(zapcore.InfoLevel)
	f.lines = lines
	c, err := catalog.Open(t.Context(), catalog.Options{
		Store: f.store, StartEpoch: epoch, Broker: config.NewBroker(1, f.static), Brokers: 1, Log: zap.New(core),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Catalog = c
}

func (f *fixture) create(t *testing.T, name string, partitions int32, configs ...string) *catalog.Topic {
	t.Helper()
	topic, err := f.Create(t.Context(), spec(name, partitions, 1, configs...))
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

func spec(name string, partitions int32, replicas int16, configs ...string) catalog.Spec {
	s := catalog.Spec{Name: name, Partitions: partitions, Replicas: replicas, Configs: map[string]*string{}}
	for i := 0; i < len(configs); i += 2 {
		s.Configs[configs[i]] = &configs[i+1]
	}
	return s
}

func is(t *testing.T, err error, code protocol.Code, message string) {
	t.Helper()
	var e *protocol.Error
	if !errors.As(err, &e) || e.Code != code || e.Message != message {
		t.Errorf("\ngot  %v\nwant %v: %s", err, code, message)
	}
}

// TestCreateRefused has the codes and texts of a broker of Kafka 4.4.0.
func TestCreateRefused(t *testing.T) {
	f := open(t, nil)
	f.create(t, "t", 1)
	f.create(t, "a.b", 1)
	manual := func(name string, a map[int32][]int32) catalog.Spec {
		return catalog.Spec{Name: name, Partitions: -1, Replicas: -1, Assignments: a}
	}
	both := manual("x", map[int32][]int32{0: {1}})
	both.Replicas = 1
	counted := manual("x", map[int32][]int32{0: {1}})
	counted.Partitions = 1
	null := spec("x", 1, 1)
	null.Configs["retention.ms"], null.Configs["flush.ms"] = nil, nil
	long := strings.Repeat("x", 250)
	for _, c := range []struct {
		spec    catalog.Spec
		code    protocol.Code
		message string
	}{
		{spec("t", 1, 1), protocol.TopicAlreadyExists, "Topic 't' already exists."},
		{spec("a_b", 1, 1), protocol.InvalidTopicException, "Topic 'a_b' collides with existing topic: a.b"},
		{spec("bad/name", 1, 1), protocol.InvalidTopicException,
			"Topic name is invalid: 'bad/name' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"},
		{spec("ü", 1, 1), protocol.InvalidTopicException,
			"Topic name is invalid: 'ü' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"},
		{spec(".", 1, 1), protocol.InvalidTopicException, "Topic name is invalid: '.' is not allowed"},
		{spec("..", 1, 1), protocol.InvalidTopicException, "Topic name is invalid: '..' is not allowed"},
		{spec("", 1, 1), protocol.InvalidTopicException, "Topic name is invalid: the empty string is not allowed"},
		{spec(long, 1, 1), protocol.InvalidTopicException, "Topic name is invalid: the length of '" + long + "' is longer than the max allowed length 249"},
		{spec("__cluster_metadata", 1, 1), protocol.InvalidRequest, "Creation of internal topic __cluster_metadata is prohibited."},
		{spec("x", 0, 1), protocol.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."},
		{spec("x", -4, 1), protocol.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."},
		{spec("x", 1, 0), protocol.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value."},
		{spec("x", 1, -2), protocol.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value."},
		{spec("x", 10001, 1), protocol.PolicyViolation, "Excessively large number of partitions per request."},
		{spec("x", 1, 1, "foo", "bar"), protocol.InvalidConfig, "Unknown topic config name: foo"},
		{spec("x", 1, 1, "retention.ms", "x"), protocol.InvalidConfig, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{null, protocol.InvalidConfig, "Null value not supported for topic configs: flush.ms,retention.ms"},
		{both, protocol.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1."},
		{counted, protocol.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1."},
		{manual("x", map[int32][]int32{0: {2}}), protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker 2, but no such broker is registered."},
		{manual("x", map[int32][]int32{1: {1}}), protocol.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence"},
		{manual("x", map[int32][]int32{0: {1, 1}}), protocol.InvalidReplicaAssignment, "The manual partition assignment includes the broker 1 more than once."},
		{manual("x", map[int32][]int32{0: {}}), protocol.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list."},
		{manual("x", map[int32][]int32{0: {1}, 1: {1, 2}}), protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker 2, but no such broker is registered."},
	} {
		_, err := f.Create(t.Context(), c.spec)
		is(t, err, c.code, c.message)
		_, err = f.Plan(t.Context(), c.spec)
		is(t, err, c.code, c.message)
	}
	if got := f.Snapshot().Len(); got != 2 {
		t.Errorf("%d topics", got)
	}
}

func TestCreate(t *testing.T) {
	f := open(t, map[string]string{"num.partitions": "4", "default.replication.factor": "2", "message.max.bytes": "77"})
	planned, err := f.Plan(t.Context(), spec("t", -1, -1))
	if err != nil || planned.Partitions != 4 || f.ByName("t") != nil {
		t.Fatalf("%+v, %v", planned, err)
	}
	a := f.create(t, "a", 3, "retention.ms", "9")
	b, err := f.Create(t.Context(), spec("b", -1, -1))
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Create(t.Context(), catalog.Spec{Name: "c", Partitions: -1, Replicas: -1, Assignments: map[int32][]int32{0: {1}, 1: {1}}})
	if err != nil {
		t.Fatal(err)
	}
	if a.Partitions != 3 || a.Replicas != 1 || a.Config.RetentionMs != 9 || a.Config.MaxMessageBytes != 77 || a.Internal ||
		b.Partitions != 4 || b.Replicas != 2 || c.Partitions != 2 || c.Replicas != 1 {
		t.Errorf("%+v\n%+v\n%+v", a, b, c)
	}
	if a.BirthEpoch != 5 {
		t.Errorf("epochs of %+v", a)
	}
	if a.ID == b.ID || a.ID[6]>>4 != 4 { // UUID version 4
		t.Errorf("ids %x %x", a.ID, b.ID)
	}
	f.reopen(t, 6)
	for _, want := range []*catalog.Topic{a, b, c} {
		got := f.ByName(want.Name)
		if got == nil || got != f.ByID(want.ID) || got.ID != want.ID || got.Config != want.Config || got.Partitions != want.Partitions {
			t.Errorf("after a restart %+v, want %+v", got, want)
		}
	}
	var names []string
	for _, topic := range f.Snapshot().Topics() {
		names = append(names, topic.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("%v", names)
	}
	if _, err := f.Create(t.Context(), spec("a", 1, 1)); err == nil {
		t.Error("made twice")
	}
}

// TestReservedIDs: Kafka's reserved ids and taken ones are never given to a topic.
func TestReservedIDs(t *testing.T) {
	ids := []metadata.TopicID{{}, {15: 1}, {15: 2}, {15: 2}, {15: 3}}
	c, err := catalog.Open(t.Context(), catalog.Options{
		Store: mem.New(nil), StartEpoch: 1, Broker: config.NewBroker(1, nil), Brokers: 1, Log: zap.NewNop(),
		NewID: func() metadata.TopicID { id := ids[0]; ids = ids[1:]; return id },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "b"} {
		want := metadata.TopicID{15: byte(2 + i)}
		if topic, err := c.Create(t.Context(), spec(name, 1, 1)); err != nil || topic.ID != want {
			t.Errorf("%x, %v, want %x", topic.ID, err, want)
		}
	}
}

func TestReplicationFactor(t *testing.T) {
	f := open(t, nil)
	for i, name := range []string{"one", "two"} {
		if topic, err := f.Create(t.Context(), spec(name, 1, 3)); err != nil || topic.Replicas != 3 {
			t.Fatalf("%d: %+v, %v", i, topic, err)
		}
	}
	if got := f.lines.FilterMessageSnippet("replicas").Len(); got != 1 {
		t.Errorf("said %d times", got)
	}
	strict := open(t, map[string]string{"replication.factor.strict": "true"})
	_, err := strict.Create(t.Context(), spec("t", 1, 3))
	is(t, err, protocol.InvalidReplicationFactor, "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.")
	strict.create(t, "t", 1)
}

func TestNotActingIsSaidOnce(t *testing.T) {
	f := open(t, nil)
	f.create(t, "quiet", 1, "retention.ms", "1")
	f.create(t, "loud", 1, "segment.jitter.ms", "2000000")
	for _, v := range []string{"3000000", "4000000"} {
		if err := f.Alter(t.Context(), metadata.Resource{Type: catalog.TypeTopic, Name: "loud"}, []config.Op{{Name: "segment.jitter.ms", Value: &v}}, false); err != nil {
			t.Fatal(err)
		}
	}
	lines := f.lines.FilterMessageSnippet("do not act").All()
	if len(lines) != 1 || lines[0].ContextMap()["topic"] != "loud" || fmt.Sprint(lines[0].ContextMap()["configs"]) != "[segment.jitter.ms]" {
		t.Errorf("%v", lines)
	}
}

// TestEnsureOnce: of many callers at the same time one creates the topic.
func TestEnsureOnce(t *testing.T) {
	f := open(t, nil)
	var made, told int
	if err := f.Listen(t.Context(), catalog.Listener{Created: func(*catalog.Topic) { told++ }}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	ids := map[metadata.TopicID]bool{}
	for range 50 {
		wg.Go(func() {
			topic, created, err := f.Ensure(t.Context(), "t")
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			ids[topic.ID] = true
			if created {
				made++
			}
		})
	}
	wg.Wait()
	if made != 1 || told != 1 || len(ids) != 1 {
		t.Errorf("made %d times, told %d times, %d ids", made, told, len(ids))
	}
	_, _, err := f.Ensure(t.Context(), "bad/")
	is(t, err, protocol.InvalidTopicException, "Topic name is invalid: 'bad/' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
}

func TestInternal(t *testing.T) {
	f := open(t, map[string]string{"offsets.topic.num.partitions": "7"})
	offsets, err := f.EnsureInternal(t.Context(), catalog.OffsetsTopic)
	if err != nil || offsets.Partitions != 7 || !offsets.Internal || !offsets.Config.Compact || offsets.Config.Delete ||
		offsets.Config.SegmentBytes != 104857600 || offsets.Replicas != 1 {
		t.Fatalf("%+v, %v", offsets, err)
	}
	if again, err := f.EnsureInternal(t.Context(), catalog.OffsetsTopic); err != nil || again != offsets {
		t.Errorf("%+v, %v", again, err)
	}
	txn, err := f.EnsureInternal(t.Context(), catalog.TransactionsTopic)
	if err != nil || txn.Partitions != 50 || txn.Configs["compression.type"] != "uncompressed" || txn.Configs["min.insync.replicas"] != "2" {
		t.Errorf("%+v, %v", txn, err)
	}
	// Made by hand it still is what the coordinator needs.
	share := f.create(t, catalog.ShareTopic, 3, "segment.bytes", "2000000")
	if share.Partitions != 3 || share.Config.RetentionMs != -1 || share.Config.SegmentBytes != 2000000 {
		t.Errorf("%+v", share)
	}
	if f.lines.Len() != 0 {
		t.Errorf("logged: %v", f.lines.All())
	}
}

// broken is a store whose writes fail after or before they are done.
type broken struct {
	*mem.Store
	fail func(write func() error) error
	lost error // of reads
}

func (b *broken) LoadTopics(ctx context.Context) ([]metadata.Topic, error) {
	if b.lost != nil {
		return nil, b.lost
	}
	return b.Store.LoadTopics(ctx)
}

func (b *broken) UpdateTopic(ctx context.Context, t metadata.Topic) error {
	return b.fail(func() error { return b.Store.UpdateTopic(ctx, t) })
}

func (b *broken) DeleteTopic(ctx context.Context, id metadata.TopicID) error {
	return b.fail(func() error { return b.Store.DeleteTopic(ctx, id) })
}

func (b *broken) CreateTopic(ctx context.Context, t metadata.Topic) error {
	return b.fail(func() error { return b.Store.CreateTopic(ctx, t) })
}

func (b *broken) SetConfigs(ctx context.Context, r metadata.Resource, set map[string]string) error {
	return b.fail(func() error { return b.Store.SetConfigs(ctx, r, set) })
}

// TestStoreFails: whatever the store did before it failed, the view shows it.
func TestStoreFails(t *testing.T) {
	store := &broken{Store: mem.New(nil), fail: func(write func() error) error { return write() }}
	c, err := catalog.Open(t.Context(), catalog.Options{
		Store: store, StartEpoch: 1, Broker: config.NewBroker(1, nil), Brokers: 1, Log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	for _, name := range []string{"before", "after"} {
		done := name == "after"
		store.fail = func(write func() error) error {
			if done {
				if err := write(); err != nil {
					return err
				}
			}
			return boom
		}
		if _, err := c.Create(t.Context(), spec(name, 1, 1)); !errors.Is(err, boom) {
			t.Errorf("%s: %v", name, err)
		}
		if got := c.ByName(name) != nil; got != done {
			t.Errorf("%s: shown %v, stored %v", name, got, done)
		}
		v := "5"
		err := c.Alter(t.Context(), metadata.Resource{Type: catalog.TypeBroker}, []config.Op{{Name: "log.retention.ms", Value: &v}}, false)
		if !errors.Is(err, boom) {
			t.Errorf("%s: %v", name, err)
		}
		if got := c.Broker().Int("log.retention.ms") == 5; got != done {
			t.Errorf("%s: setting shown %v, stored %v", name, got, done)
		}
	}
}

// TestUnknownOutcomeIsTold: what the store did before it failed is told to listeners as
// if it had succeeded; at once, or with the next change when the store cannot be read
// for a while.
func TestUnknownOutcomeIsTold(t *testing.T) {
	for _, lost := range []error{nil, errors.New("away")} {
		store := &broken{Store: mem.New(nil), fail: func(write func() error) error { return write() }}
		c, err := catalog.Open(t.Context(), catalog.Options{
			Store: store, StartEpoch: 1, Broker: config.NewBroker(1, nil), Brokers: 1, Log: zap.NewNop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		say := func(what string) { told = append(told, what) }
		err = c.Listen(t.Context(), catalog.Listener{
			Created: func(t *catalog.Topic) { say("created " + t.Name) },
			Changed: func(old, t *catalog.Topic) { say(fmt.Sprint("changed ", t.Name, " ", old.Partitions, t.Partitions)) },
			Deleted: func(t *catalog.Topic) { say("deleted " + t.Name) },
			Broker:  func(b *config.Broker) { say(fmt.Sprint("broker ", b.Int("log.retention.ms"))) },
		})
		if err != nil {
			t.Fatal(err)
		}
		boom := errors.New("boom")
		store.fail = func(write func() error) error { store.lost = lost; return errors.Join(write(), boom) }
		five := "5"
		for _, step := range []struct {
			change func() error
			told   []string
		}{
			{func() error { _, err := c.Create(t.Context(), spec("a", 1, 1)); return err }, []string{"created a"}},
			{func() error { return c.CreatePartitions(t.Context(), "a", 3, nil, false) }, []string{"changed a 1 3"}},
			{func() error {
				return c.Alter(t.Context(), metadata.Resource{Type: catalog.TypeBroker}, []config.Op{{Name: "log.retention.ms", Value: &five}}, false)
			}, []string{"broker 5", "changed a 3 3"}},
			{func() error { return c.Delete(t.Context(), c.ByName("a").ID) }, []string{"deleted a"}},
		} {
			told = nil
			if err := step.change(); !errors.Is(err, boom) {
				t.Fatal(err)
			}
			if lost != nil {
				if _, err := c.Create(t.Context(), spec("refused", 1, 1)); !errors.Is(err, lost) || len(told) > 0 {
					t.Fatalf("%v, %v", err, told)
				}
				store.lost = nil
				if _, err := c.Plan(t.Context(), spec("planned", 1, 1)); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(told, step.told) {
				t.Errorf("told %q, want %q", told, step.told)
			}
		}
	}
}

// TestGivesUp: a caller whose context ends does not wait for its turn.
func TestGivesUp(t *testing.T) {
	f := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	blocked, release := make(chan struct{}), make(chan struct{})
	if err := f.Listen(t.Context(), catalog.Listener{Created: func(*catalog.Topic) { close(blocked); <-release }}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { f.create(t, "slow", 1) })
	<-blocked
	cancel()
	if _, err := f.Create(ctx, spec("late", 1, 1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if f.ByName("slow") == nil {
		t.Error("reads wait for a change")
	}
	close(release)
	wg.Wait()
}
