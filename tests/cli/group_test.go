package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestResetOfAGroupInUse: a group with a member is left as it is, and the member is named;
// once it is gone the same line does it.
func TestResetOfAGroupInUse(t *testing.T) {
	b, sh := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	sh.must("streamhouse topics create orders --partitions 1")
	sh.must("printf 'a\\nb\\nc\\n' | streamhouse produce orders")
	member, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("busy"), kgo.ClientID("busy-member"), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	if n := member.PollFetches(ctx).NumRecords(); n == 0 {
		t.Fatal("the member reads nothing")
	}
	if err := member.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	committed := func() int64 {
		found, err := kadm.NewClient(member).FetchOffsets(ctx, "busy")
		if err != nil {
			t.Fatal(err)
		}
		o, _ := found.Lookup("orders", 0)
		return o.At
	}
	before := committed()
	for _, line := range []string{"streamhouse group reset busy --to earliest --yes --undo " + t.TempDir() + "/undo", "streamhouse group delete busy --yes"} {
		r := sh.run(line, "")
		if r.code != 5 && r.code != 7 || !strings.Contains(r.err, "busy-member") {
			t.Errorf("%s: exit code %d: %s", line, r.code, r.err)
		}
	}
	if at := committed(); at != before || at < 1 {
		t.Errorf("committed %d, was %d", at, before)
	}
	if err := member.LeaveGroupContext(ctx); err != nil {
		t.Fatal(err)
	}
	sh.must("streamhouse group reset busy --to earliest --yes --undo " + t.TempDir() + "/undo")
	if at := committed(); at != 0 {
		t.Errorf("committed %d after the reset", at)
	}
}
