// Package produce answers Produce: a request is parsed as it arrives (produce.go), each
// batch is checked and appended, or refused (refusal.go says with what), and the answer
// (answer.go) settles when its last batch is durable.
package produce

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Produce (key 0), versions 3 to 13; 0 to 2 are shown by ApiVersions and refused, as
// in Kafka (KAFKA-18659).
//
//	 3  batches of format 2, transactional id
//	 5  the answer has the log start offset
//	 7  zstd (KIP-110)
//	 8  the answer has record errors and a message (KIP-467)
//	 9  flexible
//	10  the answer has leader and endpoints on NOT_LEADER_OR_FOLLOWER (KIP-951)
//	11, 12  error codes and implicit transaction joins (KIP-890)
//	13  topic ids instead of names (KIP-516)
//
// A request is parsed as it arrives: each batch is checked as soon as it is whole
// and appended from where the socket put it, so a request of 100 MiB needs the
// memory of a chunk. If the frame breaks midway, earlier batches stay appended.
//
// Not done: quotas, and NOT_ENOUGH_REPLICAS for lack of replicas, since with one
// replica min(min.insync.replicas, 1) always holds. Of two batches for one partition in a request the first is taken and
// answered, the other ignored.

// Handler is the handler of Produce. Verifies is transaction.partition.verification.enable.
type Handler struct {
	Topics       api.Directory
	Log          api.Log
	Transactions api.Transactions
	Verifies     func() bool
	Leaders      leaders.Leaders
	Now          func() time.Time
	// MaxBatchBytes is max.decompressed.batch.bytes.
	MaxBatchBytes int64
	Logger        *zap.Logger

	lines lines
}

// Stream is Produce on one connection. Serve runs on the connection's reader.
type Stream struct {
	*Handler
	out  *wire.Outbox
	conn *api.ConnInfo
	seen seenPartitions
}

// Open begins Produce on a connection whose answers go to out.
func (p *Handler) Open(out *wire.Outbox, conn *api.ConnInfo) api.Stream {
	return &Stream{Handler: p, out: out, conn: conn}
}

// noTimeout is what a timeout of zero or less becomes: Kafka with one replica never
// waits, so such requests succeed there.
const noTimeout = time.Second

// Serve reads one request from in, appends its batches and pushes the answer, which
// settles when the last batch is durable. It waits for bytes and, as long as the
// request's timeout allows, for room in the log; not for durability. An error closes the connection.
func (s *Stream) Serve(ctx context.Context, r *api.Request, in *wire.Input, start time.Time, meter api.Meter) error {
	view := s.Leaders.View()
	q := &produceParser{
		Stream: s, request: r,
		f:   wire.Fields{In: in, Flexible: r.Version >= 9},
		now: s.Now().UnixMilli(),
		answer: &produceAnswer{
			request: r, view: view, out: s.out, start: start, meter: meter,
		},
	}
	q.ctx.Context = ctx
	defer q.ctx.end()
	q.answer.left.Store(1) // the parser's own hold
	s.seen.reset()
	if err := q.parse(); err != nil {
		return err
	}
	a := q.answer
	a.slot.Answer, a.slot.Deadline, a.slot.Hold = a, time.Now().Add(q.ctx.timeout), r.Bill.Holder()
	if err := s.out.Push(ctx, &a.slot); err != nil {
		return err
	}
	a.release()
	return nil
}

// produceParser walks one request.
type produceParser struct {
	*Stream
	ctx     patience
	request *api.Request
	f       wire.Fields
	answer  *produceAnswer
	now     int64 // ms
	txnID   *string
	refusal error       // for the whole request
	allowed bool        // the transactional id was asked about, and may be used
	denied  bool        // it may not: so is all that follows in this request
	named   seenTopic   // of the topic at hand
	handles api.Handles // likewise
	joins   []joining   // their partitions join the transaction together
}

func (q *produceParser) parse() error {
	f := &q.f
	if id := f.NullableString(); id != nil {
		name := string(id)
		q.txnID = &name
	}
	acks := f.Int16()
	if q.ctx.timeout = time.Duration(f.Int32()) * time.Millisecond; q.ctx.timeout <= 0 {
		q.ctx.timeout = noTimeout
	}
	if acks < -1 || acks > 1 {
		q.refusal = protocol.InvalidRequiredAcks
	}
	if acks != 0 { // else its client may leave at once, and its records count
		q.ctx.Context = q.request.Waits(q.ctx.Context)
	}
	q.answer.silent = acks == 0
	least := 6
	if q.request.Version >= 13 {
		least = 18
	} else if f.Flexible {
		least = 3
	}
	for n := f.Array(least); n > 0 && f.Err == nil; n-- {
		q.topic()
	}
	q.joinAll()
	f.Tags()
	return f.Err
}

