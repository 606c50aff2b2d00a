package broker

import (
	"net"
	"testing"
)

func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		remote, local string
		want          bool
	}{
		{"127.0.0.1:1000", "127.0.0.1:9092", false},
		{"[::1]:1000", "[::1]:9092", false},
		{"192.0.2.7:1000", "192.0.2.7:9092", false}, // this machine, by its name
		{"192.0.2.8:1000", "192.0.2.7:9092", true},
		{"[2001:db8::1]:1000", "[2001:db8::2]:9092", true},
	} {
		remote, err := net.ResolveTCPAddr("tcp", c.remote)
		if err != nil {
			t.Fatal(err)
		}
		local, err := net.ResolveTCPAddr("tcp", c.local)
		if err != nil {
			t.Fatal(err)
		}
		if got := elsewhere(remote, local); got != c.want {
			t.Errorf("%s to %s: %v", c.remote, c.local, got)
		}
	}
}
