package coordinator

import (
	"context"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
)

// Commit is an OffsetCommit whose topics and partitions exist.
type Commit struct {
	GroupID    string
	MemberID   string
	InstanceID *string
	Generation int32 // -1: not a member
	// Unknown is the answer for a member of a group that does not exist:
	// GROUP_ID_NOT_FOUND from v9 on, ILLEGAL_GENERATION before.
	Unknown   protocol.Code
	Retention time.Duration // below 0: the broker's
	Txn       *Txn          // nil: not part of a transaction
	Offsets   []PartitionOffset
}

// PartitionOffset is one offset of a Commit.
type PartitionOffset struct {
	Topic       string
	TopicID     [16]byte
	Partition   int32
	Offset      int64
	LeaderEpoch int32
	Metadata    string
}

// CheckMetadata says whether a commit's metadata is short enough, in UTF-16 units as
// Kafka counts: OFFSET_METADATA_TOO_LARGE otherwise.
func (c *Coordinator) CheckMetadata(metadata string) protocol.Code {
	limit := c.opts.MetadataMax
	if len(metadata) <= limit || utf8.RuneCountInString(metadata) <= limit && utf16Len(metadata) <= limit {
		return protocol.None
	}
	return protocol.OffsetMetadataTooLarge
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// CommitOffsets stores offsets: all of them, or the code says why not. Part of them
// may have been stored when the log fails in between, or when it takes longer than
// a commit may.
func (c *Coordinator) CommitOffsets(ctx context.Context, r *Commit) protocol.Code {
	s, code := c.shard(r.GroupID)
	if code != protocol.None {
		return code
	}
	if len(r.GroupID) > group.MaxStringBytes {
		return protocol.InvalidGroupID
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.CommitTimeout)
	defer cancel()
	// The records are made before the mutex is taken: there may be 50,000 of them.
	w, bytes := s.commitRecords(r)
	bytes = min(bytes, c.opts.PendingMax)
	if err := c.pending.Acquire(ctx, bytes); err != nil {
		return shards.StoreCode(protocol.RequestTimedOut)
	}
	outcome := make(chan protocol.Code, 1)
	w.done = func(code protocol.Code) {
		c.pending.Release(bytes)
		outcome <- code
	}
	if r.Txn != nil {
		code = s.joinTxn(ctx, w, r.Txn)
	}
	if code == protocol.None {
		code = s.commit(r, w)
	}
	if code != protocol.None {
		c.pending.Release(bytes)
		return code
	}
	code = c.outcome(ctx, outcome)
	if code == protocol.None {
		c.metrics.commits.Add(float64(len(r.Offsets)))
	}
	return code
}

// changeOverhead is what a record on its way takes beside its bytes, roughly.
const changeOverhead = 256

// commitRecords makes the records of a commit and says how much memory they take.
func (s *shard) commitRecords(r *Commit) (*write, int64) {
	s.mu.Lock()
	now := s.wall(s.now())
	s.mu.Unlock()
	w := &write{changes: make([]change, 0, len(r.Offsets))}
	var bytes int64
	for i := range r.Offsets {
		p := &r.Offsets[i]
		o := group.Offset{
			Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata,
			CommittedAt: now, ExpiresAt: -1, TopicID: p.TopicID,
		}
		if r.Retention >= 0 {
			o.ExpiresAt = now + r.Retention.Milliseconds()
		}
		rec := group.OffsetRecord(r.GroupID, p.Topic, p.Partition, &o)
		bytes += int64(len(rec.Key)+len(rec.Value)) + changeOverhead
		w.add(change{kind: storesOffset, record: rec, topic: p.Topic, partition: p.Partition, offset: o})
	}
	return w, bytes
}

// commit checks the sender's right to commit and queues the records.
func (s *shard) commit(r *Commit, w *write) protocol.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return code
	}
	now := s.now()
	e := s.groups[r.GroupID]
	if e == nil {
		if r.Generation >= 0 {
			return r.Unknown
		}
		var code protocol.Code
		if e, code = s.create(r.GroupID, now, true); code != protocol.None {
			return code
		}
	}
	check := e.group.CheckCommit
	if r.Txn != nil {
		check = e.group.CheckTxnCommit
	}
	if code := check(r.MemberID, r.InstanceID, r.Generation); code != protocol.None {
		return code
	}
	e.group.Committed(now, r.MemberID)
	w.entry = e
	s.enqueue(w)
	return protocol.None
}

