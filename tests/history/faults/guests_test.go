package faults

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/history/guests"
	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	only = flag.String("guests", "", "libraries whose clients take part in every run, by comma, instead of three in turn")
	slow = flag.Bool("acceptance", false, "in turn with those that take a compiler, and long to build")
)

const (
	perRun = 3 // libraries that take part in a run
	// session of a guest's member: it ends while a broker is frozen or a network held.
	session = 4 * time.Second
)

// company is the libraries that take part, installed.
type company []*guests.Library

func invite(t *testing.T) company {
	t.Helper()
	var c company
	for _, l := range guests.Libraries() {
		if named := slices.Contains(strings.Split(*only, ","), l.Name); !named && (*only != "" || l.Slow && !*slow) {
			continue
		}
		if err := l.Install(peers.Context(t, 15*time.Minute), peers.Folder(t)); err != nil {
			t.Fatal(err)
		}
		c = append(c, l)
	}
	if len(c) == 0 {
		t.Fatalf("no library of -guests %s", *only)
	}
	return c
}

// turn is whose turn it is in a run: it follows from the world's place and the seed, so
// that a run can be repeated alone, and everybody comes in a few worlds that follow one
// another.
func (c company) turn(w world, place int, seed uint64) []*guests.Guest {
	var all []*guests.Guest
	first := (uint64(place*perRun) + seed) % uint64(len(c))
	for i, l := range c {
		after := (uint64(i) + uint64(len(c)) - first) % uint64(len(c))
		if *only != "" || after < perRun || l.Name == w.guest {
			all = append(all, l.New(session))
		}
	}
	return all
}

// as is a guest's name in a sum.
func (w world) as(g *guests.Guest) string {
	return named(g.Library(), w.level)
}

// named is a library's name in a sum, on a broker of some level of transaction.version.
func named(l *guests.Library, level int16) string {
	spoken := 0
	for _, v := range l.Versions {
		if level == 0 || v <= int(level) {
			spoken = max(spoken, v)
		}
	}
	if spoken == 0 {
		return fmt.Sprintf("%s %s", l.Name, l.Version)
	}
	return fmt.Sprintf("%s %s, version %d", l.Name, l.Version, spoken)
}

// expected are the names that all worlds together have to show.
func (c company) expected() map[string]bool {
	names := map[string]bool{}
	for _, l := range c {
		names[named(l, 0)] = true
		for _, w := range worlds() {
			if w.guest == l.Name {
				names[named(l, w.level)] = true
			}
		}
	}
	return names
}
