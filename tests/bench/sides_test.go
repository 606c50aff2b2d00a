package main

import (
	"os"
	"strings"
	"testing"
)

func TestWorseThanAnOlderBinary(t *testing.T) {
	for _, c := range []struct {
		m           metric
		ours, other float64
		exceeds     bool
	}{
		{userCPU, 1.029, 1, false}, {userCPU, 1.031, 1, true}, {userCPU, 0.5, 1, false},
		{throughput, 0.98, 1, false}, {throughput, 0.96, 1, true}, {throughput, 2, 1, false},
		{p99, 1.09, 1, false}, {p99, 1.11, 1, true}, {p50, 9, 1, false}, {userCPU, 1, 0, false},
	} {
		if _, exceeds := worse(c.m, c.ours, c.other); exceeds != c.exceeds {
			t.Errorf("%s %v against %v: exceeds %t", c.m, c.ours, c.other, exceeds)
		}
	}
}

func TestAgainstAnOlderBinary(t *testing.T) {
	s, _, err := parse([]string{"-against", os.Args[0]})
	if err != nil || s.rounds != 7 || len(s.sides) != 2 || s.sides[1].binary != os.Args[0] || s.sides[0].binary != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, _, err := parse([]string{"-against", os.Args[0], "-rounds", "3"}); err != nil || s.rounds != 3 {
		t.Errorf("%d rounds, %v", s.rounds, err)
	}
	if _, _, err := parse([]string{"-against", "/no/such/binary"}); err == nil || !strings.Contains(err.Error(), "-against") {
		t.Errorf("a binary that is not there: %v", err)
	}
	if first := turn(s.sides, 1)[0]; first.name != "old" {
		t.Errorf("the second round begins with %s", first.name)
	}
}
