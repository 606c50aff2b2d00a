package coordinator

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
)

// checkNames refuses names that no record can hold.
func checkNames(names ...string) protocol.Code {
	for _, n := range names {
		if len(n) > group.MaxStringBytes {
			return protocol.InvalidRequest
		}
	}
	return protocol.None
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// JoinGroup handles a JoinGroup and waits until the group has a generation, the
// client's place in it is refused, or ctx ends.
func (c *Coordinator) JoinGroup(ctx context.Context, id string, r *group.JoinRequest) group.JoinReply {
	fail := func(code protocol.Code) group.JoinReply {
		return group.JoinReply{Code: code, Generation: -1, MemberID: r.MemberID}
	}
	if code := c.checkJoin(id, r); code != protocol.None {
		return fail(code)
	}
	s, code := c.shard(id)
	if code != protocol.None {
		return fail(code)
	}
	w, replies, code := s.join(id, r)
	if code != protocol.None {
		return fail(code)
	}
	reply, ok := s.reply(ctx, w, replies)
	if !ok {
		return fail(protocol.NotCoordinator)
	}
	return *reply.Join
}

func (c *Coordinator) checkJoin(id string, r *group.JoinRequest) protocol.Code {
	if id == "" || len(id) > group.MaxStringBytes {
		return protocol.InvalidGroupID
	}
	if code := c.opts.Group.CheckSession(r.SessionTimeout); code != protocol.None {
		return code
	}
	if code := group.CheckProtocols(r.Protocols); code != protocol.None {
		c.complaints.Say("a member has more protocols than one may have", zap.String("group", id),
			zap.Int("protocols", len(r.Protocols)), zap.Int("allowed", group.MaxProtocols))
		return code
	}
	return checkNames(r.MemberID, r.NewMemberID, deref(r.InstanceID), r.ClientID, r.ProtocolType)
}

// join does the step of a JoinGroup.
func (s *shard) join(id string, r *group.JoinRequest) (group.Waiter, chan group.Reply, protocol.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return 0, nil, code
	}
	now := s.now()
	e := s.groups[id]
	if e == nil {
		if r.MemberID != "" {
			return 0, nil, protocol.UnknownMemberID
		}
		var code protocol.Code
		if e, code = s.create(id, now, false); code != protocol.None {
			return 0, nil, code
		}
	}
	if code := s.grow(e, e.classic().JoinGrowth(r), protocol.GroupMaxSizeReached); code != protocol.None {
		s.removeVoid(e)
		return 0, nil, code
	}
	if c := s.coordinator; r.MemberID == "" && e.classic().Pending() >= c.opts.Group.MaxPending {
		c.complaints.Say("a group has given out too many member ids that nobody has come back with", zap.String("group", id))
	}
	w, replies := s.wait()
	s.finish(e, e.classic().Join(now, r, w), nil)
	return w, replies, protocol.None
}

// smallGroup is how large a group is, in bytes of its members, that may use the last
// quarter of what the broker has for them: a few large groups keep no small one out.
const smallGroup = 1 << 20

// grow says whether the members of a group may take n more bytes. What a group must not is
// its own members' fault and answered with tooLarge; what the broker has no room for is
// not, and is answered with COORDINATOR_NOT_AVAILABLE, which clients retry. Who takes no
// more than before is never refused. The caller holds s.mu.
func (s *shard) grow(e *entry, n int64, tooLarge protocol.Code) protocol.Code {
	c := s.coordinator
	after, room := e.memberBytes+n, c.opts.MemberBytesMax
	if after > smallGroup {
		room -= room / 4
	}
	switch {
	case n <= 0:
	case after > c.opts.GroupBytesMax:
		c.complaints.Say("the members of a group take too much memory", zap.String("group", e.group.ID()),
			zap.Int64("bytes", after), zap.Int64("allowed", c.opts.GroupBytesMax))
		return tooLarge
	case c.memberBytes.Load()+n > room:
		c.complaints.Say("the members of all groups take too much memory", zap.String("refused_group", e.group.ID()),
			zap.Int64("bytes", c.memberBytes.Load()+n), zap.Int64("allowed", room))
		return protocol.CoordinatorNotAvailable
	}
	return protocol.None
}

