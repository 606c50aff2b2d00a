package produce_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/broker/api/produce"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// everyTopic is a directory in which every topic exists.
type everyTopic struct{ cfg config.Topic }

func (d everyTopic) ByName(name string) *catalog.Topic {
	sum := sha256.Sum256([]byte(name))
	return d.topic(name, [16]byte(sum[:16]))
}

func (d everyTopic) ByID(id pack.TopicID) *catalog.Topic { return d.topic("", id) }

func (d everyTopic) topic(name string, id [16]byte) *catalog.Topic {
	return &catalog.Topic{Topic: metadata.Topic{Name: name, ID: id, Partitions: 1<<31 - 1}, Config: d.cfg}
}

// pieces is a connection that brings data in pieces of a size.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func (*pieces) SetReadDeadline(time.Time) error { return nil }

type noMeter struct{}

func (noMeter) Observe(protocol.Code, time.Duration) {}

// taken is what became of one partition of a request.
type taken struct {
	topic     string
	id        pack.TopicID
	partition int32
	code      protocol.Code
}

// streamed sends a body through the streaming parser and returns the answer's
// partitions, the log, and the parser's error.
func streamed(t *testing.T, version int16, body []byte, piece int, d everyTopic, now time.Time) ([]taken, *apitest.Log, error) {
	t.Helper()
	log := apitest.NewLog()
	p := &produce.Handler{Topics: d, Log: log, Leaders: leaders.NewSingle(&leaders.Node{}, 0), Now: func() time.Time { return now }, Transactions: &apitest.Transactions{Code: protocol.InvalidProducerIDMapping}, Verifies: func() bool { return true }}
	out := wire.NewOutbox()
	ctx := context.Background()
	s := p.Open(out, &api.ConnInfo{})
	data := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	in := wire.NewInput(ctx, &pieces{data, piece}, wire.NewBudget(1<<30, 1<<30).Open(), wire.Pace{}, nil)
	defer in.Close()
	if _, err := in.Next(1 << 27); err != nil {
		t.Fatal(err)
	}
	r := &api.Request{Key: 0, Version: version, Conn: &api.ConnInfo{}}
	if err := s.Serve(ctx, r, in, now, noMeter{}); err != nil {
		return nil, log, err
	}
	out.End()
	var got []taken
	answered := false
	_ = out.Run(ctx, func(frames []*wire.Frame) error {
		answered = true
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = version
		at := 8
		if version >= 9 {
			at++
		}
		if err := resp.ReadFrom(frames[0].Meta[at:]); err != nil {
			t.Fatalf("v%d: the answer is broken: %v", version, err)
		}
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				got = append(got, taken{topic.Topic, topic.TopicID, p.Partition, protocol.Code(p.ErrorCode)})
			}
		}
		return nil
	})
	if !answered {
		got = nil
	}
	return got, log, nil
}

// decoded is the same by way of kmsg: what streamed should return, and what should
// be stored where.
func decoded(req *kmsg.ProduceRequest, d everyTopic, now time.Time) ([]taken, map[pack.PartitionID][]byte) {
	var want []taken
	stored := map[pack.PartitionID][]byte{}
	seen := map[pack.PartitionID]bool{}
	for _, topic := range req.Topics {
		found := d.ByName(topic.Topic)
		if req.Version >= 13 {
			found = d.ByID(topic.TopicID)
		}
		for _, p := range topic.Partitions {
			id := pack.PartitionID{Topic: found.ID, Partition: p.Partition}
			w := taken{topic.Topic, topic.TopicID, p.Partition, 0}
			switch {
			case req.Acks < -1 || req.Acks > 1:
				w.code = protocol.InvalidRequiredAcks
			case p.Partition < 0 || p.Partition >= found.Partitions:
				w.code = protocol.UnknownTopicOrPartition
			case seen[id]:
				continue
			default:
				seen[id] = true
				var batch []byte
				if batch, w.code = wholeBatch(p.Records, req.TransactionID != nil, req.Version, d.cfg, now); w.code == protocol.None {
					stored[id] = batch
				}
			}
			want = append(want, w)
		}
	}
	return want, stored
}

