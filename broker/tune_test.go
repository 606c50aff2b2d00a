package broker

import (
	"net"
	"syscall"
	"testing"
)

// The buffers that are asked for are those of the socket; a kernel may take more.
func TestSocketBuffers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	size := func(conn net.Conn, option int) (n int) {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		if err := raw.Control(func(fd uintptr) { n, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, option) }); err != nil {
			t.Fatal(err)
		}
		if failed != nil {
			t.Fatal(failed)
		}
		return n
	}
	dial := func(c Config) net.Conn {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		s := &Server{cfg: c}
		if err := s.tune(conn); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	small := dial(Config{SendBuffer: 8 << 10, ReceiveBuffer: 16 << 10})
	large := dial(Config{SendBuffer: 64 << 10, ReceiveBuffer: 128 << 10})
	for option, want := range map[int][2]int{syscall.SO_SNDBUF: {8 << 10, 64 << 10}, syscall.SO_RCVBUF: {16 << 10, 128 << 10}} {
		if a, b := size(small, option), size(large, option); a < want[0] || b < want[1] || b <= a {
			t.Errorf("option %d: %d and %d bytes, want at least %v", option, a, b, want)
		}
	}
	own := dial(Config{SendBuffer: -1, ReceiveBuffer: -1})
	if size(own, syscall.SO_SNDBUF) == size(small, syscall.SO_SNDBUF) {
		t.Error("the kernel's own choice is that of the small one")
	}
}
