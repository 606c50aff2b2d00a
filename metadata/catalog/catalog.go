// Package catalog keeps what the broker knows about topics and dynamic settings in
// memory, in front of the metadata store: reads are a pointer load, changes are made
// one at a time and are seen only after the store has them.
//
// It owns the rules of topics (names, counts, settings) with the codes and texts that
// Kafka answers, and tells listeners what changed.
package catalog

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
)

// Store is what the catalog needs of the metadata store.
type Store interface {
	metadata.Topics
	metadata.Configs
}

// Options are what a catalog is made of. All fields but NewID are needed.
type Options struct {
	Store      Store
	StartEpoch int32 // metadata.Start.Epoch
	// Broker has the settings that the broker was started with. Its dynamic layers are
	// replaced by what the store has.
	Broker *config.Broker
	// Brokers is the number of brokers in the cluster, 1 or more.
	Brokers int
	Log     *zap.Logger
	// NewID makes topic ids; nil: random UUIDs (version 4).
	NewID func() metadata.TopicID
}

// Catalog is the view and the only writer of topics and dynamic settings.
type Catalog struct {
	o Options
	// turn holds one token: whoever has it may change the store and then the view. It
	// is a channel and not a mutex because it is held across the store's commit, and a
	// caller may give up waiting.
	turn chan struct{}
	view atomic.Pointer[Snapshot]

	// The rest belongs to whoever has the turn.
	colliding map[string]map[string]bool // name with '.' as '_' -> names
	listeners []Listener
	said      map[string]bool // what was logged once
	unknown   bool            // the outcome of a change is not known yet
}

// Listener is told of changes, in their order, after the store has them and the
// snapshot shows them. A callback must not call a method that changes the catalog and
// must not block for long: other changes wait. nil callbacks are skipped.
type Listener struct {
	Created func(t *Topic)
	// Changed: more partitions, or settings, its own or inherited ones.
	Changed func(old, new *Topic)
	Deleted func(t *Topic)
	// Broker settings changed while the broker runs.
	Broker func(b *config.Broker)
}

// Open reads the store. A cluster without the setting gets min.insync.replicas=1 as
// its cluster-wide default, as a freshly formatted Kafka 4.4 has it (KIP-966).
func Open(ctx context.Context, o Options) (*Catalog, error) {
	if o.NewID == nil {
		o.NewID = randomID
	}
	c := &Catalog{o: o, turn: make(chan struct{}, 1), said: map[string]bool{}}
	c.turn <- struct{}{}
	c.view.Store(&Snapshot{broker: o.Broker})
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	if err := c.seed(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Listen adds a listener for changes from now on.
func (c *Catalog) Listen(ctx context.Context, l Listener) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	c.listeners = append(c.listeners, l)
	return nil
}

// Snapshot returns what is known now; it never changes.
func (c *Catalog) Snapshot() *Snapshot { return c.view.Load() }

// ByName returns a topic, or nil.
func (c *Catalog) ByName(name string) *Topic { return c.Snapshot().ByName(name) }

// ByID returns a topic, or nil.
func (c *Catalog) ByID(id metadata.TopicID) *Topic { return c.Snapshot().ByID(id) }

// Broker returns the broker's settings as they are now.
func (c *Catalog) Broker() *config.Broker { return c.Snapshot().Broker() }

// acquire takes the turn. It fails when ctx ends, and while the outcome of an earlier
// change cannot be found out.
func (c *Catalog) acquire(ctx context.Context) error {
	select {
	case <-c.turn:
	default:
		select {
		case <-c.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !c.unknown {
		return nil
	}
	err := c.catchUp()
	if err != nil {
		c.release()
	}
	return err
}

func (c *Catalog) release() { c.turn <- struct{}{} }

// load builds the view from the store.
func (c *Catalog) load(ctx context.Context) error {
	sets, err := c.o.Store.LoadConfigs(ctx)
	if err != nil {
		return fmt.Errorf("catalog: load settings: %w", err)
	}
	rows, err := c.o.Store.LoadTopics(ctx)
	if err != nil {
		return fmt.Errorf("catalog: load topics: %w", err)
	}
	for r, set := range sets {
		if err := checkStored(r, set); err != nil {
			return fmt.Errorf("catalog: stored settings of %s: %w", describeResource(r), err)
		}
	}
	next := &Snapshot{
		broker: c.o.Broker.With(sets[brokerDefault], sets[c.brokerOwn()]),
		sets:   sets,
	}
	c.colliding = map[string]map[string]bool{}
	for _, row := range rows {
		if err := config.CheckTopicValues(row.Configs); err != nil {
			return fmt.Errorf("catalog: stored settings of topic %s: %w", row.Name, err)
		}
		next.put(c.topic(row, next.broker))
		c.addName(row.Name)
	}
	c.view.Store(next)
	return nil
}

// seed gives a new cluster its first dynamic setting.
func (c *Catalog) seed(ctx context.Context) error {
	set := c.Snapshot().sets[brokerDefault]
	if _, ok := set["min.insync.replicas"]; ok {
		return nil
	}
	next := map[string]string{"min.insync.replicas": c.o.Broker.String("min.insync.replicas")}
	for k, v := range set {
		next[k] = v
	}
	if err := c.o.Store.SetConfigs(ctx, brokerDefault, next); err != nil {
		return fmt.Errorf("catalog: first settings: %w", err)
	}
	return c.load(ctx)
}

func (c *Catalog) emit(f func(Listener)) {
	for _, l := range c.listeners {
		f(l)
	}
}

// once logs a line the first time that its key is seen.
func (c *Catalog) once(key, message string, fields ...zap.Field) {
	if c.said[key] {
		return
	}
	c.said[key] = true
	c.o.Log.Info(message, fields...)
}
