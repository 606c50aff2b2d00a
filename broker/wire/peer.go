package wire

import (
	"net"
	"syscall"
)

// Peer is the other end of a connection, looked at without reading. It can be asked from
// any goroutine.
type Peer struct {
	raw syscall.RawConn // nil: nothing can be said
}

// PeerState is what the system knows of a Peer.
type PeerState int8

const (
	// PeerHere is also what is said when nothing is known.
	PeerHere PeerState = iota
	// PeerDone has closed its half, and may or may not read what is sent to it.
	PeerDone
	// PeerGone has left; the connection is dead.
	PeerGone
)

// NewPeer looks at the other end of conn, which only plain TCP allows.
func NewPeer(conn net.Conn) Peer {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return Peer{}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return Peer{} // closed
	}
	return Peer{raw}
}

// State says whether the peer is there.
func (p Peer) State() PeerState {
	if p.raw == nil {
		return PeerHere
	}
	return peerState(p.raw)
}
