package api

import "github.com/streamhouse/streamhouse/broker/wire"

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
// structure: this broker as clients of a listener see it (KIP-951).
func TagEndpoints(e *wire.Encoder, tag uint64, node *Node, listener string) {
	at := node.Endpoint(listener)
	body := wire.Encoder{Flexible: true}
	body.Array(1)
	body.Int32(node.ID)
	body.String(at.Host)
	body.Int32(at.Port)
	body.Nullable(node.Rack)
	body.NoTags()
	e.Uvarint(1)
	e.Uvarint(tag)
	e.Uvarint(uint64(len(body.B)))
	e.Raw(body.B...)
}
