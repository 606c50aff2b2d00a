package config

import (
	"maps"
	"slices"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// Topic is a topic's settings in the form in which the broker uses them. It is
// computed once per change, never per request.
type Topic struct {
	// What a batch must keep to.
	MaxMessageBytes             int32 // bytes, as received
	MaxDecompressedMessageBytes int32 // bytes of one record
	LogAppendTime               bool
	TimestampBeforeMax          int64 // ms
	TimestampAfterMax           int64 // ms
	// Compression is record.CodecProducer when batches stay as they come;
	// CompressionLevel belongs to any other codec, and is 0 for those without levels.
	Compression      record.Codec
	CompressionLevel int

	// How old records go. With neither policy nothing does.
	Delete                 bool
	Compact                bool
	RetentionMs            int64 // -1: no limit
	RetentionBytes         int64 // -1: no limit
	DeleteRetentionMs      int64
	MinCompactionLagMs     int64
	MaxCompactionLagMs     int64
	MinCleanableDirtyRatio float64

	// SegmentBytes is above any batch that is taken; both bound what is merged.
	SegmentBytes int32
	SegmentMs    int64

	MinInsyncReplicas int32 // remembered and shown only
}

// Rules returns what a batch of a produce request of this version must keep to. now is
// the broker's clock, ms.
func (t *Topic) Rules(version int16, now int64) record.Rules {
	return record.Rules{
		ProduceVersion:     version,
		Now:                now,
		LogAppendTime:      t.LogAppendTime,
		TimestampBeforeMax: t.TimestampBeforeMax,
		TimestampAfterMax:  t.TimestampAfterMax,
		Compacted:          t.Compact,
		MaxMessageBytes:    int(t.MaxMessageBytes),
		MaxRecordBytes:     int(t.MaxDecompressedMessageBytes),
		Compression:        t.Compression,
	}
}

// NewTopic resolves a topic's settings: what is set for it, else what the broker says
// under the setting's synonyms, else the default. set must be validated already.
func NewTopic(set map[string]string, b *Broker) Topic {
	get := func(name string) Value { return topicValue(set, b, name) }
	t := Topic{
		MaxMessageBytes:             int32(get("max.message.bytes").Int),
		MaxDecompressedMessageBytes: int32(get("max.decompressed.message.bytes").Int),
		LogAppendTime:               get("message.timestamp.type").Str == "LogAppendTime",
		TimestampBeforeMax:          get("message.timestamp.before.max.ms").Int,
		TimestampAfterMax:           get("message.timestamp.after.max.ms").Int,
		RetentionMs:                 unlimited(get("retention.ms").Int),
		RetentionBytes:              unlimited(get("retention.bytes").Int),
		DeleteRetentionMs:           get("delete.retention.ms").Int,
		MinCompactionLagMs:          get("min.compaction.lag.ms").Int,
		MaxCompactionLagMs:          get("max.compaction.lag.ms").Int,
		MinCleanableDirtyRatio:      get("min.cleanable.dirty.ratio").Num,
		SegmentBytes:                int32(get("segment.bytes").Int),
		SegmentMs:                   get("segment.ms").Int,
		MinInsyncReplicas:           int32(get("min.insync.replicas").Int),
	}
	policy := get("cleanup.policy").List
	t.Delete = slices.Contains(policy, "delete")
	t.Compact = slices.Contains(policy, "compact")
	t.Compression, t.CompressionLevel = compression(get)
	return t
}

// unlimited maps every negative limit to -1, as Kafka treats them.
func unlimited(n int64) int64 { return max(n, -1) }

func compression(get func(string) Value) (record.Codec, int) {
	name := get("compression.type").Str
	codec, ok := record.ParseCodec(name)
	if !ok {
		panic("config: not validated: compression.type=" + name)
	}
	switch codec {
	case record.CodecGzip, record.CodecLZ4, record.CodecZstd:
		return codec, int(get("compression." + name + ".level").Int)
	}
	return codec, 0
}

// topicValue is the value in force of one topic setting.
func topicValue(set map[string]string, b *Broker, name string) Value {
	d := topicTable.Get(name)
	if raw, ok := set[name]; ok {
		v, err := parse(name, d.Type, raw)
		if err != nil {
			panic("config: not validated: " + err.Error())
		}
		return dedupe(v)
	}
	if v, ok := b.resolve(d.Synonyms); ok {
		return v
	}
	v, err := parse(name, d.Type, *d.Default)
	if err != nil {
		panic("config: default of " + name + ": " + err.Error())
	}
	return v
}

// dedupe drops repeated elements of a topic's list, which Kafka accepts and forgets.
func dedupe(v Value) Value {
	if v.Type != List {
		return v
	}
	var out []string
	for _, s := range v.List {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	v.List = out
	return v
}

// CheckTopic validates a topic's whole set of settings. The error is a
// *protocol.Error of INVALID_CONFIG with Kafka's text.
func CheckTopic(set map[string]string, b *Broker) error {
	if err := CheckTopicValues(set); err != nil {
		return err
	}
	return checkTopicTogether(set, b)
}

// CheckTopicValues validates each setting by itself, without the rules over several
// settings and the broker's. NewTopic needs no more than this.
func CheckTopicValues(set map[string]string) error {
	names := slices.Sorted(maps.Keys(set))
	for _, name := range names {
		if topicTable.Get(name) == nil {
			return protocol.Errorf(protocol.InvalidConfig, "Unknown topic config name: %s", name)
		}
	}
	for _, name := range names {
		if _, err := topicTable.Get(name).Parse(set[name]); err != nil {
			return protocol.Errorf(protocol.InvalidConfig, "%s", err)
		}
	}
	return nil
}

// checkTopicTogether holds the rules over several settings.
func checkTopicTogether(set map[string]string, b *Broker) error {
	lo := topicValue(set, b, "min.compaction.lag.ms").Int
	hi := topicValue(set, b, "max.compaction.lag.ms").Int
	if lo > hi {
		return protocol.Errorf(protocol.InvalidConfig,
			"conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", lo, hi)
	}
	if topicValue(set, b, "remote.storage.enable").Bool() {
		return protocol.Errorf(protocol.InvalidConfig, "Tiered Storage functionality is disabled in the broker. "+
			"Topic cannot be configured with remote log storage.")
	}
	return nil
}

// NotActing returns the settings of a set that are stored for later work or have no
// effect here, by name.
func NotActing(set map[string]string) []string {
	var out []string
	for name := range set {
		d := topicTable.Get(name)
		if d == nil {
			continue
		}
		if d.Effect != Acts {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