// topic walks one topic's partitions.
func (q *produceParser) topic() {
	f := &q.f
	topic, at, refusal := q.resolve()
	if f.Err != nil {
		return
	}
	rules := record.Rules{}
	if topic != nil {
		rules = topic.Config.Rules(q.request.Version, q.now)
		rules.Topic, rules.MaxBatchBytes, rules.Wait = topic.Name, q.MaxBatchBytes, &q.ctx
		q.named, q.handles = q.seen.topic(topic.ID, topic.Partitions), q.Log.Handles(topic.ID)
	}
	least := 8
	if f.Flexible {
		least = 6
	}
	if n := len(q.answer.topics); n == 0 || q.answer.topics[n-1].name != at.name || q.answer.topics[n-1].id != at.id {
		if f.Err == nil {
			f.Err = q.request.Bill.Add(&q.ctx, topicMemory+len(at.name))
		}
		if f.Err != nil {
			return
		}
		q.answer.topics = append(q.answer.topics, at)
	}
	for n := f.Array(least); n > 0 && f.Err == nil; n-- {
		q.partition(topic, &rules, refusal, n)
	}
	q.answer.endTopic()
	f.Tags()
}

// resolve reads which topic is meant and finds it, or says why not.
func (q *produceParser) resolve() (*catalog.Topic, answerTopic, error) {
	var at answerTopic
	var ref api.Ref
	if q.request.Version >= 13 {
		at.id = q.f.UUID()
		ref = api.Identified(at.id)
	} else {
		at.name = string(q.f.String())
		ref = api.Named(at.name)
	}
	topic, code := q.request.Topic(q.Topics, ref, kmsg.ACLOperationWrite)
	if topic != nil && at.name != "" {
		at.name = topic.Name // one string for all requests
	}
	at.topic = topic
	switch {
	case topic == nil: // before what is wrong with the whole request, as in Kafka
		return nil, at, code
	case q.refusal != nil:
		return topic, at, q.refusal
	case topic.Internal && q.request.ClientID != adminClient:
		return topic, at, protocol.InvalidTopicException
	}
	return topic, at, nil
}

// adminClient is the client id that may produce to internal topics, as in Kafka.
const adminClient = "__admin_client"

// partition reads one partition's records and sends them on their way. There are at
// most more partitions of this topic, this one included.
func (q *produceParser) partition(topic *catalog.Topic, rules *record.Rules, refusal error, more int) {
	f := &q.f
	index := f.Int32()
	length := f.Bytes()
	if f.Err != nil {
		return
	}
	if f.In.Arrived() < length {
		q.joinAll() // nobody waits for a slow client
	}
	end := f.In.Left() - max(length, 0)
	if topic != nil && !api.HasPartition(topic, index) {
		refusal = protocol.UnknownTopicOrPartition
	}
	if q.denied {
		refusal = protocol.TransactionalIDAuthorizationFailed
	}
	rules.Partition = index
	if refusal == nil && q.seen.add(q.named, index) {
		f.Err = f.In.Skip(max(length, 0))
		f.Tags()
		return
	}
	if f.Err = q.request.Bill.Add(&q.ctx, partMemory); f.Err != nil {
		return
	}
	ticket, slot := q.answer.add(index, more)
	if refusal == nil {
		refusal = q.append(topic, index, rules, length, ticket, slot)
	}
	if refusal != nil {
		ticket.Finish(slot, refused(refusal))
	}
	if f.Err == nil {
		f.Err = f.In.Skip(f.In.Left() - end)
	}
	f.Tags()
	if f.Err != nil || f.In.Arrived() == 0 {
		q.joinAll()
	}
}

