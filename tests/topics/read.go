// Package topics reads topics as they are on the wire, to their very end: gaps, batches
// without records and what is aborted are passed as they are, where a client library only
// shows that nothing comes any more.
package topics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// Isolation is what of transactions a reader sees.
type Isolation int8

const (
	Uncommitted Isolation = iota // up to the high watermark, with what is aborted
	Committed                    // up to the last stable offset, without
)

// Record is a record that was read. Its bytes are the reader's to keep.
type Record struct {
	Partition         int32
	Offset, Timestamp int64
	Key, Value        []byte // nil for null
}

const (
	fetchBytes = 4 << 20
	recordMax  = 16 << 20
	pause      = 10 * time.Millisecond // before what a broker that just started refuses is asked again
)

// Read shows each the records of a topic in the order of each partition's offsets, up to
// where the partitions end when it begins.
func Read(ctx context.Context, addr, topic string, isolation Isolation, each func(Record)) error {
	r := &reader{ctx: ctx, conn: &wire.Redial{Addr: addr, ClientID: "topics"}, topic: topic, isolation: isolation, each: each}
	defer r.conn.Close()
	partitions, err := r.partitions()
	if err != nil {
		return err
	}
	for p := range partitions {
		if err := r.read(p); err != nil {
			return fmt.Errorf("read %s-%d: %w", topic, p, err)
		}
	}
	return nil
}

// ReadAll is Read that returns the records.
func ReadAll(ctx context.Context, addr, topic string, isolation Isolation) (all []Record, err error) {
	err = Read(ctx, addr, topic, isolation, func(r Record) { all = append(all, r) })
	return all, err
}

type reader struct {
	ctx       context.Context
	conn      *wire.Redial
	topic     string
	isolation Isolation
	each      func(Record)
}

// ask asks until the code is 0 or one that does not pass.
func (r *reader) ask(req kmsg.Request, code func(kmsg.Response) int16) (kmsg.Response, error) {
	for {
		resp, err := r.conn.Call(r.ctx, req)
		if err == nil {
			if err = kerr.ErrorForCode(code(resp)); err == nil {
				return resp, nil
			}
			if !kerr.IsRetriable(err) {
				return nil, err
			}
		}
		select {
		case <-r.ctx.Done():
			return nil, errors.Join(r.ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

func (r *reader) partitions() (int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &r.topic
	req.Topics = append(req.Topics, t)
	resp, err := r.ask(req, func(resp kmsg.Response) int16 { return resp.(*kmsg.MetadataResponse).Topics[0].ErrorCode })
	if err != nil {
		return 0, fmt.Errorf("metadata of %s: %w", r.topic, err)
	}
	return int32(len(resp.(*kmsg.MetadataResponse).Topics[0].Partitions)), nil
}

// offset asks for the log start (-2) or where a reader of the isolation is at the end (-1).
func (r *reader) offset(partition int32, which int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID, req.IsolationLevel = 4, -1, int8(r.isolation)
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, which, -1
	t.Topic, t.Partitions = r.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := r.ask(req, func(resp kmsg.Response) int16 {
		return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode
	})
	if err != nil {
		return 0, err
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset, nil
}

func (r *reader) fetch(partition int32, from int64) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.ReplicaID, req.SessionEpoch = 12, -1, -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 1000, 1, fetchBytes, int8(r.isolation)
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, from, fetchBytes, -1
	t.Topic, t.Partitions = r.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := r.ask(req, func(resp kmsg.Response) int16 {
		f := resp.(*kmsg.FetchResponse)
		if f.ErrorCode != 0 {
			return f.ErrorCode
		}
		return f.Topics[0].Partitions[0].ErrorCode
	})
	if err != nil {
		return nil, err
	}
	return &resp.(*kmsg.FetchResponse).Topics[0].Partitions[0], nil
}

func (r *reader) read(partition int32) error {
	end, err := r.offset(partition, -1)
	if err != nil {
		return err
	}
	next, err := r.offset(partition, -2)
	if err != nil {
		return err
	}
	for next < end {
		got, err := r.fetch(partition, next)
		if err != nil {
			return err
		}
		before, open := next, make(map[int64][]int64)
		for _, x := range got.AbortedTransactions {
			open[x.ProducerID] = append(open[x.ProducerID], x.FirstOffset)
		}
		for b, err := range record.Batches(got.RecordBatches) {
			if err != nil {
				return err
			}
			if err := r.batch(partition, next, end, &b, open); err != nil {
				return fmt.Errorf("batch at offset %d: %w", b.Header.BaseOffset, err)
			}
			next = max(next, b.Header.LastOffset()+1)
		}
		if next == before && r.ctx.Err() != nil {
			return fmt.Errorf("nothing comes at offset %d, the end is %d: %w", next, end, r.ctx.Err())
		}
	}
	return nil
}

// batch shows the records of a batch from first on and below end. open has the first offsets of the
// aborted transactions of a fetch, by producer.
func (r *reader) batch(partition int32, first, end int64, b *record.Batch, open map[int64][]int64) error {
	h := &b.Header
	list := open[h.ProducerID]
	begun := len(list) > 0 && list[0] <= h.BaseOffset
	if h.Control() {
		if begun {
			open[h.ProducerID] = list[1:] // its end marker
		}
		return nil
	}
	if r.isolation == Committed && h.Transactional() && begun {
		return nil
	}
	for x, err := range record.Records(b.Bytes, recordMax) {
		if err != nil {
			return err
		}
		if x.Offset < first || x.Offset >= end {
			continue
		}
		r.each(Record{Partition: partition, Offset: x.Offset, Timestamp: x.Timestamp, Key: clone(x.Key), Value: clone(x.Value)})
	}
	return nil
}

// clone keeps null apart from empty.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
