package compat

import (
	"maps"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// coverage is what the cases ask of one API: those that were answered without an error
// in some lane, those that were refused in some, and the versions.
type coverage struct {
	granted, refused map[string]bool
	versions         map[int16]bool
}

func newCoverage() *coverage {
	return &coverage{make(map[string]bool), make(map[string]bool), make(map[int16]bool)}
}

func (w *world) covers(key int16) *coverage {
	if w.asked[key] == nil {
		w.asked[key] = newCoverage()
	}
	return w.asked[key]
}

func (c *coverage) judge(name string, good bool) {
	if good {
		c.granted[name] = true
	} else {
		c.refused[name] = true
	}
}

// add puts what a suite asked to what others did.
func (c *coverage) add(suite string, more *coverage) {
	for name := range more.granted {
		c.granted[suite+"/"+name] = true
	}
	for name := range more.refused {
		c.refused[suite+"/"+name] = true
	}
	maps.Copy(c.versions, more.versions)
}

// What is asked of each API at least: so many cases, and so many of them that are refused
// with an error or by closing the connection.
const (
	fewestOfOne   = 10
	fewestRefused = 5
)

// seldomRefused are the APIs that answer nearly everything without an error.
var seldomRefused = map[int16]int{16: 2, 35: 2, 46: 1, 66: 3}

// neverGranted are the APIs that no request of which is good here, with the reason.
var neverGranted = map[int16]string{
	29: "there is no authorizer", 30: "a request that creates none is answered so", 31: "one that deletes none, too",
	17: "there is no login to begin", 36: "there is none to go on with",
	64: "there is one broker", 80: "the quorum is fixed", 81: "the quorum is fixed", 94: "there is one controller",
}

// checkCoverage demands cases, good and bad, for every version of every API that is
// advertised.
func checkCoverage(t *testing.T, asked map[int16]*coverage) {
	for _, s := range protocol.Served() {
		c := asked[s.Key]
		if c == nil {
			t.Errorf("%s (%d): no case", s.Name, s.Key)
			continue
		}
		cases := maps.Clone(c.granted)
		maps.Copy(cases, c.refused)
		versions := slices.Sorted(maps.Keys(c.versions))
		t.Logf("%s (%d): %d cases, %d of them refused, versions %v", s.Name, s.Key, len(cases), len(c.refused), versions)
		refused := fewestRefused
		if n, seldom := seldomRefused[s.Key]; seldom {
			refused = n
		}
		if len(cases) < fewestOfOne || len(c.refused) < refused {
			t.Errorf("%s (%d): %d cases, %d of them refused; want %d and %d", s.Name, s.Key, len(cases), len(c.refused), fewestOfOne, refused)
		}
		if len(c.granted) == 0 && neverGranted[s.Key] == "" {
			t.Errorf("%s (%d): no case is good", s.Name, s.Key)
		}
		for v := kafkaVersions[s.Key][0]; v <= kafkaVersions[s.Key][1]; v++ {
			if !c.versions[v] {
				t.Errorf("%s (%d): version %d is not asked", s.Name, s.Key, v)
			}
		}
	}
}
