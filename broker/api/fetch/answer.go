package fetch

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
)

// fetchRefusal answers a request whose session is not as it thinks.
func fetchRefusal(r *api.Request, code protocol.Code) *wire.Frame {
	f := api.Begin(r)
	e := wire.Encoder{B: f.Meta, Flexible: r.Version >= 12}
	e.Int32(0) // throttle
	e.Int16(int16(code))
	e.Int32(0) // session
	e.Array(0)
	e.NoTags()
	f.Meta = e.B
	return f.Finish()
}

// fetchUnread answers a request that nothing is read for, which an error shows that
// versions before 7 can only give to each partition.
func fetchUnread(r *api.Request, req *kmsg.FetchRequest) *wire.Frame {
	if r.Version >= 13 {
		return fetchRefusal(r, protocol.InvalidRequest)
	}
	f := api.Begin(r)
	e := wire.Encoder{B: f.Meta, Flexible: r.Version >= 12}
	e.Int32(0) // throttle
	if r.Version >= 7 {
		e.Int16(int16(protocol.InvalidRequest))
		e.Int32(req.SessionID)
	}
	e.Array(len(req.Topics))
	for i := range req.Topics {
		e.String(req.Topics[i].Topic)
		e.Array(len(req.Topics[i].Partitions))
		for _, p := range req.Topics[i].Partitions {
			e.Int32(p.Partition)
			e.Int16(int16(protocol.InvalidRequest))
			e.Int64(-1) // high watermark
			e.Int64(-1) // last stable offset
			if r.Version >= 5 {
				e.Int64(-1) // log start
			}
			e.Array(0) // aborted transactions
			if r.Version >= 11 {
				e.Int32(-1) // preferred read replica
			}
			e.Bytes(0)
			e.NoTags()
		}
		e.NoTags()
	}
	e.NoTags()
	f.Meta = e.B
	return f.Finish()
}

// answer makes the frame and takes note of what the client was told. The records
// found move into the frame.
func (f *fetchRun) answer(fc *fetchContext) (*wire.Frame, protocol.Code) {
	session := fc.keep()
	shown := f.looked
	if fc.incremental() {
		shown = f.news()
	}
	frame := api.Begin(f.request)
	first := f.encode(frame, shown, session)
	f.hold(frame)
	f.set.rotate()
	for _, p := range f.looked {
		if p.code == protocol.None {
			p.told = p.read.Bounds
		} else {
			p.told = neverTold
		}
		p.read = log.ReadResult{} // the frame's now
		p.clean()
	}
	return frame.Finish(), first
}

// news returns the partitions that an incremental answer shows; records of others
// there are none.
func (f *fetchRun) news() []*fetchPart {
	var out []*fetchPart
	for _, p := range f.looked {
		if !p.gone && p.news() {
			out = append(out, p)
		}
	}
	return out
}

// heldRecords keeps what a frame sends in place until it is sent.
type heldRecords struct {
	reads  []log.ReadResult
	memory int64
	fetch  *Handlers
}

// Release implements wire.Releaser.
func (h *heldRecords) Release() {
	for i := range h.reads {
		h.reads[i].Release()
	}
	h.fetch.held.Add(-h.memory)
}

// hold moves the records that were found into the frame.
func (f *fetchRun) hold(frame *wire.Frame) {
	held := &heldRecords{fetch: f.Handlers}
	for _, p := range f.looked {
		if len(p.read.Chunks) == 0 {
			continue
		}
		held.reads = append(held.reads, p.read)
		for i := range p.read.Chunks {
			if c := &p.read.Chunks[i]; c.File == nil {
				held.memory += c.Len
			}
		}
	}
	if len(held.reads) > 0 {
		f.held.Add(held.memory)
		frame.Hold(held)
	}
}

// encode writes the answer: partitions that follow one another and are of one topic
// share an entry.
func (f *fetchRun) encode(frame *wire.Frame, shown []*fetchPart, session int32) (first protocol.Code) {
	version := f.request.Version
	e := wire.Encoder{B: frame.Meta, Flexible: version >= 12}
	e.Int32(0) // throttle
	if version >= 7 {
		e.Int16(0)
		e.Int32(session)
	}
	groups := groupByTopic(shown)
	e.Array(len(groups))
	moved := false
	for _, group := range groups {
		if version >= 13 {
			e.UUID(group[0].id)
		} else {
			e.String(group[0].name)
		}
		e.Array(len(group))
		for _, p := range group {
			f.partition(&e, frame, p)
			if first == protocol.None {
				first = p.code
			}
			moved = moved || p.moved(version) && !f.follower // other brokers know where it is
		}
		e.NoTags()
	}
	if moved {
		api.TagEndpoints(&e, 0, f.view, f.request.Conn.Listener)
	} else {
		e.NoTags()
	}
	frame.Meta = e.B
	return first
}

func groupByTopic(parts []*fetchPart) [][]*fetchPart {
	var groups [][]*fetchPart
	for from := 0; from < len(parts); {
		to := from + 1
		for to < len(parts) && parts[to].id == parts[from].id && parts[to].name == parts[from].name {
			to++
		}
		groups = append(groups, parts[from:to])
		from = to
	}
	return groups
}

// moved says whether the answer tells the client of another leader.
func (p *fetchPart) moved(version int16) bool {
	return version >= 16 && (p.code == protocol.NotLeaderOrFollower || p.code == protocol.FencedLeaderEpoch)
}

// partition encodes one partition and attaches its records.
func (f *fetchRun) partition(e *wire.Encoder, frame *wire.Frame, p *fetchPart) {
	version := f.request.Version
	e.Int32(p.partition)
	e.Int16(int16(p.code))
	e.Int64(p.read.HighWatermark)
	e.Int64(p.read.LastStable)
	if version >= 5 {
		e.Int64(p.read.LogStart)
	}
	p.aborted(e)
	if version >= 11 {
		e.Int32(-1) // preferred read replica
	}
	var size int64
	for i := range p.read.Chunks {
		size += p.read.Chunks[i].Len
	}
	e.Bytes(int(size))
	frame.Meta = e.B
	for i := range p.read.Chunks {
		c := &p.read.Chunks[i]
		frame.Attach(wire.Data{Mem: c.Mem, File: c.File, Pos: c.Pos, Len: c.Len})
	}
	switch {
	case p.moved(version):
		leader := f.view.Of(p.topic, p.partition)
		if p.log == nil {
			leader.Epoch = -1 // it could not be opened: a hint that no client believes
		}
		api.TagLeader(e, 1, leader.Node, leader.Epoch)
	case p.diverging:
		e.Uvarint(1)
		e.Uvarint(0)
		e.Uvarint(13)
		e.Int32(p.endEpoch)
		e.Int64(p.endOffset)
		e.Uvarint(0)
	default:
		e.NoTags()
	}
}

// aborted encodes the aborted transactions: null when they were not asked for or the
// read failed, empty for a partition that does not exist.
func (p *fetchPart) aborted(e *wire.Encoder) {
	list := p.read.Aborted
	if list == nil && !p.unknown {
		e.Array(-1)
		return
	}
	e.Array(len(list))
	for _, a := range list {
		e.Int64(a.ProducerID)
		e.Int64(a.FirstOffset)
		e.NoTags()
	}
}
