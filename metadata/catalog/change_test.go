package catalog_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestCreatePartitions(t *testing.T) {
	f := open(t, nil)
	f.create(t, "t", 1)
	raise := func(name string, count int32, brokers [][]int32, validateOnly bool) error {
		return f.CreatePartitions(t.Context(), name, count, brokers, validateOnly)
	}
	for _, c := range []struct {
		name    string
		count   int32
		brokers [][]int32
		code    protocol.Code
		message string
	}{
		{"t", 1, nil, protocol.InvalidPartitions, "Topic already has 1 partition(s)."},
		{"t", 0, nil, protocol.InvalidPartitions, "The topic t currently has 1 partition(s); 0 would not be an increase."},
		{"t", -1, nil, protocol.InvalidPartitions, "The topic t currently has 1 partition(s); -1 would not be an increase."},
		{"t", 2, [][]int32{{-1}}, protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker -1, but no such broker is registered."},
		{"t", 2, [][]int32{{2}}, protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker 2, but no such broker is registered."},
		{"t", 3, [][]int32{{1}}, protocol.InvalidReplicaAssignment, "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."},
		{"t", 20000, nil, protocol.PolicyViolation, "Excessively large number of additional partitions per request."},
	} {
		is(t, raise(c.name, c.count, c.brokers, false), c.code, c.message)
	}
	if err := raise("nope", 2, nil, false); err != protocol.UnknownTopicOrPartition {
		t.Errorf("unknown topic: %v", err)
	}
	if err := raise("t", 2, nil, true); err != nil || f.ByName("t").Partitions != 1 {
		t.Errorf("%v, %+v", err, f.ByName("t"))
	}
	if err := raise("t", 3, [][]int32{{1}, {1}}, false); err != nil {
		t.Error(err)
	}
	if err := raise("t", 4, nil, false); err != nil { // the row's version follows the store's
		t.Error(err)
	}
	f.reopen(t, 6)
	if got := f.ByName("t").Partitions; got != 4 {
		t.Errorf("%d partitions", got)
	}
}

func TestDelete(t *testing.T) {
	f := open(t, nil)
	is(t, f.Delete(t.Context(), metadata.TopicID{9}), protocol.UnknownTopicID, "This server does not host this topic ID.")
	first := f.create(t, "a.b", 1)
	before := f.Snapshot()
	if err := f.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if f.ByName("a.b") != nil || f.ByID(first.ID) != nil || f.Snapshot().Len() != 0 {
		t.Error("still there")
	}
	if before.ByName("a.b") != first || before.Len() != 1 {
		t.Error("an old snapshot changed")
	}
	second := f.create(t, "a_b", 1) // no collision any more
	if err := f.Delete(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	if again := f.create(t, "a.b", 1); again.ID == first.ID {
		t.Error("an id used twice")
	}
	fixed := open(t, map[string]string{"delete.topic.enable": "false"})
	topic := fixed.create(t, "t", 1)
	is(t, fixed.Delete(t.Context(), topic.ID), protocol.TopicDeletionDisabled, "Topic deletion is disabled.")
}

func set(name, value string) config.Op { return config.Op{Name: name, Value: &value} }

// TestListeners: each change is told once, in order, when reads already show it.
func TestListeners(t *testing.T) {
	f := open(t, nil)
	var told []string
	say := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	err := f.Listen(t.Context(), catalog.Listener{
		Created: func(topic *catalog.Topic) { say("created %s %v", topic.Name, f.ByName(topic.Name) == topic) },
		Changed: func(old, topic *catalog.Topic) {
			say("changed %s %d->%d %d->%d %v", topic.Name, old.Partitions, topic.Partitions,
				old.Config.RetentionMs, topic.Config.RetentionMs, f.ByName(topic.Name) == topic)
		},
		Deleted: func(topic *catalog.Topic) { say("deleted %s %v", topic.Name, f.ByName(topic.Name) == nil) },
		Broker:  func(b *config.Broker) { say("broker %d %v", b.Int("log.retention.ms"), f.Broker() == b) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(t.Context(), catalog.Listener{}); err != nil { // no callbacks at all
		t.Fatal(err)
	}
	ctx := t.Context()
	own := f.create(t, "own", 1, "retention.ms", "1")
	f.create(t, "inherits", 1)
	topic := metadata.Resource{Type: catalog.TypeTopic, Name: "own"}
	for _, step := range []error{
		f.Alter(ctx, topic, []config.Op{set("retention.ms", "2")}, false),
		f.Alter(ctx, topic, []config.Op{set("retention.ms", "2")}, false), // changes nothing
		f.Alter(ctx, topic, []config.Op{set("retention.ms", "3")}, true),  // validates only
		f.CreatePartitions(ctx, "own", 2, nil, false),
		f.Alter(ctx, metadata.Resource{Type: catalog.TypeBroker}, []config.Op{set("log.retention.ms", "9")}, false),
		f.Alter(ctx, metadata.Resource{Type: catalog.TypeBroker, Name: "01"}, []config.Op{set("log.retention.ms", "8")}, false),
		f.Delete(ctx, own.ID),
	} {
		if step != nil {
			t.Error(step)
		}
	}
	want := []string{
		"created own true", "created inherits true",
		"changed own 1->1 1->2 true",
		"changed own 1->2 2->2 true",
		"broker 9 true", "changed inherits 1->1 604800000->9 true",
		"broker 8 true", "changed inherits 1->1 9->8 true",
		"deleted own true",
	}
	if !slices.Equal(told, want) {
		t.Errorf("\ngot  %q\nwant %q", told, want)
	}
	f.reopen(t, 6)
	if got := f.ByName("inherits").Config.RetentionMs; got != 8 {
		t.Errorf("after a restart retention.ms is %d", got)
	}
}

func TestAlterRefused(t *testing.T) {
	f := open(t, nil)
	f.create(t, "t", 1, "retention.ms", "1")
	for _, c := range []struct {
		resource metadata.Resource
		op       config.Op
		code     protocol.Code
		message  string
	}{
		{metadata.Resource{Type: catalog.TypeTopic, Name: "nope"}, set("retention.ms", "5"), protocol.UnknownTopicOrPartition, "The topic 'nope' does not exist."},
		{metadata.Resource{Type: catalog.TypeTopic, Name: "nope"}, set("retention.ms", "x"), protocol.InvalidConfig,
			"Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{metadata.Resource{Type: catalog.TypeTopic}, set("retention.ms", "5"), protocol.InvalidRequest, "Default topic resources are not allowed."},
		{metadata.Resource{Type: catalog.TypeTopic, Name: "bad/"}, set("retention.ms", "5"), protocol.InvalidTopicException,
			"Topic name is invalid: 'bad/' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"},
		{metadata.Resource{Type: catalog.TypeBroker, Name: "2"}, set("log.retention.ms", "5"), protocol.InvalidRequest,
			"Unexpected broker id, expected 1, but received 2"},
		{metadata.Resource{Type: catalog.TypeGroup}, set("consumer.session.timeout.ms", "50000"), protocol.InvalidRequest, "Default group resources are not allowed."},
		{metadata.Resource{Type: catalog.TypeClientMetrics, Name: "m"}, set("interval.ms", "99"), protocol.InvalidRequest,
			"Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
		{metadata.Resource{Type: catalog.TypeClientMetrics}, set("interval.ms", "100"), protocol.InvalidRequest, "Subscription name can't be empty"},
		{metadata.Resource{Type: catalog.TypeBrokerLogger, Name: "1"}, set("root", "INFO"), protocol.InvalidRequest, "Unknown resource type 8"},
	} {
		is(t, f.Alter(t.Context(), c.resource, []config.Op{c.op}, false), c.code, c.message)
		is(t, f.Alter(t.Context(), c.resource, []config.Op{c.op}, true), c.code, c.message)
	}
	// All ops of a resource are done, or none.
	topic := metadata.Resource{Type: catalog.TypeTopic, Name: "t"}
	if err := f.Alter(t.Context(), topic, []config.Op{set("flush.ms", "5"), set("segment.ms", "0")}, false); err == nil || len(f.ByName("t").Configs) != 1 {
		t.Errorf("%v, %v", err, f.ByName("t").Configs)
	}
}

func TestReplace(t *testing.T) {
	f := open(t, nil)
	f.create(t, "t", 1, "retention.ms", "1", "flush.ms", "2")
	topic := metadata.Resource{Type: catalog.TypeTopic, Name: "t"}
	if err := f.Replace(t.Context(), topic, []config.Op{set("flush.ms", "3")}, false); err != nil {
		t.Fatal(err)
	}
	if got := f.ByName("t").Configs; len(got) != 1 || got["flush.ms"] != "3" {
		t.Errorf("%v", got)
	}
	all := metadata.Resource{Type: catalog.TypeBroker}
	is(t, f.Replace(t.Context(), all, []config.Op{set("log.retention.ms", "4")}, false), protocol.InvalidConfig,
		"Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
	for _, ops := range [][]config.Op{{set("min.insync.replicas", "1"), set("log.retention.ms", "4")}, {set("min.insync.replicas", "1")}} {
		if err := f.Replace(t.Context(), all, ops, false); err != nil {
			t.Fatal(err)
		}
		entries, err := f.Describe(all, nil)
		if err != nil || len(entries) != len(ops) {
			t.Errorf("%+v, %v", entries, err)
		}
	}
}

// A change of the broker's settings is judged by what they are and by what they become,
// in all layers.
func TestAlterBrokerTogether(t *testing.T) {
	f := open(t, nil)
	all, own := metadata.Resource{Type: catalog.TypeBroker}, metadata.Resource{Type: catalog.TypeBroker, Name: "1"}
	const none = "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."
	zero := []config.Op{set("max.connections.per.ip", "0")}
	is(t, f.Alter(t.Context(), own, zero, false), protocol.InvalidRequest, none)
	if err := f.Alter(t.Context(), all, []config.Op{set("max.connections.per.ip.overrides", "127.0.0.1:9")}, false); err != nil {
		t.Fatal(err)
	}
	if err := f.Alter(t.Context(), own, zero, false); err != nil {
		t.Fatal(err)
	}
	gone := []config.Op{{Name: "max.connections.per.ip.overrides", Kind: config.Delete}}
	is(t, f.Alter(t.Context(), all, gone, false), protocol.InvalidRequest, none)
	f.reopen(t, 6)
	if b := f.Broker(); b.Int("max.connections.per.ip") != 0 || b.String("max.connections.per.ip.overrides") != "127.0.0.1:9" {
		t.Error("the settings did not survive")
	}
}

func TestClientMetrics(t *testing.T) {
	f := open(t, nil)
	sub := metadata.Resource{Type: catalog.TypeClientMetrics, Name: "s"}
	if err := f.Alter(t.Context(), sub, []config.Op{set("interval.ms", "1000")}, false); err != nil {
		t.Fatal(err)
	}
	f.reopen(t, 6)
	entries, err := f.Describe(sub, []string{"interval.ms"})
	if err != nil || len(entries) != 1 || *entries[0].Value != "1000" || entries[0].Source != config.SourceClientMetrics {
		t.Errorf("%+v, %v", entries, err)
	}
	if err := f.Replace(t.Context(), sub, nil, false); err != nil {
		t.Fatal(err)
	}
	if got := f.Snapshot().Configured(catalog.TypeClientMetrics); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestGroups(t *testing.T) {
	f := open(t, nil)
	group := metadata.Resource{Type: catalog.TypeGroup, Name: "g"}
	if err := f.Alter(t.Context(), group, []config.Op{set("consumer.session.timeout.ms", "50000")}, false); err != nil {
		t.Fatal(err)
	}
	f.reopen(t, 6)
	entries, err := f.Describe(group, []string{"consumer.session.timeout.ms"})
	if err != nil || len(entries) != 1 || *entries[0].Value != "50000" || entries[0].Source != config.SourceGroup {
		t.Errorf("%+v, %v", entries, err)
	}
	if got := f.Snapshot().Configured(catalog.TypeGroup); !slices.Equal(got, []string{"g"}) {
		t.Errorf("%v", got)
	}
	if err := f.Replace(t.Context(), group, nil, false); err != nil {
		t.Fatal(err)
	}
	if got := f.Snapshot().Configured(catalog.TypeGroup); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestDescribe(t *testing.T) {
	f := open(t, nil)
	f.create(t, "t", 1, "retention.ms", "1")
	for _, c := range []struct {
		resource metadata.Resource
		entries  int
	}{
		{metadata.Resource{Type: catalog.TypeTopic, Name: "t"}, len(config.Topics().All())},
		{metadata.Resource{Type: catalog.TypeBroker}, 1}, // min.insync.replicas, as in a fresh Kafka 4.4
		{metadata.Resource{Type: catalog.TypeGroup, Name: "any"}, len(config.Groups().All())},
		{metadata.Resource{Type: catalog.TypeClientMetrics, Name: "any"}, len(config.ClientMetrics().All())},
	} {
		if entries, err := f.Describe(c.resource, nil); err != nil || len(entries) != c.entries {
			t.Errorf("%+v: %d entries, %v, want %d", c.resource, len(entries), err, c.entries)
		}
	}
	for r, want := range map[metadata.Resource]struct {
		code    protocol.Code
		message string
	}{
		{Type: catalog.TypeTopic, Name: "nope"}: {protocol.UnknownTopicOrPartition, ""},
		{Type: catalog.TypeTopic}:               {protocol.InvalidTopicException, "Topic name is invalid: the empty string is not allowed"},
		{Type: catalog.TypeBroker, Name: "2"}:   {protocol.InvalidRequest, "Unexpected broker id, expected 1 or empty string, but received 2"},
		{Type: catalog.TypeBroker, Name: "x"}:   {protocol.InvalidRequest, "Broker id must be an integer, but it is: x"},
		{Type: catalog.TypeGroup}:               {protocol.InvalidRequest, "Group name must not be empty"},
		{Type: catalog.TypeClientMetrics}:       {protocol.InvalidRequest, "Client metrics subscription name must not be empty"},
		{Type: 64, Name: "1"}: {protocol.InvalidRequest, "This most likely occurs because of a request being malformed by the client library " +
			"or the message was sent to an incompatible broker. See the broker logs for more details."},
	} {
		_, err := f.Describe(r, nil)
		is(t, err, want.code, want.message)
	}
}

// TestBadStore: what a store holds and this program does not understand stops the
// start, by name.
func TestBadStore(t *testing.T) {
	f := open(t, nil)
	topic := f.create(t, "t", 1)
	row := topic.Topic
	row.Configs = map[string]string{"retention.ms": "for ever"}
	if err := f.store.UpdateTopic(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	_, err := catalog.Open(t.Context(), catalog.Options{Store: f.store, Broker: config.NewBroker(1, nil), Brokers: 1})
	if want := "catalog: stored settings of topic t: INVALID_CONFIG: Invalid value for ever for configuration retention.ms: Not a number of type LONG"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// Where a coordinator keeps a key follows from the number of its topic's partitions.
func TestInternalTopicsKeepTheirNumberOfPartitions(t *testing.T) {
	f := open(t, nil)
	for _, name := range []string{catalog.OffsetsTopic, catalog.TransactionsTopic} {
		topic, err := f.EnsureInternal(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		n := topic.Partitions
		for _, validateOnly := range []bool{true, false} {
			is(t, f.CreatePartitions(t.Context(), name, n+1, nil, validateOnly), protocol.InvalidPartitions,
				"The number of partitions of "+name+" says where groups or transactions are kept and cannot change.")
		}
		if got := f.ByName(name).Partitions; got != n {
			t.Errorf("%s has %d partitions, it had %d", name, got, n)
		}
	}
}
