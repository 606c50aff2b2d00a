package transactions

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
)

// Coordinator owns the transactional ids of this broker. Its methods may be called from
// any goroutine once New has returned; before Run, and while a shard loads, they answer
// NOT_COORDINATOR or COORDINATOR_LOAD_IN_PROGRESS.
type Coordinator struct {
	opts       Options
	topics     shards.Topics
	log        Log
	offsets    Offsets
	ids        ProducerIDs
	metrics    *metrics
	host       *shards.Host[*shard]
	loader     *shards.Loader
	complaints *shards.Complaints
	known      atomic.Int64 // ids, of all shards
	began      time.Time
}

// New makes a coordinator. Nothing is read or written before Run.
func New(opts Options, topics shards.Topics, log Log, offsets Offsets, ids ProducerIDs, reg prometheus.Registerer) *Coordinator {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Coordinator{
		opts: opts, topics: topics, log: log, offsets: offsets, ids: ids,
		loader: shards.NewLoader(TopicName, opts.Logger), began: opts.Now(),
		complaints: shards.NewComplaints(opts.Logger, opts.Now),
	}
	c.host = shards.NewHost(TopicName, topics, func(t shards.Topic, partition int32) *shard { return newShard(c, t, partition) })
	c.metrics = newMetrics(c, reg)
	return c
}

// Run loads the transactions and works until ctx ends. Then it refuses new requests,
// lets what was queued become durable (for as long as an answer may take), and returns.
// The log and the group coordinator must outlive it.
func (c *Coordinator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.sweep(ctx) })
	return c.host.Run(ctx)
}

// Ready says which transactions cannot be loaded; nil if all can.
func (c *Coordinator) Ready() error { return c.loader.Ready() }

// Find makes sure that an id has a coordinator: it makes the internal topic on first
// use. COORDINATOR_NOT_AVAILABLE if that fails; the client tries again.
func (c *Coordinator) Find(ctx context.Context, id string) protocol.Code { return c.host.Find(ctx, id) }

// TopicDeleted has the coordinator look whether its own topic is still there: the
// transactions are gone with it. Other topics are noticed when a transaction ends.
func (c *Coordinator) TopicDeleted() { c.host.Look() }

// nowMs is the wall clock of the coordinator's begin, counted on by the monotonic clock:
// a clock that jumps ends no transaction and forgets no id.
func (c *Coordinator) nowMs() int64 {
	return c.began.UnixMilli() + c.opts.Now().Sub(c.began).Milliseconds()
}
