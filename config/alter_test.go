package config

import (
	"errors"
	"maps"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

func op(name string, kind OpKind, value string) Op { return Op{name, kind, &value} }

func isCode(t *testing.T, err error, code protocol.Code, message string) {
	t.Helper()
	var e *protocol.Error
	if !errors.As(err, &e) || e.Code != code || e.Message != message {
		t.Errorf("got  %v\nwant %v: %s", err, code, message)
	}
}

// TestAlterTopic and the tests below have what a broker of Kafka 4.4.0 answered to
// the same requests.
func TestAlterTopic(t *testing.T) {
	b := NewBroker(1, nil)
	for _, c := range []struct {
		name    string
		current map[string]string
		ops     []Op
		want    map[string]string
		code    protocol.Code
		message string
	}{
		{name: "set and append to the default", ops: []Op{op("retention.ms", Set, "5"), op("cleanup.policy", Append, "compact")},
			want: map[string]string{"retention.ms": "5", "cleanup.policy": "delete,compact"}},
		{name: "append what is there", current: map[string]string{"cleanup.policy": "delete"}, ops: []Op{op("cleanup.policy", Append, "delete,compact,compact")},
			want: map[string]string{"cleanup.policy": "delete,compact"}},
		{name: "subtract", current: map[string]string{"cleanup.policy": "delete,compact"}, ops: []Op{op("cleanup.policy", Subtract, "delete,x")},
			want: map[string]string{"cleanup.policy": "compact"}},
		{name: "subtract all", current: map[string]string{"cleanup.policy": "compact"}, ops: []Op{op("cleanup.policy", Subtract, "compact")},
			want: map[string]string{"cleanup.policy": ""}},
		{name: "delete", current: map[string]string{"retention.ms": "5"}, ops: []Op{{Name: "retention.ms", Kind: Delete}}, want: map[string]string{}},
		{name: "delete an unknown one", ops: []Op{op("foo", Delete, "5")}, want: map[string]string{}},
		{name: "the value is kept as given", ops: []Op{op("segment.bytes", Set, " +2000000 ")}, want: map[string]string{"segment.bytes": " +2000000 "}},
		{name: "repeated elements", ops: []Op{op("cleanup.policy", Set, "delete,delete")}, want: map[string]string{"cleanup.policy": "delete,delete"}},
		{name: "append to a number", ops: []Op{op("retention.ms", Append, "5")},
			code: protocol.InvalidConfig, message: "Can't APPEND to key retention.ms because its type is not LIST."},
		{name: "subtract from an unknown one", ops: []Op{op("foo", Subtract, "5")},
			code: protocol.InvalidConfig, message: "Can't SUBTRACT to key foo because its type is not LIST."},
		{name: "append what is not allowed", current: map[string]string{"cleanup.policy": ""}, ops: []Op{op("cleanup.policy", Append, "a")},
			code: protocol.InvalidConfig, message: "Invalid value a for configuration cleanup.policy: String must be one of: compact, delete"},
		{name: "unknown", ops: []Op{op("foo", Set, "5")}, code: protocol.InvalidConfig, message: "Unknown topic config name: foo"},
		{name: "null", ops: []Op{{Name: "retention.ms"}}, code: protocol.InvalidRequest, message: "Null value not supported for : retention.ms"},
		{name: "twice", ops: []Op{op("cleanup.policy", Subtract, "x"), op("cleanup.policy", Append, "x")},
			code: protocol.InvalidRequest, message: "Error due to duplicate config keys"},
		{name: "unknown operation", ops: []Op{op("retention.ms", 7, "1")}, code: protocol.InvalidRequest, message: "Unknown operations type 7"},
		{name: "conflict", ops: []Op{op("min.compaction.lag.ms", Set, "100"), op("max.compaction.lag.ms", Set, "10")}, code: protocol.InvalidConfig,
			message: "conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (10)"},
		{name: "tiered", ops: []Op{op("remote.storage.enable", Set, "true")}, code: protocol.InvalidConfig,
			message: "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := maps.Clone(c.current)
			got, err := AlterTopic(c.current, c.ops, b)
			if !maps.Equal(before, c.current) {
				t.Errorf("the current set was changed: %v", c.current)
			}
			if c.message != "" {
				isCode(t, err, c.code, c.message)
			} else if err != nil || !maps.Equal(got, c.want) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestAlterBroker(t *testing.T) {
	for _, own := range []bool{false, true} {
		good := func(want map[string]string, ops ...Op) {
			t.Helper()
			if got, err := AlterBroker(nil, ops, own); err != nil || !maps.Equal(got, want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		}
		bad := func(code protocol.Code, message string, ops ...Op) {
			t.Helper()
			_, err := AlterBroker(nil, ops, own)
			isCode(t, err, code, message)
		}
		good(map[string]string{"log.retention.ms": "-7"}, op("log.retention.ms", Set, "-7"))
		good(map[string]string{"log.cleanup.policy": "delete,compact"}, op("log.cleanup.policy", Append, "compact"))
		good(map[string]string{"leader.replication.throttled.rate": "5"}, op("leader.replication.throttled.rate", Set, "5"))
		good(map[string]string{}, op("foo", Delete, "5"))
		bad(protocol.InvalidRequest, "Cannot update these configs dynamically: [log.retention.hours]", op("log.retention.hours", Set, "5"))
		bad(protocol.InvalidRequest, "Cannot update these configs dynamically: [num.partitions]", op("num.partitions", Set, "5"))
		if own {
			bad(protocol.InvalidRequest, "Cannot update these configs dynamically: [listeners]", op("listeners", Set, "PLAINTEXT://:1"))
		} else {
			bad(protocol.InvalidRequest, "Cannot update these configs at default cluster level, broker id must be specified: [listeners]", op("listeners", Set, "PLAINTEXT://:1"))
		}
		good(map[string]string{"config.providers": ""}, op("config.providers", Set, ""))
		bad(protocol.InvalidRequest, "Invalid value x.Y for configuration principal.builder.class: Class x.Y could not be found.", op("principal.builder.class", Set, "x.Y"))
		bad(protocol.InvalidRequest, "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.password]", op("ssl.keystore.password", Set, "x"))
		bad(protocol.InvalidRequest, "Cannot update these configs dynamically: [data.dir]", op("data.dir", Set, "/"))
		bad(protocol.InvalidRequest, "Invalid value x for configuration log.retention.ms: Not a number of type LONG", op("log.retention.ms", Set, "x"))
		bad(protocol.InvalidRequest, "Invalid value -1 for configuration message.max.bytes: Value must be at least 0", op("message.max.bytes", Set, "-1"))
		bad(protocol.InvalidRequest, "Invalid value foo for configuration log.message.timestamp.type: String must be one of: CreateTime, LogAppendTime",
			op("log.message.timestamp.type", Set, "foo"))
		bad(protocol.InvalidConfig, "Config value append is not allowed for config key: log.retention.ms", op("log.retention.ms", Append, "1"))
		bad(protocol.InvalidConfig, "Unknown config name: foo", op("foo", Append, "1"))
		bad(protocol.InvalidRequest, "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1", op("min.insync.replicas", Set, "0"))
		// Kafka takes any name; a name that means nothing would be forgotten in silence.
		bad(protocol.InvalidRequest, "Unknown broker config name: foo", op("foo", Set, "5"))
		if own {
			bad(protocol.InvalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled.", op("min.insync.replicas", Set, "2"))
		} else {
			good(map[string]string{"min.insync.replicas": "2"}, op("min.insync.replicas", Set, "2"))
			bad(protocol.InvalidConfig, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.", op("min.insync.replicas", Delete, ""))
		}
	}
}

func TestAlterGroup(t *testing.T) {
	b := NewBroker(1, nil)
	set := func(name, value string) error {
		_, err := AlterGroup(nil, []Op{op(name, Set, value)}, b)
		return err
	}
	for name, value := range map[string]string{"consumer.session.timeout.ms": "50000", "streams.assignor.name": "sticky", "streams.num.standby.replicas": "2"} {
		if err := set(name, value); err != nil {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	for _, c := range [][3]string{
		{"consumer.session.timeout.ms", "5", "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive."},
		{"consumer.heartbeat.interval.ms", "15001", "consumer.heartbeat.interval.ms must be in the range 5000 to 15000 inclusive."},
		{"share.record.lock.duration.ms", "5000", "share.record.lock.duration.ms must be in the range 15000 to 60000 inclusive."},
		{"share.delivery.count.limit", "1", "Invalid value 1 for configuration share.delivery.count.limit: Value must be at least 2"},
		{"share.delivery.count.limit", "11", "share.delivery.count.limit must be in the range 2 to 10 inclusive."},
		{"streams.assignor.name", "x", "streams.assignor.name 'x' is not a registered task assignor. Registered assignors are: [sticky]."},
		{"streams.num.standby.replicas", "3", "streams.num.standby.replicas must be less than or equal to 2"},
		{"foo", "5", "Unknown group config name: foo"},
	} {
		isCode(t, set(c[0], c[1]), protocol.InvalidConfig, c[2])
	}
	_, err := AlterGroup(nil, []Op{op("consumer.session.timeout.ms", Append, "1")}, b)
	isCode(t, err, protocol.InvalidConfig, "Can't APPEND to key consumer.session.timeout.ms because its type is not LIST.")
}

func TestReplacement(t *testing.T) {
	current := map[string]string{"retention.ms": "5", "segment.ms": "6"}
	got, err := AlterTopic(current, Replacement(current, []Op{op("segment.ms", Set, "7"), op("flush.ms", Set, "8")}), NewBroker(1, nil))
	if want := map[string]string{"segment.ms": "7", "flush.ms": "8"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestBrokerName(t *testing.T) {
	if own, err := BrokerName("", 1); own || err != nil {
		t.Error(own, err)
	}
	if own, err := BrokerName("1", 1); !own || err != nil {
		t.Error(own, err)
	}
	_, err := BrokerName("2", 1)
	isCode(t, err, protocol.InvalidRequest, "Unexpected broker id, expected 1, but received 2")
	_, err = BrokerName("x", 1)
	isCode(t, err, protocol.InvalidRequest, "Node id must be an integer, but it is: x")
}