// wholeBatch checks records that lie in memory.
func wholeBatch(records []byte, named bool, version int16, cfg config.Topic, now time.Time) ([]byte, protocol.Code) {
	if len(records) == 0 {
		return nil, protocol.InvalidRecord
	}
	rules := cfg.Rules(version, now.UnixMilli())
	head := records[:min(len(records), record.HeaderSize)]
	size, err := record.Extent(head, len(records))
	if err != nil {
		return nil, asCode(err)
	}
	h, err := record.ParseHeader(head)
	if err != nil {
		return nil, asCode(err)
	}
	if err := rules.CheckHeader(&h); err != nil {
		return nil, asCode(err)
	}
	if tail := records[size:]; len(tail) > 0 {
		if err := record.CheckTail(tail[:min(len(tail), record.HeaderSize)], len(tail)); err != nil {
			return nil, asCode(err)
		}
	}
	b := bytes.Clone(records[:size])
	if _, err := record.Validate(b, &rules, nil); err != nil {
		return nil, asCode(err)
	}
	switch {
	case h.Transactional() && !named:
		return nil, protocol.InvalidTxnState
	case h.Transactional():
		return nil, protocol.InvalidProducerIDMapping // by everyTransaction
	}
	return b, protocol.None
}

func asCode(err error) protocol.Code {
	switch e := err.(type) {
	case protocol.Code:
		return e
	case *protocol.Error:
		return e.Code
	case *record.BatchError:
		return e.Err.Code
	}
	return protocol.UnknownServerError
}

// FuzzProduce holds the streaming parser to kmsg: the same partitions in the same
// order with the same outcome, the same bytes stored, and no memory kept, in pieces
// of any size.
func FuzzProduce(f *testing.F) {
	for version := int16(3); version <= 13; version++ {
		req := apitest.ProduceTo(version, "topic", pack.TopicID{1, 2, 3}, map[int32][]byte{0: apitest.Batch(2, 10), 7: apitest.Batch(1, 100), 3: nil})
		f.Add(uint8(version), uint16(100), req.AppendTo(nil))
		req.Topics = append(req.Topics, apitest.ProduceTo(version, "other", pack.TopicID{4}, map[int32][]byte{0: append(apitest.Batch(1, 1), 1, 2, 3), -1: apitest.Batch(1, 3000)}).Topics...)
		f.Add(uint8(version), uint16(1), req.AppendTo(nil))
		tx := "tx"
		req.TransactionID, req.Acks = &tx, 1
		f.Add(uint8(version), uint16(5000), req.AppendTo(nil))
	}
	d := everyTopic{config.NewTopic(nil, config.NewBroker(0, nil))}
	f.Fuzz(func(t *testing.T, version uint8, piece uint16, body []byte) {
		v := int16(3 + version%11)
		now := time.UnixMilli(1_700_000_000_000)
		before := buffer.InUse()
		got, log, err := streamed(t, v, body, 1+int(piece), d, now)
		if kept := buffer.InUse() - before; kept != 0 {
			t.Fatalf("%d bytes of buffers are kept", kept)
		}
		req, decodeErr := protocol.Decode(0, v, bytes.Clone(body))
		if (err == nil) != (decodeErr == nil) {
			t.Fatalf("v%d: streamed: %v, decoded: %v", v, err, decodeErr)
		}
		if err != nil {
			return
		}
		r := req.(*kmsg.ProduceRequest)
		want, stored := decoded(r, d, now)
		if r.Acks == 0 {
			want = nil
		}
		if len(got) != len(want) {
			t.Fatalf("v%d: %d partitions, kmsg has %d", v, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("v%d: partition %d: %+v, kmsg has %+v", v, i, got[i], want[i])
			}
		}
		if n := len(log.Appended()); n != len(stored) {
			t.Fatalf("v%d: %d batches were stored, kmsg has %d", v, n, len(stored))
		}
		for id, b := range stored {
			s := log.Batches(id)
			if len(s) != 1 || !bytes.Equal(s[0][16:], b[16:]) {
				t.Fatalf("v%d: %v: other bytes were stored", v, id)
			}
		}
	})
}
