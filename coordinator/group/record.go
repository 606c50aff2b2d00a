package group

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of the records of __consumer_offsets, as Kafka 4.4 writes them.
const (
	offsetKeyVersion     = 1
	offsetValueVersion   = 4 // carries the topic id
	offsetExpiresVersion = 1 // the only one with an expiry of its own
	groupKeyVersion      = 2
	groupValueVersion    = 3
)

// MaxStringBytes bounds every name in a record: keys and group values have strings
// with a 16-bit length.
const MaxStringBytes = math.MaxInt16

// Record is a record of __consumer_offsets. A nil Value removes the key.
type Record struct{ Key, Value []byte }

func groupKey(id string) []byte {
	k := kmsg.NewGroupMetadataKey()
	k.Version, k.Group = groupKeyVersion, id
	return k.AppendTo(nil)
}

// Tombstone returns the record that removes a group.
func Tombstone(id string) Record { return Record{Key: groupKey(id)} }

// creationRecord is the record of a group that nobody has joined yet, as far as the
// log is concerned.
func (g *Group) creationRecord() Record {
	v := kmsg.NewGroupMetadataValue()
	v.Version, v.CurrentStateTimestamp = groupValueVersion, g.stamp
	return Record{Key: groupKey(g.id), Value: v.AppendTo(nil)}
}

// record is the group as it is, its members with these assignments.
func (g *Group) record(assignments map[string][]byte) Record {
	v := kmsg.NewGroupMetadataValue()
	v.Version = groupValueVersion
	v.ProtocolType, v.Generation, v.Protocol = g.protocolType, g.generation, g.protocol
	v.CurrentStateTimestamp = g.stamp
	if g.leader != "" {
		leader := g.leader
		v.Leader = &leader
	}
	for _, m := range g.members {
		subscription, _ := m.metadata(*g.protocol)
		e := kmsg.NewGroupMetadataValueMember()
		e.MemberID, e.InstanceID = m.id, m.instance
		e.ClientID, e.ClientHost = m.clientID, m.clientHost
		e.RebalanceTimeoutMillis = millis(m.rebalanceTimeout)
		e.SessionTimeoutMillis = millis(m.sessionTimeout)
		e.Subscription, e.Assignment = subscription, assignments[m.id]
		v.Members = append(v.Members, e)
	}
	return Record{Key: groupKey(g.id), Value: v.AppendTo(nil)}
}

func millis(d time.Duration) int32 {
	return int32(min(d.Milliseconds(), math.MaxInt32))
}

