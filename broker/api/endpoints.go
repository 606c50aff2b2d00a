package api

import (
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/metadata/leaders"
)

// TagLeader appends a LeaderIdAndEpoch as the tagged field tag, the only one of its
// structure (KIP-951).
func TagLeader(e *wire.Encoder, tag uint64, id, epoch int32) {
	e.Uvarint(1)
	e.Uvarint(tag)
	e.Uvarint(9)
	e.Int32(id)
	e.Int32(epoch)
	e.Uvarint(0)
}

// TagEndpoints appends NodeEndpoints as the tagged field tag, the only one of its
// structure: the brokers as clients of a listener see them (KIP-951).
func TagEndpoints(e *wire.Encoder, tag uint64, v leaders.View, listener string) {
	nodes := v.Nodes()
	body := wire.Encoder{Flexible: true}
	body.Array(len(nodes))
	for _, node := range nodes {
		at := node.Endpoint(listener)
		body.Int32(node.ID)
		body.String(at.Host)
		body.Int32(at.Port)
		body.Nullable(node.Rack)
		body.NoTags()
	}
	e.Uvarint(1)
	e.Uvarint(tag)
	e.Uvarint(uint64(len(body.B)))
	e.Raw(body.B...)
}