// append checks a partition's batch and appends it. An error is the refusal of the
// batch; one of the connection is in q.f.Err.
func (q *produceParser) append(topic *catalog.Topic, index int32, rules *record.Rules, length int, ticket *log.Ticket, slot int) error {
	if length <= 0 {
		return protocol.Errorf(protocol.InvalidRecord, "no record batch for partition %d", index)
	}
	p, err := q.handle(topic, index)
	if err != nil {
		return err
	}
	size, err := q.head(topic, rules, length)
	if err != nil || q.f.Err != nil {
		return judge(err, p)
	}
	buf, b, err := q.f.In.Take(size)
	if err != nil {
		q.f.Err = err
		return err
	}
	batch, err := q.check(topic, rules, buf, b, length-size)
	if err != nil {
		batch.Buf.Release()
		return judge(err, p)
	}
	if batch.Header.Transactional() {
		begun, err := q.begun(p, &batch)
		if err != nil {
			batch.Buf.Release()
			return err
		}
		if !begun {
			q.joins = append(q.joins, joining{txn.TopicPartition{Topic: topic.Name, Partition: index}, p, batch, ticket, slot})
			return nil
		}
	}
	p.Append(&q.ctx, ticket, slot, batch)
	return nil
}

// handle finds a partition's log.
func (q *produceParser) handle(topic *catalog.Topic, index int32) (api.Partition, error) {
	if q.handles != nil {
		if p, ok := q.handles.Loaded(index); ok {
			return p, nil
		}
	}
	return q.Log.Partition(&q.ctx, pack.PartitionID{Topic: topic.ID, Partition: index}, q.answer.view.Of(topic, index).Epoch)
}

// head looks at a batch's header, to refuse what can be refused before it is read,
// and returns the batch's size. A transactional batch of nobody's transaction gets the
// code that Kafka's authorisation gives it, with or without an authorizer.
func (q *produceParser) head(topic *catalog.Topic, rules *record.Rules, length int) (int, error) {
	head, err := q.f.In.Peek(min(length, record.HeaderSize))
	if err != nil {
		q.f.Err = err
		return 0, err
	}
	size, err := record.Extent(head, length)
	if err != nil {
		return 0, unreadable{err}
	}
	h, err := record.ParseHeader(head)
	if err != nil {
		return 0, err
	}
	if h.Transactional() && !q.mayTransact() {
		return 0, protocol.TransactionalIDAuthorizationFailed
	}
	if err := rules.CheckHeader(&h); err != nil {
		return 0, err
	}
	return size, fitsSegment(topic, size)
}

// mayTransact says whether the request may have transactional batches. The first of them
// asks; without a transactional id none may.
func (q *produceParser) mayTransact() bool {
	if q.txnID == nil {
		return false
	}
	if !q.allowed && !q.denied {
		q.allowed = q.request.TransactionalID(*q.txnID, kmsg.ACLOperationWrite) == protocol.None
		q.denied = !q.allowed
	}
	return q.allowed
}

// check validates a whole batch, behind which tail bytes are left in its field. The
// batch that comes back holds the buffer, in any case.
func (q *produceParser) check(topic *catalog.Topic, rules *record.Rules, buf *buffer.Buf, b []byte, tail int) (log.Batch, error) {
	batch := log.Batch{Buf: buf, Bytes: b}
	if tail > 0 {
		rest, err := q.f.In.Peek(min(tail, record.HeaderSize))
		if err != nil {
			q.f.Err = err
			return batch, err
		}
		if err := record.CheckTail(rest, tail); err != nil {
			return batch, unreadable{err}
		}
	}
	info, err := record.Validate(b, rules, nil)
	if err != nil {
		q.note(topic, rules.Partition, err)
		return batch, err
	}
	batch.Header = info.Header
	if info.Recompress {
		return recompress(&q.ctx, topic, batch)
	}
	return batch, nil
}

// recompress gives the batch the topic's codec (compression.type).
func recompress(wait context.Context, topic *catalog.Topic, batch log.Batch) (log.Batch, error) {
	c := &topic.Config
	out, err := record.Recompress(nil, batch.Bytes, record.Recompression{
		Codec: c.Compression, Level: c.CompressionLevel,
		MaxBytes: int(c.MaxMessageBytes), Wait: wait,
	})
	if err != nil {
		return batch, err
	}
	h, err := record.ParseHeader(out)
	if err != nil {
		return batch, err
	}
	if err := fitsSegment(topic, len(out)); err != nil {
		return batch, err
	}
	buf := buffer.Get(len(out))
	copy(buf.Bytes(), out)
	batch.Buf.Release()
	return log.Batch{Buf: buf, Bytes: buf.Bytes(), Header: h}, nil
}

// fitsSegment refuses a batch that is larger than the topic's segments.
func fitsSegment(topic *catalog.Topic, size int) error {
	if size > int(topic.Config.SegmentBytes) {
		return protocol.Errorf(protocol.RecordListTooLarge, "batch of %d bytes, segment.bytes is %d", size, topic.Config.SegmentBytes)
	}
	return nil
}
