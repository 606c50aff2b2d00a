package mutant

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// batch is one record batch of format 2, in place.
type batch []byte

// Attributes of a batch.
const (
	codecMask     = 0x07
	transactional = 0x10
	control       = 0x20
)

// headerBytes is the length of a batch before its records.
const headerBytes = 61

func (b batch) base() int64       { return int64(binary.BigEndian.Uint64(b)) }
func (b batch) attributes() int16 { return int16(binary.BigEndian.Uint16(b[21:])) }
func (b batch) producer() int64   { return int64(binary.BigEndian.Uint64(b[43:])) }
func (b batch) count() int64      { return int64(binary.BigEndian.Uint32(b[57:])) }
func (b batch) is(flag int16) bool {
	return b.attributes()&flag != 0
}

// rebase changes the first offset, which no checksum covers.
func (b batch) rebase(offset int64) { binary.BigEndian.PutUint64(b, uint64(offset)) }

// seal makes the checksum anew.
func (b batch) seal() {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
}

// anonymous is a copy that no idempotent producer made.
func (b batch) anonymous() batch {
	c := append(batch{}, b...)
	for i := 43; i < 57; i++ { // producer id, epoch, first sequence: all -1
		c[i] = 0xff
	}
	c.seal()
	return c
}

// split cuts what a fetch returned, or a produce holds, into whole batches.
func split(all []byte) []batch {
	var batches []batch
	for len(all) >= headerBytes {
		n := 12 + int(binary.BigEndian.Uint32(all[8:]))
		if n < headerBytes || n > len(all) {
			break
		}
		batches = append(batches, batch(all[:n]))
		all = all[n:]
	}
	return batches
}

// spot is one partition.
type spot struct {
	topic     string
	partition int32
}

func (p *Proxy) spot(name string, id [16]byte, partition int32) spot {
	if name == "" {
		name = p.names[id]
	}
	return spot{name, partition}
}

// sent calls f for each partition of a produce request.
func (p *Proxy) sent(req *kmsg.ProduceRequest, f func(spot, *kmsg.ProduceRequestTopicPartition)) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			f(p.spot(t.Topic, t.TopicID, t.Partitions[j].Partition), &t.Partitions[j])
		}
	}
}

// acked calls f for each partition that a produce was acknowledged for, with the batch
// that was sent.
func (p *Proxy) acked(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse, f func(spot, batch, *kmsg.ProduceResponseTopicPartition)) {
	batches := map[spot]batch{}
	p.sent(req, func(s spot, part *kmsg.ProduceRequestTopicPartition) {
		if all := split(part.Records); len(all) == 1 {
			batches[s] = all[0]
		}
	})
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			part := &t.Partitions[j]
			s := p.spot(t.Topic, t.TopicID, part.Partition)
			if b, ok := batches[s]; ok && part.ErrorCode == 0 {
				f(s, b, part)
			}
		}
	}
}

// fetched calls f for each partition of an answer to a fetch.
func (p *Proxy) fetched(resp *kmsg.FetchResponse, f func(spot, *kmsg.FetchResponseTopicPartition)) {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			f(p.spot(t.Topic, t.TopicID, t.Partitions[j].Partition), &t.Partitions[j])
		}
	}
}
