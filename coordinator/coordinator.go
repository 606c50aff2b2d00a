package coordinator

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
)

// Coordinator owns the groups of this broker. Its methods may be called from any
// goroutine once New has returned; before Run, and while a shard loads, they answer
// NOT_COORDINATOR or COORDINATOR_LOAD_IN_PROGRESS.
type Coordinator struct {
	opts    Options
	topics  Topics
	log     Log
	metrics *metrics

	loader     *shards.Loader
	complaints *shards.Complaints
	// pending is the room for records that are not durable yet, in bytes.
	pending *semaphore.Weighted

	groups      atomic.Int64 // of all shards
	memberBytes atomic.Int64
	census      census

	host *shards.Host[*shard]
}

// New makes a coordinator. Nothing is read or written before Run.
func New(opts Options, topics Topics, log Log, reg prometheus.Registerer) *Coordinator {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.GroupBytesMax == 0 {
		opts.GroupBytesMax = opts.MemberBytesMax / 4
	}
	c := &Coordinator{
		opts: opts, topics: topics, log: log,
		loader:     shards.NewLoader(TopicName, opts.Logger),
		complaints: shards.NewComplaints(opts.Logger, opts.Now),
		pending:    semaphore.NewWeighted(opts.PendingMax),
	}
	c.host = shards.NewHost(TopicName, topics, func(t Topic, partition int32) *shard { return newShard(c, t, partition) })
	c.metrics = newMetrics(c, reg)
	return c
}

// Run loads the groups and works until ctx ends. Then it refuses new requests,
// answers those that wait, lets what was queued become durable (for as long as a
// commit may take), and returns. The log must outlive it.
func (c *Coordinator) Run(ctx context.Context) error { return c.host.Run(ctx) }

// Ready says which groups cannot be loaded; nil if all can.
func (c *Coordinator) Ready() error { return c.loader.Ready() }

// shard returns the shard that a group belongs to: NOT_COORDINATOR before the
// internal topic exists, which sends the client to FindCoordinator.
func (c *Coordinator) shard(groupID string) (*shard, protocol.Code) { return c.host.Shard(groupID) }

func (c *Coordinator) all() []*shard { return c.host.All() }

// Find makes sure that a group has a coordinator: it makes the internal topic on
// first use. COORDINATOR_NOT_AVAILABLE if that fails; the client tries again.
func (c *Coordinator) Find(ctx context.Context, groupID string) protocol.Code {
	return c.host.Find(ctx, groupID)
}

// TopicDeleted makes the coordinator forget the offsets of topics that exist no
// more. It does not block. When the deleted topic is the one that groups live in, the
// groups are gone with it.
func (c *Coordinator) TopicDeleted() {
	c.host.Look()
	for _, s := range c.all() {
		s.mu.Lock()
		s.sweep = true
		s.mu.Unlock()
		shards.Kick(s.wake)
	}
}
