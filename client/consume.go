package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Consume says what is read.
type Consume struct {
	Topics []string
	Group  string // read as a member of it, and commit; empty: read on one's own
	AtEnd  bool   // begin at the end: a group where it has committed nothing
	Most   int64  // how many records; 0: go on until the context ends
}

// pollMost is how many records are handed on, and committed, together.
const pollMost = 10_000

// Consume reads records and hands them to write, until as many as wanted are written or the
// context ends, which is no fault here. A member of a group commits what write has taken, once
// a second and at the end, and then leaves. It returns how many records were taken.
func (c *Client) Consume(ctx context.Context, what Consume, write func([]Record) error) (taken int64, err error) {
	looking, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	if _, err := c.needTopics(looking, what.Topics...); err != nil {
		return 0, err
	}
	from := kgo.NewOffset().AtStart()
	if what.AtEnd {
		from = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{kgo.ConsumeTopics(what.Topics...), kgo.ConsumeStartOffset(from), kgo.ConsumeResetOffset(from)}
	if what.Group != "" {
		opts = append(opts, kgo.ConsumerGroup(what.Group), kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second), kgo.BlockRebalanceOnPoll())
	}
	k, err := c.connect(opts...)
	if err != nil {
		return 0, err
	}
	defer k.CloseAllowingRebalance()
	taken, err = pump(ctx, k, what, write)
	if what.Group != "" {
		err = errors.Join(err, leave(ctx, k, what.Group))
	}
	return taken, err
}

// pump polls and writes.
func pump(ctx context.Context, k *kgo.Client, what Consume, write func([]Record) error) (taken int64, err error) {
	for what.Most == 0 || taken < what.Most {
		most := pollMost
		if what.Most > 0 {
			most = int(min(pollMost, what.Most-taken))
		}
		fetched := k.PollRecords(ctx, most)
		records := fetched.Records()
		if len(records) > 0 {
			if err := write(told(records)); err != nil {
				k.AllowRebalance()
				return taken, err
			}
			taken += int64(len(records))
			k.MarkCommitRecords(records...)
		}
		k.AllowRebalance()
		if ctx.Err() != nil {
			return taken, nil
		}
		for _, e := range fetched.Errors() {
			if !kerr.IsRetriable(e.Err) {
				return taken, fault(fmt.Sprintf("cannot read topic %q", e.Topic), e.Err, "")
			}
		}
	}
	return taken, nil
}

// leave commits what was written and leaves the group, though the context may have ended.
func leave(ctx context.Context, k *kgo.Client, group string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveMax)
	defer cancel()
	if err := k.CommitMarkedOffsets(ctx); err != nil {
		return fault(fmt.Sprintf("cannot commit what was read for group %q", group), err, "")
	}
	if err := k.LeaveGroupContext(ctx); err != nil {
		return fault(fmt.Sprintf("cannot leave group %q", group), err, "")
	}
	return nil
}

func told(records []*kgo.Record) []Record {
	all := make([]Record, 0, len(records))
	for _, r := range records {
		t := Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			t.Headers = append(t.Headers, Header{h.Key, h.Value})
		}
		all = append(all, t)
	}
	return all
}
