package fetch

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// pass looks at every hot partition in order. The first one with records gives at
// least one batch, whatever the limits (KIP-74); the others what is left.
func (f *fetchRun) pass(ctx context.Context) {
	f.bytes, f.urgent, f.unknown = 0, false, 0
	for _, p := range f.set.hot {
		if p.gone {
			continue
		}
		if p.looked {
			p.clean()
		} else {
			f.looked = append(f.looked, p)
		}
		p.looked = true
		f.look(ctx, p)
		f.bytes += p.read.Bytes
		if p.unknown {
			f.unknown++
		}
	}
	f.set.cool()
}

// look finds out what a partition has for the client, and whether it stays hot.
func (f *fetchRun) look(ctx context.Context, p *fetchPart) {
	p.read.Bounds = neverTold
	if p.code = f.find(ctx, p); p.code != protocol.None {
		f.urgent = f.urgent || !p.unknown
		return
	}
	if p.code = api.CheckEpoch(p.leaderEpoch, f.view.Of(p.topic, p.partition).Epoch); p.code != protocol.None {
		f.urgent = true
		return
	}
	if f.follower {
		p.code = protocol.NotLeaderOrFollower // no other broker has a replica
		f.urgent = true
		return
	}
	if p.lastEpoch >= 0 {
		if p.code = p.diverge(); p.code != protocol.None || p.diverging {
			f.urgent = true
			return
		}
	}
	f.fetch(ctx, p)
}

// find resolves which topic and log the partition is. A partition that was there and
// is not any more is an error that the client must know at once; one that never was
// only shows in the answer.
func (f *fetchRun) find(ctx context.Context, p *fetchPart) protocol.Code {
	ref := api.Named(p.name)
	if f.request.Version >= 13 {
		ref = api.Identified(p.id)
	}
	topic, code := f.resolve(ref)
	if topic == nil {
		f.lose(p)
		return code
	}
	if p.log != nil && p.topic.ID == topic.ID {
		p.topic = topic
		return protocol.None
	}
	if !api.HasPartition(topic, p.partition) {
		f.lose(p)
		return protocol.UnknownTopicOrPartition
	}
	l, err := f.Log.Partition(ctx, pack.PartitionID{Topic: topic.ID, Partition: p.partition}, f.view.Of(topic, p.partition).Epoch)
	if err != nil {
		p.topic = topic
		return api.CodeOf(err)
	}
	f.set.found(p, topic, l)
	return protocol.None
}

// resolve finds a topic for whoever reads it: a consumer, or a broker, whose right is the
// cluster's and whose lack of it is told for each topic.
func (f *fetchRun) resolve(ref api.Ref) (*api.Topic, protocol.Code) {
	if !f.follower {
		return f.request.Topic(f.Topics, ref, kmsg.ACLOperationRead)
	}
	if f.request.Cluster(kmsg.ACLOperationClusterAction) != protocol.None {
		return nil, protocol.TopicAuthorizationFailed
	}
	return api.Find(f.Topics, ref)
}

func (f *fetchRun) lose(p *fetchPart) {
	p.unknown = true
	if p.log != nil {
		f.urgent = true
		f.set.lost(p)
	}
}

// diverge compares the epoch of the last record that the client has with the log's
// history (KIP-595).
func (p *fetchPart) diverge() protocol.Code {
	epoch, end := p.log.EpochEnd(p.lastEpoch)
	bounds := p.log.Bounds()
	switch {
	case epoch < 0 || end < 0 || p.offset < bounds.LogStart:
		return protocol.OffsetOutOfRange
	case epoch < p.lastEpoch || end < p.offset:
		p.diverging, p.endEpoch, p.endOffset = true, epoch, end
		p.read.Bounds = bounds
	}
	return protocol.None
}

// fetch reads the partition's records within the limits that are left.
func (f *fetchRun) fetch(ctx context.Context, p *fetchPart) {
	p.read.Bounds = p.log.Bounds()
	end := p.read.HighWatermark
	if f.committed {
		end = p.read.LastStable
	}
	inside := p.offset >= p.read.LogStart && p.offset <= p.read.HighWatermark
	if inside && p.offset >= end {
		p.hot = false // at its end
		f.none(p)
		return
	}
	if inside && (f.maxBytes < 0 || p.maxBytes < 0) {
		p.code, p.read.Bounds = protocol.InvalidRequest, neverTold
		f.urgent = true
		return
	}
	room := max(min(f.maxBytes-f.bytes, int(p.maxBytes)), 0)
	if inside && room <= 0 && f.bytes > 0 {
		f.none(p) // has records, but others came first
		return
	}
	read, err := p.log.Read(ctx, log.ReadRequest{
		Offset: p.offset, MaxBytes: room, AtLeastOne: f.bytes == 0, Committed: f.committed,
	})
	if err != nil {
		read.Release()
		p.code = api.CodeOf(err)
		p.read.Bounds = neverTold
		f.urgent = true
		return
	}
	p.read = read
	if read.Bytes == 0 && !inside {
		p.hot = false // between the durable and the appended end
	}
}

// none is an answer without records.
func (f *fetchRun) none(p *fetchPart) {
	if f.committed {
		p.read.Aborted = []log.Aborted{}
	}
}
