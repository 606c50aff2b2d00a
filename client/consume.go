package client

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Consume says what is read.
type Consume struct {
	Topics []string
	Regex  bool   // Topics are regular expressions (RE2), each for a whole name
	Group  string // read as a member of it, and commit; empty: read on one's own
	// NoCommit reads as a member of the group and commits nothing.
	NoCommit bool
	// From is where to begin; for a group: where it has committed nothing.
	From Place
	// To is where to end, before that record; nil: nowhere. On one's own only.
	To *Place
	// Partitions are the ones that are read; nil: all. On one's own only.
	Partitions []int32
	Committed  bool  // leave out what was aborted, and wait for what is not decided
	Most       int64 // how many records; 0: go on until the context ends
}

// pollMost is how many records are handed on, and committed, together.
const pollMost = 10_000

// check refuses what cannot be.
func (what *Consume) check() error {
	f := &Fault{Kind: Invalid}
	switch {
	case what.Group == "" && what.NoCommit:
		f.What, f.Next = "nothing is committed without a group", "name the group"
	case what.Group != "" && (what.To != nil || what.Partitions != nil):
		f.What, f.Next = "a group shares out partitions among its members: which to read, and up to where, is no member's to choose", "leave out the group"
	case what.Group != "" && what.From.kind == atGroup:
		f.What, f.Next = "a group begins where it has committed, not where another one has", `"streamhouse group reset" sets it there`
	default:
		for _, t := range what.Topics {
			if _, err := regexp.Compile(t); what.Regex && err != nil {
				f.What, f.Why = fmt.Sprintf("%q is no regular expression", t), err.Error()
				return f
			}
		}
		return nil
	}
	return f
}

// Consume reads records and hands them to write, until as many as wanted are written, the end
// that was told is reached or the context ends, which is no fault here. A member of a group
// commits what write has taken, once a second and at the end, and then leaves. It returns how
// many records were taken.
func (c *Client) Consume(ctx context.Context, what Consume, write func([]Record) error) (taken int64, err error) {
	if err := what.check(); err != nil {
		return 0, err
	}
	opts, ends, err := c.plan(ctx, &what)
	if err != nil {
		return 0, err
	}
	if ends != nil && ends.reached() {
		return 0, nil
	}
	if what.Committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	k, err := c.connect(opts...)
	if err != nil {
		return 0, err
	}
	defer k.CloseAllowingRebalance()
	taken, err = pump(ctx, k, what, ends, write)
	if what.Group != "" {
		err = errors.Join(err, leave(ctx, k, what.Group, !what.NoCommit))
	}
	return taken, err
}

// plan says where reading begins and, if it was told, where it ends.
func (c *Client) plan(ctx context.Context, what *Consume) ([]kgo.Opt, *goals, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	if !what.Regex {
		if _, err := c.needTopics(ctx, what.Topics...); err != nil {
			return nil, nil, err
		}
	}
	from, direct := what.From.kafka()
	if direct && what.To == nil && what.Partitions == nil {
		opts := []kgo.Opt{kgo.ConsumeTopics(what.Topics...), kgo.ConsumeStartOffset(from), kgo.ConsumeResetOffset(from)}
		if what.Regex {
			opts = append(opts, kgo.ConsumeRegex())
			for i, t := range what.Topics {
				what.Topics[i] = "^(?:" + t + ")$"
			}
		}
		if what.Group == "" {
			return opts, nil, nil
		}
		opts = append(opts, kgo.ConsumerGroup(what.Group), kgo.BlockRebalanceOnPoll())
		if what.NoCommit {
			return append(opts, kgo.DisableAutoCommit()), nil, nil
		}
		return append(opts, kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second)), nil, nil
	}
	topics := what.Topics
	if what.Regex {
		var err error
		if topics, err = c.matching(ctx, topics); err != nil {
			return nil, nil, err
		}
	}
	spans, err := c.spans(ctx, topics, what.Partitions)
	if err != nil {
		return nil, nil, err
	}
	begin, err := c.resolve(ctx, what.From, spans)
	if err != nil {
		return nil, nil, err
	}
	var ends *goals
	if what.To != nil {
		to, err := c.resolve(ctx, *what.To, spans)
		if err != nil {
			return nil, nil, err
		}
		if what.From.kind == atOffset && what.To.kind == atOffset && what.To.n < what.From.n {
			return nil, nil, &Fault{Kind: Invalid, What: fmt.Sprintf("the end %d lies before the beginning %d", what.To.n, what.From.n), Next: "change one of them"}
		}
		ends = newGoals(begin, to)
	}
	offsets := make(map[string]map[int32]kgo.Offset)
	for t, parts := range begin {
		offsets[t] = make(map[int32]kgo.Offset)
		for p, o := range parts {
			if ends == nil || !ends.done(t, p) {
				offsets[t][p] = kgo.NewOffset().At(o)
			}
		}
	}
	return []kgo.Opt{kgo.ConsumePartitions(offsets), kgo.KeepControlRecords()}, ends, nil
}

// matching lists the topics whose whole names fit one of the expressions.
func (c *Client) matching(ctx context.Context, expressions []string) ([]string, error) {
	all, err := c.admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, fault("cannot list topics", err, "")
	}
	var found []string
	for _, name := range all.Names() {
		for _, e := range expressions {
			if regexp.MustCompile("^(?:" + e + ")$").MatchString(name) { // check has compiled it
				found = append(found, name)
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, &Fault{Kind: NotFound, What: fmt.Sprintf("no topic fits %q", expressions), Next: `"streamhouse topic list" shows all`}
	}
	return found, nil
}

// pump polls and writes.
func pump(ctx context.Context, k *kgo.Client, what Consume, ends *goals, write func([]Record) error) (taken int64, err error) {
	for (what.Most == 0 || taken < what.Most) && !ends.reached() {
		most := pollMost
		if what.Most > 0 {
			most = int(min(pollMost, what.Most-taken))
		}
		fetched, err := poll(ctx, k, ends, most)
		if err != nil {
			return taken, err
		}
		records := ends.within(fetched.Records())
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
			if !kerr.IsRetriable(e.Err) && !errors.Is(e.Err, context.DeadlineExceeded) {
				return taken, fault(fmt.Sprintf("cannot read topic %q", e.Topic), e.Err, "")
			}
		}
	}
	return taken, nil
}

// poll waits for records. With an end to be reached it does not wait for ever: what lies
// before the end may be no records at all, but what compaction has left of them.
func poll(ctx context.Context, k *kgo.Client, ends *goals, most int) (kgo.Fetches, error) {
	if ends == nil {
		return k.PollRecords(ctx, most), nil
	}
	waiting, cancel := context.WithTimeout(ctx, emptyAfter)
	defer cancel()
	fetched := k.PollRecords(waiting, most)
	if len(fetched.Records()) == 0 && ctx.Err() == nil {
		return fetched, ends.lookBeyond(ctx, k)
	}
	return fetched, nil
}

// leave commits what was written and leaves the group, though the context may have ended.
func leave(ctx context.Context, k *kgo.Client, group string, commit bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveMax)
	defer cancel()
	if commit {
		if err := k.CommitMarkedOffsets(ctx); err != nil {
			return fault(fmt.Sprintf("cannot commit what was read for group %q", group), err, "")
		}
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
		switch r.Attrs.TimestampType() {
		case 1:
			t.TimestampType = LogAppendTime
		case -1:
			t.TimestampType = NoTimestampType
		}
		for _, h := range r.Headers {
			t.Headers = append(t.Headers, Header{h.Key, h.Value})
		}
		all = append(all, t)
	}
	return all
}
