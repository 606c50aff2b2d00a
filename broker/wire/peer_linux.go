package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The states of a TCP connection, as in the kernel's net/tcp_states.h.
const (
	tcpClose     = 7
	tcpCloseWait = 8
)

func peerState(conn syscall.RawConn) PeerState {
	state := PeerHere
	// A connection that was closed here meanwhile needs no answer.
	_ = conn.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO)
		switch {
		case err != nil:
		case info.State == tcpClose:
			state = PeerGone
		case info.State == tcpCloseWait:
			state = PeerDone
		}
	})
	return state
}
