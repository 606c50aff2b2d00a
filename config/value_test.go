package config

import (
	"math"
	"strings"
	"testing"
)

// TestValues compares with what Kafka 4.4's definitions answer to the same values.
func TestValues(t *testing.T) {
	topic, broker, group := Topics(), Brokers(), Groups()
	for _, c := range []struct {
		table     *Table
		name, raw string
		want      string // canonical, or with err the error's text
		err       bool
	}{
		{topic, "cleanup.policy", "delete,foo", "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete", true},
		{topic, "cleanup.policy", "", "", false},
		{topic, "cleanup.policy", "delete, compact", "delete,compact", false},
		{topic, "cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty.", true},
		{topic, "cleanup.policy", "Delete", "Invalid value Delete for configuration cleanup.policy: String must be one of: compact, delete", true},
		{topic, "compression.type", "foo", "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer", true},
		{topic, "compression.type", " gzip ", "gzip", false},
		{topic, "retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1", true},
		{topic, "retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG", true},
		{topic, "retention.ms", "1.5", "Invalid value 1.5 for configuration retention.ms: Not a number of type LONG", true},
		{topic, "retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG", true},
		{topic, "retention.ms", "1_000", "Invalid value 1_000 for configuration retention.ms: Not a number of type LONG", true},
		{topic, "retention.ms", "0x10", "Invalid value 0x10 for configuration retention.ms: Not a number of type LONG", true},
		{topic, "retention.ms", "+05", "5", false},
		{topic, "retention.bytes", "-100", "-100", false},
		{topic, "segment.bytes", "1024", "Invalid value 1024 for configuration segment.bytes: Value must be at least 1048576", true},
		{topic, "max.message.bytes", "-1", "Invalid value -1 for configuration max.message.bytes: Value must be at least 0", true},
		{topic, "max.message.bytes", "99999999999", "Invalid value 99999999999 for configuration max.message.bytes: Not a number of type INT", true},
		{topic, "min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1", true},
		{topic, "min.cleanable.dirty.ratio", "x", "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE", true},
		{topic, "min.cleanable.dirty.ratio", "NaN", "NaN", false},
		{topic, "min.cleanable.dirty.ratio", "inf", "Invalid value inf for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE", true},
		{topic, "min.cleanable.dirty.ratio", "1e-1", "0.1", false},
		{topic, "min.cleanable.dirty.ratio", "0.5d", "0.5", false},
		{topic, "preallocate", "yes", "Invalid value yes for configuration preallocate: Expected value to be either true or false", true},
		{topic, "preallocate", " TRUE ", "true", false},
		{topic, "compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1", true},
		{topic, "compression.gzip.level", "-1", "-1", false},
		{topic, "compression.lz4.level", "18", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17", true},
		{topic, "compression.zstd.level", "23", "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22", true},
		{topic, "leader.replication.throttled.replicas", "foo", "Invalid value [foo] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...", true},
		{topic, "leader.replication.throttled.replicas", "0:1,*", "Invalid value [0:1, *] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...", true},
		{topic, "leader.replication.throttled.replicas", "*", "*", false},
		{topic, "leader.replication.throttled.replicas", "0:1,1:2", "0:1,1:2", false},
		{topic, "leader.replication.throttled.replicas", "0:1,", "0:1,", false},
		{topic, "message.timestamp.type", "x", "Invalid value x for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime", true},
		{topic, "max.decompressed.message.bytes", "0", "Invalid value 0 for configuration max.decompressed.message.bytes: Value must be at least 1", true},
		{topic, "remote.copy.lag.ms", "-2", "Invalid value -2 for configuration remote.copy.lag.ms: Value must be at least -1", true},
		{broker, "log.dirs", "/a,/a", "Configuration 'log.dirs' values must not be duplicated.", true},
		{broker, "log.dirs", "", "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value", true},
		{broker, "process.roles", "", "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]", true},
		{broker, "listeners", "a,,b", "Configuration 'listeners' values must not be empty.", true},
		{broker, "sasl.enabled.mechanisms", "", "", false},
		{broker, "num.partitions", "0", "Invalid value 0 for configuration num.partitions: Value must be at least 1", true},
		{broker, "offsets.topic.replication.factor", "99999", "Invalid value 99999 for configuration offsets.topic.replication.factor: Not a number of type SHORT", true},
		{broker, "group.consumer.migration.policy", "x", "Invalid value x for configuration group.consumer.migration.policy: String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL", true},
		{broker, "group.consumer.migration.policy", "Upgrade", "Upgrade", false},
		{broker, "log.cleaner.io.buffer.load.factor", "0.00001", "1.0E-5", false},
		{broker, "log.cleaner.io.buffer.load.factor", "12345678.9", "1.23456789E7", false},
		{broker, "max.connections.per.ip.overrides", "10.0.0.1:5, [::1]:7,host:0", "10.0.0.1:5, [::1]:7,host:0", false},
		{broker, "max.connections.per.ip.overrides", "10.0.0.1", `Invalid value 10.0.0.1 for configuration max.connections.per.ip.overrides: "10.0.0.1" is not of the form host:count`, true},
		{broker, "max.connections.per.ip.overrides", "a:b", `Invalid value a:b for configuration max.connections.per.ip.overrides: the count of "a:b" must be a number from 0`, true},
		{group, "share.auto.offset.reset", "by_duration:PT1H30M", "by_duration:PT1H30M", false},
		{group, "share.auto.offset.reset", "by_duration:P1DT2H", "by_duration:P1DT2H", false},
		{group, "share.auto.offset.reset", "by_duration:PT", "Invalid value by_duration:PT for configuration share.auto.offset.reset: Invalid value `by_duration:PT` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.", true},
		{group, "share.auto.offset.reset", "x", "Invalid value x for configuration share.auto.offset.reset: Invalid value `x` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.", true},
		{group, "share.isolation.level", "x", "Invalid value x for configuration share.isolation.level: String must be one of: read_committed, read_uncommitted", true},
	} {
		got, err := c.table.Get(c.name).Canonical(c.raw)
		if c.err {
			if err == nil || err.Error() != c.want {
				t.Errorf("%s=%q:\ngot  %v (%q)\nwant %s", c.name, c.raw, err, got, c.want)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s=%q: %q, %v, want %q", c.name, c.raw, got, err, c.want)
		}
	}
}

// TestFormatDouble has what Java's Double.toString prints.
func TestFormatDouble(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1: "-1.0", 0.5: "0.5", 0.001: "0.001", 0.00099: "9.9E-4", 1e6: "1000000.0", 9999999: "9999999.0",
		1e7: "1.0E7", 1.5e10: "1.5E10", math.MaxFloat64: "1.7976931348623157E308", math.SmallestNonzeroFloat64: "5.0E-324",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity",
	} {
		// Java's 4.9E-324 is the one value whose shortest form is not what it prints.
		if got := formatDouble(f); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
}

func TestConnectionOverrides(t *testing.T) {
	got, err := ConnectionOverrides(" 10.0.0.1:5, [::1]:7,fe80::2:8 ")
	if err != nil || len(got) != 3 || got["10.0.0.1"] != 5 || got["::1"] != 7 || got["fe80::2"] != 8 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ConnectionOverrides(""); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzParse: no text makes a definition panic, and a canonical value stays what it is.
func FuzzParse(f *testing.F) {
	defs := append(append(Topics().All(), Brokers().All()...), Groups().All()...)
	for i, d := range defs {
		if d.Default != nil {
			f.Add(i, *d.Default)
		}
	}
	f.Add(0, "delete,compact, ,")
	f.Add(1, "\x00 -1 ")
	f.Fuzz(func(t *testing.T, i int, raw string) {
		d := defs[((i%len(defs))+len(defs))%len(defs)]
		c, err := d.Canonical(raw)
		if err != nil {
			if !strings.Contains(err.Error(), d.Name) {
				t.Errorf("%s=%q: error does not name it: %v", d.Name, raw, err)
			}
			return
		}
		if again, err := d.Canonical(c); err != nil || again != c {
			t.Errorf("%s=%q: %q becomes %q, %v", d.Name, raw, c, again, err)
		}
	})
}
