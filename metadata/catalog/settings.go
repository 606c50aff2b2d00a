package catalog

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
)

// The types of resources that have settings, as in Kafka's ConfigResource.
const (
	TypeTopic         int8 = 2
	TypeBroker        int8 = 4
	TypeBrokerLogger  int8 = 8
	TypeClientMetrics int8 = 16
	TypeGroup         int8 = 32
)

var brokerDefault = metadata.Resource{Type: TypeBroker}

func (c *Catalog) brokerOwn() metadata.Resource {
	return metadata.Resource{Type: TypeBroker, Name: strconv.Itoa(int(c.o.Broker.NodeID))}
}

// Alter changes settings of a topic, the broker, all brokers (""), a group or a client
// metrics subscription (IncrementalAlterConfigs). Either all ops are done or none. Errors that are
// answers: INVALID_CONFIG, INVALID_REQUEST, INVALID_TOPIC_EXCEPTION,
// UNKNOWN_TOPIC_OR_PARTITION.
func (c *Catalog) Alter(ctx context.Context, r metadata.Resource, ops []config.Op, validateOnly bool) error {
	return c.alter(ctx, r, validateOnly, func(map[string]string) []config.Op { return ops })
}

// Replace makes set (ops of kind Set) the whole set of a resource (AlterConfigs): what
// it does not name goes back to its default.
func (c *Catalog) Replace(ctx context.Context, r metadata.Resource, set []config.Op, validateOnly bool) error {
	return c.alter(ctx, r, validateOnly, func(current map[string]string) []config.Op {
		return config.Replacement(current, set)
	})
}

func (c *Catalog) alter(ctx context.Context, r metadata.Resource, validateOnly bool, ops func(map[string]string) []config.Op) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	switch r.Type {
	case TypeTopic:
		return c.alterTopic(ctx, r.Name, validateOnly, ops)
	case TypeBroker:
		return c.alterBroker(ctx, r, validateOnly, ops)
	case TypeGroup:
		return c.alterGroup(ctx, r, validateOnly, ops)
	case TypeClientMetrics:
		return c.alterClientMetrics(ctx, r, validateOnly, ops)
	}
	return protocol.Errorf(protocol.InvalidRequest, "Unknown resource type %d", r.Type)
}

func (c *Catalog) alterTopic(ctx context.Context, name string, validateOnly bool, ops func(map[string]string) []config.Op) error {
	if name == "" {
		return protocol.Errorf(protocol.InvalidRequest, "Default topic resources are not allowed.")
	}
	if err := CheckName(name); err != nil {
		return err
	}
	t := c.ByName(name)
	var current map[string]string
	if t != nil {
		current = t.Configs
	}
	set, err := config.AlterTopic(current, ops(current), c.Broker())
	switch {
	case err != nil: // Kafka looks at the values first, and then for the topic
		return err
	case t == nil:
		return protocol.Errorf(protocol.UnknownTopicOrPartition, "The topic '%s' does not exist.", name)
	case validateOnly:
		return nil
	}
	row := t.Topic
	row.Configs = set
	return c.update(ctx, t, row)
}

func (c *Catalog) alterBroker(ctx context.Context, r metadata.Resource, validateOnly bool, ops func(map[string]string) []config.Op) error {
	own, err := config.BrokerName(r.Name, c.o.Broker.NodeID)
	if err != nil {
		return err
	}
	if own {
		r = c.brokerOwn() // one spelling of the number
	}
	current := c.Snapshot().sets[r]
	changes := ops(current)
	set, err := config.AlterBroker(current, changes, own)
	if err != nil {
		return err
	}
	if err := c.checkBroker(r, set, changes); err != nil || validateOnly {
		return err
	}
	if err := c.store(ctx, r, current, set); err != nil {
		return err
	}
	c.refresh()
	return nil
}

// checkBroker holds the rules over what the broker's settings become.
func (c *Catalog) checkBroker(r metadata.Resource, set map[string]string, ops []config.Op) error {
	cluster, own := c.Snapshot().sets[brokerDefault], set
	if r == brokerDefault {
		cluster, own = set, c.Snapshot().sets[c.brokerOwn()]
	}
	changed := make([]string, len(ops))
	for i := range ops {
		changed[i] = ops[i].Name
	}
	return config.CheckChange(c.Broker(), c.o.Broker.With(cluster, own), changed)
}

func (c *Catalog) alterGroup(ctx context.Context, r metadata.Resource, validateOnly bool, ops func(map[string]string) []config.Op) error {
	if r.Name == "" {
		return protocol.Errorf(protocol.InvalidRequest, "Default group resources are not allowed.")
	}
	current := c.Snapshot().sets[r]
	set, err := config.AlterGroup(current, ops(current), c.Broker())
	if err != nil || validateOnly {
		return err
	}
	return c.store(ctx, r, current, set)
}

func (c *Catalog) alterClientMetrics(ctx context.Context, r metadata.Resource, validateOnly bool, ops func(map[string]string) []config.Op) error {
	if r.Name == "" {
		return protocol.Errorf(protocol.InvalidRequest, "Subscription name can't be empty")
	}
	current := c.Snapshot().sets[r]
	set, err := config.AlterClientMetrics(current, ops(current))
	if err != nil || validateOnly {
		return err
	}
	return c.store(ctx, r, current, set)
}

