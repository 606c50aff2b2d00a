package workload

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// committer commits rising offsets for a group without members, and asks what this and
// the other groups have committed.
func (l *Load) committer(ctx context.Context, name string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 7))
	conn := l.dial(name)
	defer conn.Close()
	introduced := false
	for offset := int64(1); ctx.Err() == nil; offset++ {
		introduced = introduced || l.introduce(ctx, name, conn) == nil
		l.commitPlain(ctx, name, conn, offset)
		if conn.Fresh() || random.IntN(4) == 0 {
			for _, group := range l.groups() {
				// An answer that fails says nothing.
				if err := l.ask(ctx, name, conn, group, random.IntN(2) == 0); err != nil {
					pause(ctx, l.Pace)
				}
			}
		}
		l.rest(ctx, random)
	}
	return nil
}

// introduce asks for the coordinator of a committer's group. A broker has none before the
// first client asks, and a load may have no other that does.
func (l *Load) introduce(ctx context.Context, name string, conn *wire.Redial) error {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorKey = 2, l.plainGroup(name)
	resp, err := conn.Call(ctx, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.FindCoordinatorResponse).ErrorCode)
}

// groups are all groups of the load.
func (l *Load) groups() []string {
	var all []string
	for i := range l.Committers {
		all = append(all, l.plainGroup(fmt.Sprintf("committer-%d", i)))
	}
	if l.Members > 0 {
		all = append(all, l.memberGroup())
	}
	if l.Copiers > 0 {
		all = append(all, l.copyGroup())
	}
	for _, g := range l.Guests {
		all = append(all, l.plainGroup(g.Name()))
	}
	return all
}

// commitPlain commits one offset for every partition of the first topic.
func (l *Load) commitPlain(ctx context.Context, name string, conn *wire.Redial, offset int64) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 8, l.plainGroup(name), -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = l.topics[0].name
	for n := range l.Partitions {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = int32(n), offset
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	began := l.w.Now()
	resp, err := conn.Call(ctx, req)
	answer, _ := resp.(*kmsg.OffsetCommitResponse)
	for _, p := range parts(l.topics[0]) {
		e := p.event(history.Event{Start: began, End: l.w.Now(), Client: name, Op: history.Commit, Group: req.Group, Offset: offset})
		outcome(&e, commitError(answer, err, p.name, p.number))
		l.w.Add(e)
	}
}

// ask records what a group has committed for every partition of the load.
func (l *Load) ask(ctx context.Context, name string, conn *wire.Redial, group string, stable bool) error {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group, req.RequireStable = 7, group, stable
	began := l.w.Now()
	resp, err := conn.Call(ctx, req)
	if err != nil {
		return err
	}
	answer := resp.(*kmsg.OffsetFetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	got := map[part]int64{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
			got[l.find(t.Topic, p.Partition)] = p.Offset
		}
	}
	// A partition that the answer leaves out has no offset: that is an answer as well.
	for _, p := range parts(l.topics...) {
		offset, ok := got[p]
		if !ok {
			offset = -1
		}
		l.w.Add(p.event(history.Event{Start: began, End: l.w.Now(), Client: name, Op: history.Committed, Outcome: history.OK, Group: group, Offset: offset, Stable: stable}))
	}
	return nil
}