// Load makes the group that a record describes: stable if it has members. Sessions
// do not run before Loaded. The group keeps nothing of v.
func Load(id string, cfg *Config, v *kmsg.GroupMetadataValue) (*Group, error) {
	g := New(id, cfg, time.Time{}, true)
	g.previous, g.stamp = Dead, v.CurrentStateTimestamp
	g.generation, g.protocolType, g.protocol = v.Generation, v.ProtocolType, v.Protocol
	if v.Leader != nil {
		g.leader = *v.Leader
	}
	if len(v.Members) > 0 && v.Protocol == nil {
		return nil, fmt.Errorf("group %q: a record with %d members and no protocol", id, len(v.Members))
	}
	for i := range v.Members {
		m := &v.Members[i]
		if g.byID[m.MemberID] != nil {
			return nil, fmt.Errorf("group %q: a record with member %q twice", id, m.MemberID)
		}
		if m.InstanceID != nil && g.static[*m.InstanceID] != "" {
			return nil, fmt.Errorf("group %q: a record with static member %q twice", id, *m.InstanceID)
		}
		g.add(loadedMember(v, m), v.ProtocolType)
	}
	if len(g.members) > 0 {
		g.state = Stable
	}
	g.mend()
	if g.byID[g.leader] == nil {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
	g.learnTopics()
	return g, nil
}

func loadedMember(v *kmsg.GroupMetadataValue, m *kmsg.GroupMetadataValueMember) *member {
	rebalance := m.RebalanceTimeoutMillis
	if rebalance == -1 {
		rebalance = m.SessionTimeoutMillis
	}
	loaded := &member{
		id: m.MemberID, instance: m.InstanceID, clientID: m.ClientID, clientHost: m.ClientHost,
		sessionTimeout:   time.Duration(m.SessionTimeoutMillis) * time.Millisecond,
		rebalanceTimeout: time.Duration(rebalance) * time.Millisecond,
		assignment:       bytes.Clone(m.Assignment),
	}
	loaded.speaks([]Protocol{{Name: *v.Protocol, Metadata: bytes.Clone(m.Subscription)}})
	return loaded
}

// Loaded starts the sessions of a group that was read from the log. A group above
// group.max.size rebalances, so that its last members are turned away, and so does one
// whose record was damaged.
func (g *Group) Loaded(now time.Time) Effects {
	var fx Effects
	for _, m := range g.members {
		m.touch(now)
	}
	if len(g.members) > g.cfg.MaxSize || len(g.damage) > 0 {
		g.prepare(now, &fx)
	}
	return fx
}

// OffsetRecord returns the record of a committed offset.
func OffsetRecord(id, topic string, partition int32, o *Offset) Record {
	v := kmsg.NewOffsetCommitValue()
	v.Version = offsetValueVersion
	v.Offset, v.LeaderEpoch, v.Metadata = o.Offset, o.LeaderEpoch, o.Metadata
	v.CommitTimestamp, v.TopicID = o.CommittedAt, o.TopicID
	if o.ExpiresAt >= 0 {
		v.Version, v.ExpireTimestamp = offsetExpiresVersion, o.ExpiresAt
	}
	return Record{Key: offsetKey(id, topic, partition), Value: v.AppendTo(nil)}
}

// OffsetTombstone returns the record that removes a committed offset.
func OffsetTombstone(id, topic string, partition int32) Record {
	return Record{Key: offsetKey(id, topic, partition)}
}

func offsetKey(id, topic string, partition int32) []byte {
	k := kmsg.NewOffsetCommitKey()
	k.Version, k.Group, k.Topic, k.Partition = offsetKeyVersion, id, topic, partition
	return k.AppendTo(make([]byte, 0, 10+len(id)+len(topic)))
}

// Decoded is a record of __consumer_offsets that was read. A record with a topic is
// about an offset, else it is about the group; without Offset or Group value it
// removes its key. Bytes in Group are those of the record and valid as long as it is.
type Decoded struct {
	ID        string
	IsOffset  bool
	Topic     string
	Partition int32
	Offset    *Offset
	Group     *kmsg.GroupMetadataValue
}

// Decode reads a record. ok is false for a kind of record that is not known here
// (those of newer group types), which is skipped. An error means damage.
func Decode(r Record) (d Decoded, ok bool, err error) {
	if len(r.Key) < 2 {
		return d, false, fmt.Errorf("group record with a key of %d bytes", len(r.Key))
	}
	switch v := int16(binary.BigEndian.Uint16(r.Key)); v {
	case 0, offsetKeyVersion:
		d, err = decodeOffset(r)
	case groupKeyVersion:
		d, err = decodeGroup(r)
	default:
		return d, false, nil
	}
	return d, err == nil, err
}

func decodeOffset(r Record) (Decoded, error) {
	k := kmsg.NewOffsetCommitKey()
	if err := k.ReadFrom(r.Key); err != nil {
		return Decoded{}, fmt.Errorf("key of an offset record: %w", err)
	}
	d := Decoded{ID: k.Group, IsOffset: true, Topic: k.Topic, Partition: k.Partition}
	if r.Value == nil {
		return d, nil
	}
	v := kmsg.NewOffsetCommitValue()
	if err := v.ReadFrom(r.Value); err != nil {
		return Decoded{}, fmt.Errorf("offset of group %q: %w", k.Group, err)
	}
	d.Offset = &Offset{
		Offset: v.Offset, LeaderEpoch: -1, Metadata: v.Metadata,
		CommittedAt: v.CommitTimestamp, ExpiresAt: -1, TopicID: v.TopicID,
	}
	if v.Version >= 3 {
		d.Offset.LeaderEpoch = v.LeaderEpoch
	}
	if v.Version == offsetExpiresVersion {
		d.Offset.ExpiresAt = v.ExpireTimestamp
	}
	return d, nil
}

func decodeGroup(r Record) (Decoded, error) {
	k := kmsg.NewGroupMetadataKey()
	if err := k.ReadFrom(r.Key); err != nil {
		return Decoded{}, fmt.Errorf("key of a group record: %w", err)
	}
	d := Decoded{ID: k.Group}
	if r.Value == nil {
		return d, nil
	}
	v := kmsg.NewGroupMetadataValue()
	if err := v.ReadFrom(r.Value); err != nil {
		return Decoded{}, fmt.Errorf("record of group %q: %w", k.Group, err)
	}
	d.Group = &v
	return d, nil
}