// store commits the settings of anything but a topic and shows them in the snapshot's
// sets.
func (c *Catalog) store(ctx context.Context, r metadata.Resource, current, set map[string]string) error {
	if maps.Equal(current, set) {
		return nil
	}
	if err := c.o.Store.SetConfigs(context.WithoutCancel(ctx), r, set); err != nil {
		return c.reload(fmt.Errorf("catalog: change settings of %s: %w", describeResource(r), err))
	}
	next := c.Snapshot().next()
	next.sets = maps.Clone(next.sets)
	if next.sets == nil {
		next.sets = map[metadata.Resource]map[string]string{}
	}
	next.sets[r] = set
	if len(set) == 0 {
		delete(next.sets, r)
	}
	next.broker = c.o.Broker.With(next.sets[brokerDefault], next.sets[c.brokerOwn()])
	c.view.Store(next)
	return nil
}

// refresh resolves every topic's settings anew after the broker's changed, and tells
// the listeners about the broker and the topics whose settings became others.
func (c *Catalog) refresh() {
	now := c.Snapshot()
	next := &Snapshot{broker: now.broker, sets: now.sets}
	type change struct{ old, new *Topic }
	var changes []change
	for _, t := range now.Topics() {
		fresh := c.topic(t.Topic, now.broker)
		if fresh.Config == t.Config {
			fresh = t
		} else {
			changes = append(changes, change{t, fresh})
		}
		next.put(fresh)
	}
	c.view.Store(next)
	c.emit(func(l Listener) {
		if l.Broker != nil {
			l.Broker(next.broker)
		}
	})
	for _, ch := range changes {
		c.emitChanged(ch.old, ch.new)
	}
}

// Describe shows the settings of a topic, the broker, all brokers (""), a group or a
// client metrics subscription; keys limits them (nil or empty: all). Errors that are answers:
// UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST.
func (c *Catalog) Describe(r metadata.Resource, keys []string) ([]config.Entry, error) {
	s := c.Snapshot()
	switch r.Type {
	case TypeTopic:
		if err := CheckName(r.Name); err != nil {
			return nil, err
		}
		t := s.ByName(r.Name)
		if t == nil {
			return nil, protocol.Errorf(protocol.UnknownTopicOrPartition, "") // an empty message, as Kafka's
		}
		return config.DescribeTopic(t.Configs, s.broker, keys), nil
	case TypeBroker:
		if r.Name == "" {
			return config.DescribeClusterDefault(s.broker, keys), nil
		}
		if err := describedBroker(r.Name, c.o.Broker.NodeID); err != nil {
			return nil, err
		}
		return config.DescribeBroker(s.broker, keys), nil
	case TypeGroup:
		if r.Name == "" {
			return nil, protocol.Errorf(protocol.InvalidRequest, "Group name must not be empty")
		}
		return config.DescribeGroup(s.sets[r], s.broker, keys), nil
	case TypeClientMetrics:
		if r.Name == "" {
			return nil, protocol.Errorf(protocol.InvalidRequest, "Client metrics subscription name must not be empty")
		}
		return config.DescribeClientMetrics(s.sets[r], keys), nil
	}
	return nil, protocol.Errorf(protocol.InvalidRequest, "This most likely occurs because of a request being malformed by the client library "+
		"or the message was sent to an incompatible broker. See the broker logs for more details.")
}

// describedBroker checks the name of a broker that is to be described. Kafka's texts
// differ from those for a change.
func describedBroker(name string, nodeID int32) error {
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return protocol.Errorf(protocol.InvalidRequest, "Broker id must be an integer, but it is: %s", name)
	case int32(id) != nodeID:
		return protocol.Errorf(protocol.InvalidRequest, "Unexpected broker id, expected %d or empty string, but received %s", nodeID, name)
	}
	return nil
}

// Configured returns the names of resources of a type that have settings
// (ListConfigResources, KIP-1142), in no order. Topics and the broker always do.
func (s *Snapshot) Configured(resourceType int8) []string {
	var out []string
	for r := range s.sets {
		if r.Type == resourceType && r.Name != "" {
			out = append(out, r.Name)
		}
	}
	return out
}

// checkStored validates what a store gave back.
func checkStored(r metadata.Resource, set map[string]string) error {
	switch r.Type {
	case TypeBroker:
		return config.CheckDynamic(set, r.Name != "")
	case TypeClientMetrics:
		return config.CheckClientMetrics(set)
	}
	return nil
}

func typeName(t int8) string {
	switch t {
	case TypeTopic:
		return "TOPIC"
	case TypeBroker:
		return "BROKER"
	case TypeBrokerLogger:
		return "BROKER_LOGGER"
	case TypeClientMetrics:
		return "CLIENT_METRICS"
	case TypeGroup:
		return "GROUP"
	}
	return "UNKNOWN"
}

func describeResource(r metadata.Resource) string {
	if r == brokerDefault {
		return "all brokers"
	}
	return typeName(r.Type) + " " + r.Name
}