// SyncGroup handles a SyncGroup and waits for the assignment, or until ctx ends.
func (c *Coordinator) SyncGroup(ctx context.Context, id string, r *group.SyncRequest) group.SyncReply {
	if id == "" {
		return group.SyncReply{Code: protocol.InvalidGroupID}
	}
	s, code := c.shard(id)
	if code != protocol.None {
		return group.SyncReply{Code: code}
	}
	w, replies, code := s.sync(id, r)
	if code != protocol.None {
		return group.SyncReply{Code: code}
	}
	reply, ok := s.reply(ctx, w, replies)
	if !ok {
		return group.SyncReply{Code: protocol.NotCoordinator}
	}
	return *reply.Sync
}

func (s *shard) sync(id string, r *group.SyncRequest) (group.Waiter, chan group.Reply, protocol.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return 0, nil, code
	}
	e := s.groups[id]
	if e == nil {
		return 0, nil, protocol.UnknownMemberID
	}
	// Kafka's code for a group that is too large for a record.
	if code := s.grow(e, e.classic().SyncGrowth(r), protocol.UnknownServerError); code != protocol.None {
		return 0, nil, code
	}
	w, replies := s.wait()
	s.finish(e, e.classic().Sync(s.now(), r, w), nil)
	return w, replies, protocol.None
}

// Heartbeat handles a Heartbeat. While the groups load it succeeds, since the member
// may well be there.
func (c *Coordinator) Heartbeat(id, memberID string, instance *string, generation int32) protocol.Code {
	if id == "" {
		return protocol.InvalidGroupID
	}
	s, code := c.shard(id)
	if code != protocol.None {
		return code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch code := s.state(); code {
	case protocol.None:
	case protocol.CoordinatorLoadInProgress:
		return protocol.None
	default:
		return code
	}
	e := s.groups[id]
	if e == nil {
		return protocol.UnknownMemberID
	}
	return e.classic().Heartbeat(s.now(), memberID, instance, generation)
}

// LeaveGroup handles a LeaveGroup: a code per member, or one for all of them.
func (c *Coordinator) LeaveGroup(ctx context.Context, id string, leavers []group.Leaver) ([]protocol.Code, protocol.Code) {
	return c.change(ctx, id, func(s *shard, outcome chan protocol.Code) ([]protocol.Code, protocol.Code) {
		return s.leave(id, leavers, outcome)
	})
}

// change has a group's shard change it, and waits for the outcome of what that writes. The
// step returns a code for each thing that it was asked for, or one for all of them; without
// the latter it sends the outcome once.
func (c *Coordinator) change(
	ctx context.Context, id string, step func(*shard, chan protocol.Code) ([]protocol.Code, protocol.Code),
) ([]protocol.Code, protocol.Code) {
	if id == "" {
		return nil, protocol.InvalidGroupID
	}
	s, code := c.shard(id)
	if code != protocol.None {
		return nil, code
	}
	outcome := make(chan protocol.Code, 1)
	codes, code := step(s, outcome)
	if code != protocol.None {
		return nil, code
	}
	if code := c.outcome(ctx, outcome); code != protocol.None {
		return nil, code
	}
	return codes, protocol.None
}

func (s *shard) leave(id string, leavers []group.Leaver, outcome chan protocol.Code) ([]protocol.Code, protocol.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.state(); code != protocol.None {
		return nil, code
	}
	e := s.groups[id]
	if e == nil {
		codes := make([]protocol.Code, len(leavers))
		for i := range codes {
			codes[i] = protocol.UnknownMemberID
		}
		outcome <- protocol.None
		return codes, protocol.None
	}
	codes, code, fx := e.classic().Leave(s.now(), leavers)
	if code != protocol.None {
		return nil, code
	}
	s.finish(e, fx, func(c protocol.Code) { outcome <- c })
	return codes, protocol.None
}

// outcome waits for a write. It takes its course also when nobody waits any more.
func (c *Coordinator) outcome(ctx context.Context, outcome chan protocol.Code) protocol.Code {
	timeout := time.NewTimer(c.opts.CommitTimeout)
	defer timeout.Stop()
	select {
	case code := <-outcome:
		return code
	case <-timeout.C:
		return shards.StoreCode(protocol.RequestTimedOut)
	case <-ctx.Done():
		return protocol.CoordinatorNotAvailable
	}
}