// FetchTopic asks for offsets of a topic. With a topic id, offsets committed to an
// older topic of the same name do not count.
type FetchTopic struct {
	Topic      string
	TopicID    [16]byte // zero: by name only
	Partitions []int32
}

// FetchedOffset is an offset that was found, or not.
type FetchedOffset struct {
	Partition int32
	Found     bool
	// Unstable: an open transaction has an offset of the partition that is not
	// decided (KIP-447).
	Unstable bool
	group.Offset
}

// FetchedTopic is the answer to a FetchTopic.
type FetchedTopic struct {
	Topic   string
	Offsets []FetchedOffset
}

// FetchOffsets returns the committed offsets of the topics, in their order, or all
// that there are with all. An unknown group has none.
func (c *Coordinator) FetchOffsets(id string, topics []FetchTopic, all bool) ([]FetchedTopic, protocol.Code) {
	s, code := c.shard(id)
	if code != protocol.None {
		return nil, code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return nil, code
	}
	var offsets *group.Offsets
	if e := s.groups[id]; e != nil {
		offsets = &e.offsets
	} else {
		offsets = new(group.Offsets)
	}
	if all {
		return s.fetchAll(offsets), protocol.None
	}
	fetched := make([]FetchedTopic, 0, len(topics))
	for i := range topics {
		fetched = append(fetched, s.fetch(offsets, &topics[i]))
	}
	return fetched, protocol.None
}

func (s *shard) fetch(offsets *group.Offsets, t *FetchTopic) FetchedTopic {
	id := t.TopicID
	if id == [16]byte{} {
		id, _ = s.topicID(t.Topic)
	}
	f := FetchedTopic{Topic: t.Topic, Offsets: make([]FetchedOffset, 0, len(t.Partitions))}
	for _, p := range t.Partitions {
		o, ok := offsets.Get(t.Topic, p, id)
		f.Offsets = append(f.Offsets, FetchedOffset{
			Partition: p, Found: ok, Unstable: offsets.Unstable(t.Topic, p), Offset: o,
		})
	}
	return f
}

// fetchAll lists all durable offsets by topic.
func (s *shard) fetchAll(offsets *group.Offsets) []FetchedTopic {
	fetched := []FetchedTopic{}
	for _, tp := range offsets.Partitions() {
		id, _ := s.topicID(tp.Topic)
		o, ok := offsets.Get(tp.Topic, tp.Partition, id)
		if !ok {
			continue
		}
		if n := len(fetched); n == 0 || fetched[n-1].Topic != tp.Topic {
			fetched = append(fetched, FetchedTopic{Topic: tp.Topic})
		}
		last := &fetched[len(fetched)-1]
		last.Offsets = append(last.Offsets, FetchedOffset{
			Partition: tp.Partition, Found: true, Unstable: offsets.Unstable(tp.Topic, tp.Partition), Offset: o,
		})
	}
	return fetched
}

// DeleteOffsets handles an OffsetDelete of partitions that exist: a code per
// partition, or one for all of them.
func (c *Coordinator) DeleteOffsets(ctx context.Context, id string, list []group.TopicPartition) ([]protocol.Code, protocol.Code) {
	return c.change(ctx, id, func(s *shard, outcome chan protocol.Code) ([]protocol.Code, protocol.Code) {
		return s.deleteOffsets(id, list, outcome)
	})
}

func (s *shard) deleteOffsets(id string, list []group.TopicPartition, outcome chan protocol.Code) ([]protocol.Code, protocol.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return nil, code
	}
	e := s.groups[id]
	if e == nil {
		return nil, protocol.GroupIDNotFound
	}
	if code := e.group.CheckOffsetDelete(); code != protocol.None {
		return nil, code
	}
	codes := make([]protocol.Code, len(list))
	var remove []group.TopicPartition
	for i, tp := range list {
		switch {
		case e.group.Subscribes(tp.Topic):
			codes[i] = protocol.GroupSubscribedToTopic
		case e.offsets.Has(tp.Topic, tp.Partition):
			remove = append(remove, tp)
		}
	}
	s.removeOffsets(e, remove, false, time.Time{}, func(c protocol.Code) { outcome <- c })
	return codes, protocol.None
}
