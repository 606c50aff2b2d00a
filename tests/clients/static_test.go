package clients

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// staticStory is a broker with a group of one static member for each of two clients.
type staticStory struct {
	javaTools
	client *kgo.Client
	sent   int
}

var staticGroups = []string{"java-static", "librdkafka-static"}

// Static members come back to what they had, over kills of broker and clients, beside a
// thousand groups that have texts of their own in the same log.
func TestStaticMembersOverKills(t *testing.T) {
	t.Parallel()
	if err := peers.Programs(t.Context(), "kcat"); err != nil {
		t.Fatal(err)
	}
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &staticStory{javaTools: javaTools{java, peers.Start(t, options(t, storages[0]))}}
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Addr()), kgo.DefaultProduceTopic("t")); err != nil {
		t.Fatal(err)
	}
	defer s.client.Close()
	if _, err := kadm.NewClient(s.client).CreateTopic(peers.Context(t, patience), 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	s.round(t)
	s.commitForOthers(t, 1000)
	first := s.describe(t)
	s.kill(t)
	if after := s.describe(t); !reflect.DeepEqual(after, first) {
		t.Fatalf("after a kill the groups are %+v, they were %+v", after, first)
	}
	s.round(t) // the rejoin of each writes what the broker has loaded
	second := s.describe(t)
	for i := range second {
		if second[i].MemberID == first[i].MemberID || !reflect.DeepEqual(second[i].MemberAssignment, first[i].MemberAssignment) {
			t.Errorf("%s came back as %+v, it was %+v", staticGroups[i], second[i], first[i])
		}
	}
	s.kill(t)
	if after := s.describe(t); !reflect.DeepEqual(after, second) {
		t.Fatalf("after a second kill the groups are %+v, they were %+v", after, second)
	}
}

// round starts both members, waits until both have read a new record, and kills them: they
// stay members.
func (s *staticStory) round(t *testing.T) {
	t.Helper()
	members := []*program{
		startParsed(t, staticGroups[0], s.command(tools+"consumer.ConsoleConsumer", "--topic", "t", "--group", staticGroups[0],
			"--from-beginning", "--command-property", "group.instance.id=j"), func(line string) (event, error) {
			return event{Event: line}, nil
		}),
		startParsed(t, staticGroups[1], peers.Command{Path: "kcat", Args: []string{"-E", "-J", "-u", "-b", s.broker.Addr(),
			"-X", "auto.offset.reset=earliest", "-X", "group.instance.id=k", "-G", staticGroups[1], "t"}}, parseKcat),
	}
	value := fmt.Sprint("record-", s.sent)
	s.sent++
	if err := s.client.ProduceSync(peers.Context(t, patience), kgo.StringRecord(value)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		m.wait(t, value, patience, func(events []event) bool { return count(events, value) > 0 })
		m.stdin.Close()
		if err := m.process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

func parseKcat(line string) (event, error) {
	var record struct{ Payload string }
	err := json.Unmarshal([]byte(line), &record)
	return event{Event: record.Payload}, err
}

// commitForOthers commits an offset with a text for each of n groups.
func (s *staticStory) commitForOthers(t *testing.T, n int) {
	t.Helper()
	ctx := peers.Context(t, patience)
	errs := make(chan error, n)
	admin := kadm.NewClient(s.client)
	for i := range n {
		go func() {
			var offsets kadm.Offsets
			offsets.Add(kadm.Offset{Topic: "t", At: 1, LeaderEpoch: -1, Metadata: strings.Repeat("somebody else's text ", 50)})
			_, err := admin.CommitOffsets(ctx, fmt.Sprint("other-", i), offsets)
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

// describe returns the member of each group, once its group is stable.
func (s *staticStory) describe(t *testing.T) []kmsg.DescribeGroupsResponseGroupMember {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = staticGroups
		resp, err := s.client.Request(peers.Context(t, patience), req)
		var members []kmsg.DescribeGroupsResponseGroupMember
		if err == nil {
			groups := resp.(*kmsg.DescribeGroupsResponse).Groups
			slices.SortFunc(groups, func(a, b kmsg.DescribeGroupsResponseGroup) int { return cmp.Compare(a.Group, b.Group) })
			for _, g := range groups {
				if g.State == "Stable" && len(g.Members) == 1 {
					members = append(members, g.Members[0])
				}
			}
		}
		if len(members) == len(staticGroups) {
			return members
		}
		if time.Now().After(deadline) {
			t.Fatalf("the groups are not stable: %+v, %v", resp, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// kill ends the broker as by kill -9 and starts it again.
func (s *staticStory) kill(t *testing.T) {
	t.Helper()
	if err := s.broker.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.broker.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
}
