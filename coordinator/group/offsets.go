package group

import (
	"cmp"
	"slices"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// Offset is a committed offset.
type Offset struct {
	Offset      int64
	LeaderEpoch int32 // -1 if the client did not say
	Metadata    string
	CommittedAt int64 // ms of wall time
	ExpiresAt   int64 // ms of wall time; -1: by the group's retention
	TopicID     [16]byte
	At          int64 // offset of its record in the log
}

// TopicPartition names a partition by its topic's name.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// slot is what is known of one partition's offset: the durable one, those of open
// transactions, and how many records about it are on their way.
type slot struct {
	value    Offset
	present  bool
	inFlight int32
	pending  []pending
}

// Offsets are the offsets a group has committed. Only durable ones are visible.
// The zero value is empty and ready.
type Offsets struct {
	topics map[string]map[int32]*slot
	count  int
	open   map[int64][]TopicPartition // by producer: where it may have pending offsets
}

// Len returns how many durable offsets there are.
func (o *Offsets) Len() int { return o.count }

func (o *Offsets) find(topic string, partition int32) *slot { return o.topics[topic][partition] }

func (o *Offsets) slot(topic string, partition int32) *slot {
	if o.topics == nil {
		o.topics = make(map[string]map[int32]*slot)
	}
	partitions := o.topics[topic]
	if partitions == nil {
		partitions = make(map[int32]*slot)
		o.topics[topic] = partitions
	}
	s := partitions[partition]
	if s == nil {
		s = new(slot)
		partitions[partition] = s
	}
	return s
}

func (o *Offsets) prune(topic string, partition int32, s *slot) {
	if s.present || s.inFlight > 0 || len(s.pending) > 0 {
		return
	}
	delete(o.topics[topic], partition)
	if len(o.topics[topic]) == 0 {
		delete(o.topics, topic)
	}
}

// Begin notes that a record about the partition is on its way to disk.
func (o *Offsets) Begin(topic string, partition int32) { o.slot(topic, partition).inFlight++ }

// End notes what became of a record announced by Begin that failed or that Set or
// Delete has applied.
func (o *Offsets) End(topic string, partition int32) {
	if s := o.find(topic, partition); s != nil {
		s.inFlight--
		o.prune(topic, partition, s)
	}
}

// Set makes a durable offset visible. Records are applied in the log's order.
func (o *Offsets) Set(topic string, partition int32, v Offset) {
	s := o.slot(topic, partition)
	if !s.present {
		o.count++
	}
	s.value, s.present = v, true
}

// Delete forgets an offset whose removal is durable, and pending ones with it, as
// Kafka does.
func (o *Offsets) Delete(topic string, partition int32) {
	s := o.find(topic, partition)
	if s == nil {
		return
	}
	if s.present {
		o.count--
	}
	s.value, s.present = Offset{}, false
	for _, p := range s.pending {
		o.dropOpen(p.producer, TopicPartition{topic, partition})
	}
	s.pending = nil
	o.prune(topic, partition, s)
}

// Get returns the durable offset of a partition. With a topic id that differs from
// the one the offset was committed under, the offset is of a deleted topic of the
// same name and does not count; a zero id on either side matches.
func (o *Offsets) Get(topic string, partition int32, id [16]byte) (Offset, bool) {
	s := o.find(topic, partition)
	if s == nil || !s.present {
		return Offset{}, false
	}
	zero := [16]byte{}
	if id != zero && s.value.TopicID != zero && s.value.TopicID != id {
		return Offset{}, false
	}
	return s.value, true
}

// Has says whether a removal would have anything to remove: a durable offset, or a
// record on its way.
func (o *Offsets) Has(topic string, partition int32) bool {
	return o.find(topic, partition) != nil
}

// Partitions lists what Has is true for, by topic and partition.
func (o *Offsets) Partitions() []TopicPartition {
	list := make([]TopicPartition, 0, o.count)
	for topic, partitions := range o.topics {
		for p := range partitions {
			list = append(list, TopicPartition{topic, p})
		}
	}
	slices.SortFunc(list, func(a, b TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// settled says whether the broker may remove the durable offset by itself: no record about
// the partition is on its way, and no open transaction has staged another offset, which
// its tombstone would take along. What is not settled is left for the next look. An
// administrator's removal does not ask: it means all there is, as in Kafka.
func (s *slot) settled() bool { return s.present && s.inFlight == 0 && len(s.pending) == 0 }

// Outdated lists the settled offsets of topics that exist no more: current returns a
// topic's id by name.
func (o *Offsets) Outdated(current func(topic string) (id [16]byte, ok bool)) []TopicPartition {
	var list []TopicPartition
	for topic, partitions := range o.topics {
		id, ok := current(topic)
		for p, s := range partitions {
			if !s.settled() {
				continue
			}
			if _, same := o.Get(topic, p, id); !ok || !same {
				list = append(list, TopicPartition{topic, p})
			}
		}
	}
	return list
}

// CheckCommit says whether a member, or somebody outside the group, may commit
// offsets. A commit with generation -1 and no member comes from a client that
// manages its partitions itself.
func (g *Group) CheckCommit(memberID string, instance *string, generation int32) protocol.Code {
	if !g.is(Dead) && !g.is(Empty) && outsider(memberID, instance, generation) {
		return protocol.UnknownMemberID
	}
	code := g.CheckTxnCommit(memberID, instance, generation)
	if code == protocol.None && generation >= 0 && g.is(CompletingRebalance) {
		return protocol.RebalanceInProgress
	}
	return code
}

// CheckTxnCommit says the same of a commit inside a transaction (KIP-447). Producers
// of before Kafka 2.5 do not say who they are; a transaction vouches for them.
func (g *Group) CheckTxnCommit(memberID string, instance *string, generation int32) protocol.Code {
	switch {
	case g.is(Dead):
		return protocol.CoordinatorNotAvailable
	case generation < 0 && g.is(Empty), outsider(memberID, instance, generation):
		return protocol.None
	}
	if code := g.validate(memberID, instance); code != protocol.None {
		return code
	}
	if generation != g.generation {
		return protocol.IllegalGeneration
	}
	return protocol.None
}

// outsider says whether a commit claims no membership at all.
func outsider(memberID string, instance *string, generation int32) bool {
	return generation < 0 && memberID == "" && instance == nil
}

// Committed counts an accepted commit as a heartbeat.
func (g *Group) Committed(now time.Time, memberID string) {
	if m := g.byID[memberID]; m != nil && (g.is(Stable) || g.is(PreparingRebalance)) {
		m.touch(now)
	}
}

// CheckOffsetDelete says whether offsets of the group may be deleted at all. In a
// live consumer group those of topics it does not subscribe to may be.
func (g *Group) CheckOffsetDelete() protocol.Code {
	switch {
	case g.is(Dead):
		return protocol.CoordinatorNotAvailable
	case !g.is(Empty) && g.protocolType != consumerProtocol:
		return protocol.NonEmptyGroup
	}
	return protocol.None
}

// CheckDelete says whether the group may be deleted.
func (g *Group) CheckDelete() protocol.Code {
	switch {
	case g.is(Dead):
		return protocol.CoordinatorNotAvailable
	case !g.is(Empty):
		return protocol.NonEmptyGroup
	}
	return protocol.None
}

// Expired lists the offsets whose time has come at now (ms of wall time), and says
// whether the group has no others, so that it may be removed itself if it is idle
// (KIP-211). The time counts from when the group became empty, or from the commit
// in a group that nobody ever joined and in a stable one for topics that it does
// not subscribe to. While a group rebalances nothing expires.
func (g *Group) Expired(o *Offsets, now int64, retention time.Duration) (expired []TopicPartition, all bool) {
	if len(o.topics) == 0 {
		return nil, true
	}
	sinceEmpty := false
	switch {
	case g.protocolType == "":
	case g.is(Empty):
		sinceEmpty = g.stamp >= 0
	case g.is(Stable) && g.knowsSubscribed:
	default:
		return nil, false
	}
	all = true
	for topic, partitions := range o.topics {
		subscribed := g.Subscribes(topic)
		for p, s := range partitions {
			since := s.value.CommittedAt
			if sinceEmpty {
				since = g.stamp
			}
			due := now-since >= retention.Milliseconds()
			if s.value.ExpiresAt >= 0 {
				due = now >= s.value.ExpiresAt
			}
			if subscribed || !due || !s.settled() {
				all = false
				continue
			}
			expired = append(expired, TopicPartition{topic, p})
		}
	}
	return expired, all
}
