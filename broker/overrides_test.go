package broker

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A host name among the overrides stands for its addresses.
func TestOverridesByHostName(t *testing.T) {
	find := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		switch host {
		case "client.example":
			return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, nil
		case "written.example":
			return []netip.Addr{netip.MustParseAddr("192.0.2.8")}, nil
		}
		return nil, errors.New("no such host")
	}
	core, lines := observer.New(zap.WarnLevel)
	l := resolve(Limits{MaxConnections: 100, MaxConnectionsPerIP: 1, ConnectionsOverrides: map[string]int{
		"client.example": 3, "written.example": 4, "192.0.2.8": 2, "2001:DB8:0::9": 5, "nowhere.example": 6,
	}}, find, zap.New(core))
	want := map[string]int{"192.0.2.7": 3, "2001:db8::7": 3, "192.0.2.8": 2, "2001:db8::9": 5}
	if !maps.Equal(l.ConnectionsOverrides, want) {
		t.Errorf("%v, want %v", l.ConnectionsOverrides, want)
	}
	if lines.Len() != 1 || lines.All()[0].ContextMap()["host"] != "nowhere.example" {
		t.Errorf("lines %v", lines.All())
	}
	a := newAdmission(l, 0)
	for i := range 4 {
		if _, ok := a.enter("192.0.2.7", "PLAINTEXT"); ok != (i < 3) {
			t.Errorf("connection %d of a host that may have three: %v", i+1, ok)
		}
	}
}

func TestOverridesOfLocalhost(t *testing.T) {
	named := func(n int) Limits { return Limits{ConnectionsOverrides: map[string]int{"localhost": n}} }
	s := &Server{logger: zap.NewNop(), admission: newAdmission(Limits{}, 0)}
	s.SetLimits(named(7))
	if n := s.admission.limits.ConnectionsOverrides["127.0.0.1"]; n != 7 {
		t.Errorf("%v", s.admission.limits.ConnectionsOverrides)
	}
	s.SetLimits(named(8))
	if n := s.admission.limits.ConnectionsOverrides["127.0.0.1"]; n != 8 {
		t.Errorf("after a change: %v", s.admission.limits.ConnectionsOverrides)
	}
}
