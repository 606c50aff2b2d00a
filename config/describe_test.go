package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/protocol/record"
)

// show prints an entry as "value SOURCE [synonym=value SOURCE, ...]".
func show(e Entry) string {
	text := func(v *string) string {
		if v == nil {
			return "null"
		}
		return *v
	}
	var synonyms []string
	for _, s := range e.Synonyms {
		synonyms = append(synonyms, fmt.Sprintf("%s=%s %d", s.Name, text(s.Value), s.Source))
	}
	return fmt.Sprintf("%s %d [%s]", text(e.Value), e.Source, strings.Join(synonyms, ", "))
}

// TestLayers has what a broker of Kafka 4.4.0 that was started with
// log.retention.hours=100 showed, change by change.
func TestLayers(t *testing.T) {
	static := NewBroker(1, map[string]string{"log.retention.hours": "100"})
	dynamic := static.With(map[string]string{"log.retention.ms": "5"}, nil)
	both := static.With(map[string]string{"max.connections.per.ip": "6", "log.retention.ms": "5"}, map[string]string{"log.retention.ms": "7", "max.connections.per.ip": "8"})
	set := map[string]string{"retention.ms": " +9 ", "cleanup.policy": "compact,compact"}
	for _, c := range []struct {
		what string
		got  []Entry
		want string
	}{
		{"hours do not show as ms", DescribeTopic(nil, static, []string{"retention.ms"}), "360000000 5 []"},
		{"cluster-wide", DescribeTopic(nil, dynamic, []string{"retention.ms"}), "5 3 [log.retention.ms=5 3, log.retention.hours=100 4, log.retention.hours=168 5]"},
		{"own before cluster-wide", DescribeTopic(nil, both, []string{"retention.ms"}),
			"7 2 [log.retention.ms=7 2, log.retention.ms=5 3, log.retention.hours=100 4, log.retention.hours=168 5]"},
		{"the topic's own", DescribeTopic(set, static, []string{"retention.ms"}), "9 1 [retention.ms=9 1]"},
		{"a list", DescribeTopic(set, static, []string{"cleanup.policy"}), "compact 1 [cleanup.policy=compact 1, log.cleanup.policy=delete 5]"},
		{"a broker's setting", DescribeBroker(both, []string{"max.connections.per.ip"}),
			"8 2 [max.connections.per.ip=8 2, max.connections.per.ip=6 3, max.connections.per.ip=2147483647 5]"},
		{"a family", DescribeBroker(both, []string{"log.retention.ms"}),
			"7 2 [log.retention.ms=7 2, log.retention.ms=5 3, log.retention.hours=100 4, log.retention.hours=168 5]"},
		{"all brokers", DescribeClusterDefault(both, []string{"log.retention.ms"}), "5 3 [log.retention.ms=5 3]"},
		{"only when set", DescribeBroker(static.With(nil, map[string]string{"leader.replication.throttled.rate": "3"}), []string{"leader.replication.throttled.rate"}),
			"3 2 [leader.replication.throttled.rate=3 2]"},
		{"a secret", DescribeBroker(NewBroker(1, map[string]string{"s3.secret.key": "x"}), []string{"s3.secret.key"}), "null 4 [s3.secret.key=null 4]"},
		{"a group's own", DescribeGroup(map[string]string{"consumer.session.timeout.ms": "50000"}, static, []string{"consumer.session.timeout.ms"}),
			"50000 8 [consumer.session.timeout.ms=50000 8, group.consumer.session.timeout.ms=45000 5]"},
	} {
		if len(c.got) != 1 || show(c.got[0]) != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.what, c.got, c.want)
			if len(c.got) == 1 {
				t.Error(show(c.got[0]))
			}
		}
	}
	if got := DescribeBroker(static, []string{"leader.replication.throttled.rate"}); len(got) != 0 {
		t.Errorf("shown though not set: %v", got)
	}
	if got := DescribeClusterDefault(static, nil); len(got) != 0 {
		t.Errorf("nothing is set for all brokers: %v", got)
	}
	if got := DescribeTopic(nil, static, []string{"unknown", "retention.ms", "flush.ms"}); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestNewTopic(t *testing.T) {
	got := NewTopic(nil, NewBroker(1, nil))
	want := Topic{
		MaxMessageBytes: 1048588, MaxDecompressedMessageBytes: MaxDecompressed,
		TimestampBeforeMax: math.MaxInt64, TimestampAfterMax: 3600000, Compression: record.CodecProducer,
		Delete: true, RetentionMs: 604800000, RetentionBytes: -1, DeleteRetentionMs: 86400000,
		MaxCompactionLagMs: math.MaxInt64, MinCleanableDirtyRatio: 0.5,
		SegmentBytes: 1 << 30, SegmentMs: 604800000, MinInsyncReplicas: 1,
	}
	if got != want {
		t.Errorf("\ngot  %+v\nwant %+v", got, want)
	}
	b := NewBroker(1, map[string]string{
		"log.retention.hours": "1", "log.retention.minutes": "2", "log.roll.hours": "3", "message.max.bytes": "10",
		"compression.type": "zstd", "compression.zstd.level": "7", "log.message.timestamp.type": "LogAppendTime",
	})
	got = NewTopic(map[string]string{"cleanup.policy": "compact", "retention.bytes": "-5", "max.message.bytes": " 20 "}, b)
	if got.RetentionMs != 120000 || got.SegmentMs != 3*3600000 || got.MaxMessageBytes != 20 || !got.LogAppendTime ||
		got.Compression != record.CodecZstd || got.CompressionLevel != 7 || got.Delete || !got.Compact || got.RetentionBytes != -1 {
		t.Errorf("%+v", got)
	}
	ms := b.With(map[string]string{"log.retention.ms": "-7"}, nil)
	if got := NewTopic(map[string]string{"compression.type": "snappy"}, ms); got.RetentionMs != -1 || got.Compression != record.CodecSnappy || got.CompressionLevel != 0 {
		t.Errorf("%+v", got)
	}
	if got := NewTopic(map[string]string{"cleanup.policy": ""}, ms); got.Delete || got.Compact {
		t.Errorf("%+v", got)
	}
	rules := got.Rules(9, 77)
	if rules.ProduceVersion != 9 || rules.Now != 77 || !rules.Compacted || rules.MaxMessageBytes != 20 || rules.Compression != record.CodecZstd {
		t.Errorf("%+v", rules)
	}
}

func TestNotActing(t *testing.T) {
	got := NotActing(map[string]string{"retention.ms": "1", "segment.jitter.ms": "1", "segment.ms": "1", "cleanup.policy": "delete,compact", "flush.ms": "1"})
	if want := []string{"flush.ms", "segment.jitter.ms"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := NotActing(map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestTogether(t *testing.T) {
	for _, static := range []map[string]string{
		{"log.retention.ms": "0"}, {"log.retention.hours": "0"}, {"group.min.session.timeout.ms": "1900000"},
		{"group.consumer.session.timeout.ms": "1"}, {"group.share.min.session.timeout.ms": "70000"},
		{"log.cleaner.min.compaction.lag.ms": "9", "log.cleaner.max.compaction.lag.ms": "8"},
	} {
		if faults := CheckTogether(NewBroker(1, static)); len(faults) == 0 {
			t.Errorf("%v passes", static)
		}
	}
}
