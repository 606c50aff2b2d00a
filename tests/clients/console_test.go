package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// consoleGroup is a group of kafka-console-consumers.
type consoleGroup struct {
	members []*program
}

func (c *consoleGroup) add(m *program) { c.members = append(c.members, m) }

// waitForAll waits until the members together have printed the records 0 to n-1.
func (c *consoleGroup) waitForAll(t *testing.T, n int) {
	t.Helper()
	s := &scenario{members: c.members, sent: n}
	s.waitForAll(t)
}

// waitForSplit waits until kafka-consumer-groups shows two members with three
// partitions each.
func (c *consoleGroup) waitForSplit(t *testing.T, j javaTools, topic, group string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		out := j.call(t, nil, tools+"consumer.group.ConsumerGroupCommand", "--describe", "--members", "--group", group)
		members := 0
		for line := range strings.Lines(out) {
			// GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS
			if field := strings.Fields(line); len(field) >= 5 && field[0] == group && field[4] == "3" {
				members++
			}
		}
		if members == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the group is not split over two members:\n%s", out)
		}
	}
}

// check holds what the members printed against what was sent: every record at one
// offset, keys and values together, in order within each key's partition.
func (c *consoleGroup) check(t *testing.T, sent int) {
	t.Helper()
	at := map[place]event{}
	where := map[int]place{}
	for _, m := range c.members {
		for _, e := range m.snapshot() {
			p := place{e.Partition, e.Offset}
			if other, ok := at[p]; ok && other.N != e.N {
				t.Errorf("%v holds record %d and record %d", p, other.N, e.N)
			}
			if other, ok := where[e.N]; ok && other != p {
				t.Errorf("record %d lies at %v and at %v", e.N, other, p)
			}
			if want := fmt.Sprintf("key-%d", e.N%17); *e.Key != want {
				t.Errorf("record %d has key %s", e.N, *e.Key)
			}
			at[p], where[e.N] = e, p
		}
	}
	if len(at) != sent || len(where) != sent {
		t.Errorf("%d records at %d offsets, %d sent", len(where), len(at), sent)
	}
	for n := 17; n < sent; n++ {
		if a, b := where[n-17], where[n]; a.partition != b.partition || a.offset >= b.offset {
			t.Errorf("key-%d: record %d lies at %v, record %d at %v", n%17, n-17, a, n, b)
		}
	}
}
