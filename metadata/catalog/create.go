package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
)

// maxNewPartitions is the most partitions that one request may add to a topic.
const maxNewPartitions = 10000

// Spec says which topic to create.
type Spec struct {
	Name       string
	Partitions int32 // -1: the broker's num.partitions
	Replicas   int16 // -1: the broker's default.replication.factor
	// Assignments names the brokers of each partition instead of Partitions and
	// Replicas, which are then -1.
	Assignments map[int32][]int32
	Configs     map[string]*string
	// NullConfigs names settings without a value, in the order of the request; they
	// are an error, as is nil in Configs.
	NullConfigs []string
	// Beside are topics that the same request made: Kafka looks for names that collide
	// among those that were there before.
	Beside map[string]bool
}

// Create makes a topic and returns it; it can be used at once. Errors that are
// answers are *protocol.Error with Kafka's texts: INVALID_TOPIC_EXCEPTION,
// TOPIC_ALREADY_EXISTS, INVALID_CONFIG, INVALID_PARTITIONS,
// INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, POLICY_VIOLATION and
// INVALID_REQUEST.
func (c *Catalog) Create(ctx context.Context, spec Spec) (*Topic, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	return c.create(ctx, spec)
}

// Plan returns the topic that Create would make, or its error, and changes nothing.
func (c *Catalog) Plan(ctx context.Context, spec Spec) (*Topic, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	return c.plan(spec)
}

// Ensure returns the topic of that name and makes it with the broker's defaults when
// there is none. Of callers that ask at the same time one creates it; the others get
// its topic with created false.
func (c *Catalog) Ensure(ctx context.Context, name string) (t *Topic, created bool, err error) {
	if t := c.ByName(name); t != nil {
		return t, false, nil
	}
	if err := c.acquire(ctx); err != nil {
		return nil, false, err
	}
	defer c.release()
	if t := c.ByName(name); t != nil {
		return t, false, nil
	}
	spec := Spec{Name: name, Partitions: -1, Replicas: -1}
	if IsInternal(name) {
		spec = c.internalSpec(name)
	}
	t, err = c.create(ctx, spec)
	return t, err == nil, err
}

// EnsureInternal is Ensure for one of the broker's own topics.
func (c *Catalog) EnsureInternal(ctx context.Context, name string) (*Topic, error) {
	if !IsInternal(name) {
		panic("catalog: not an internal topic: " + name)
	}
	t, _, err := c.Ensure(ctx, name)
	return t, err
}

func (c *Catalog) create(ctx context.Context, spec Spec) (*Topic, error) {
	t, err := c.plan(spec)
	if err != nil {
		return nil, err
	}
	// A caller that gives up must not leave the outcome open.
	if err := c.o.Store.CreateTopic(context.WithoutCancel(ctx), t.Topic); err != nil {
		return nil, c.reload(fmt.Errorf("catalog: create topic %s: %w", t.Name, err))
	}
	next := c.Snapshot().next()
	next.putCopy(t)
	c.view.Store(next)
	c.addName(t.Name)
	c.sayReplicas(t)
	c.sayNotActing(t)
	c.emit(func(l Listener) {
		if l.Created != nil {
			l.Created(t)
		}
	})
	return t, nil
}

// plan checks a spec in Kafka's order. The caller has the turn.
func (c *Catalog) plan(spec Spec) (*Topic, error) {
	if err := CheckName(spec.Name); err != nil {
		return nil, err
	}
	if spec.Name == metadataTopic {
		return nil, protocol.Errorf(protocol.InvalidRequest, "Creation of internal topic %s is prohibited.", metadataTopic)
	}
	if c.ByName(spec.Name) != nil {
		return nil, protocol.Errorf(protocol.TopicAlreadyExists, "Topic '%s' already exists.", spec.Name)
	}
	if err := c.collision(spec.Name, spec.Beside); err != nil {
		return nil, err
	}
	set, err := c.newConfigs(spec)
	if err != nil {
		return nil, err
	}
	partitions, replicas, err := c.counts(spec)
	if err != nil {
		return nil, err
	}
	return c.topic(metadata.Topic{
		ID:         c.freshID(),
		Name:       spec.Name,
		Partitions: partitions,
		Replicas:   replicas,
		BirthEpoch: c.o.StartEpoch,
		Configs:    set,
	}, c.Broker()), nil
}

// newConfigs checks the settings of a new topic. A coordinator's topic that is made
// by hand gets what the coordinator needs unless the request says otherwise.
func (c *Catalog) newConfigs(spec Spec) (map[string]string, error) {
	set := map[string]string{}
	if IsInternal(spec.Name) {
		for k, v := range c.internalSpec(spec.Name).Configs {
			set[k] = *v
		}
	}
	nulls := slices.Clone(spec.NullConfigs)
	for _, k := range slices.Sorted(maps.Keys(spec.Configs)) {
		if v := spec.Configs[k]; v != nil {
			set[k] = *v
			continue
		}
		nulls = append(nulls, k)
	}
	if len(nulls) > 0 {
		return nil, protocol.Errorf(protocol.InvalidConfig, "Null value not supported for topic configs: %s", strings.Join(nulls, ","))
	}
	return set, config.CheckTopic(set, c.Broker())
}

// counts resolves and checks partitions and replication factor.
func (c *Catalog) counts(spec Spec) (partitions int32, replicas int16, err error) {
	if len(spec.Assignments) > 0 {
		return c.assigned(spec)
	}
	partitions, replicas = spec.Partitions, spec.Replicas
	switch {
	case replicas < -1 || replicas == 0:
		return 0, 0, protocol.Errorf(protocol.InvalidReplicationFactor,
			"Replication factor must be larger than 0, or -1 to use the default value.")
	case partitions < -1 || partitions == 0:
		return 0, 0, protocol.Errorf(protocol.InvalidPartitions,
			"Number of partitions was set to an invalid non-positive value.")
	case partitions > maxNewPartitions:
		return 0, 0, protocol.Errorf(protocol.PolicyViolation, "Excessively large number of partitions per request.")
	}
	b := c.Broker()
	if partitions == -1 {
		partitions = int32(b.Int("num.partitions"))
	}
	if replicas == -1 {
		replicas = int16(b.Int("default.replication.factor"))
	}
	if int(replicas) > c.o.Brokers && b.Bool("replication.factor.strict") {
		return 0, 0, protocol.Errorf(protocol.InvalidReplicationFactor,
			"Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered or some brokers have all their log directories cordoned.",
			replicas, replicas, c.o.Brokers)
	}
	return partitions, replicas, nil
}

// assigned checks a manual assignment.
func (c *Catalog) assigned(spec Spec) (int32, int16, error) {
	switch {
	case spec.Replicas != -1:
		return 0, 0, protocol.Errorf(protocol.InvalidRequest,
			"A manual partition assignment was specified, but replication factor was not set to -1.")
	case spec.Partitions != -1:
		return 0, 0, protocol.Errorf(protocol.InvalidRequest,
			"A manual partition assignment was specified, but numPartitions was not set to -1.")
	case len(spec.Assignments) > maxNewPartitions:
		return 0, 0, protocol.Errorf(protocol.PolicyViolation, "Excessively large number of partitions per request.")
	}
	factor := 0
	for _, p := range slices.Sorted(maps.Keys(spec.Assignments)) {
		if err := c.checkReplicas(spec.Assignments[p], &factor); err != nil {
			return 0, 0, err
		}
	}
	n := int32(len(spec.Assignments))
	for p := range n {
		if _, ok := spec.Assignments[p]; !ok {
			return 0, 0, protocol.Errorf(protocol.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
	}
	return n, int16(factor), nil
}

// checkReplicas checks the brokers of one partition; factor is the count that all
// partitions must share, 0 before the first.
func (c *Catalog) checkReplicas(brokers []int32, factor *int) error {
	bad := func(format string, args ...any) error {
		return protocol.Errorf(protocol.InvalidReplicaAssignment, format, args...)
	}
	if len(brokers) == 0 {
		return bad("The manual partition assignment includes an empty replica list.")
	}
	for i, id := range brokers {
		switch {
		case id != c.o.Broker.NodeID:
			return bad("The manual partition assignment includes broker %d, but no such broker is registered.", id)
		case slices.Contains(brokers[:i], id):
			return bad("The manual partition assignment includes the broker %d more than once.", id)
		}
	}
	if *factor != 0 && len(brokers) != *factor {
		return bad("The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).",
			len(brokers), *factor)
	}
	*factor = len(brokers)
	return nil
}

// topic makes the view of a row.
func (c *Catalog) topic(row metadata.Topic, b *config.Broker) *Topic {
	return &Topic{Topic: row, Config: config.NewTopic(row.Configs, b), Internal: IsInternal(row.Name)}
}

// freshID returns an id that is not reserved (0 and 1 are Kafka's) nor taken.
func (c *Catalog) freshID() metadata.TopicID {
	for {
		id := c.o.NewID()
		if id != (metadata.TopicID{}) && id != (metadata.TopicID{15: 1}) && c.ByID(id) == nil {
			return id
		}
	}
}

func randomID() metadata.TopicID { return metadata.TopicID(uuid.New()) }

// sayReplicas logs once that copies are not made.
func (c *Catalog) sayReplicas(t *Topic) {
	if int(t.Replicas) <= c.o.Brokers || t.Internal {
		return
	}
	c.once("replicas", "a topic asks for more replicas than there are brokers: it is accepted, since durability does not come from copies here, "+
		"and clients are shown the real number (replication.factor.strict=true refuses it)",
		zap.String("topic", t.Name), zap.Int16("asked", t.Replicas), zap.Int("brokers", c.o.Brokers))
}

// sayNotActing logs, once per topic and set of names, which settings only wait.
func (c *Catalog) sayNotActing(t *Topic) {
	if t.Internal {
		return
	}
	names := config.NotActing(t.Configs)
	if len(names) == 0 {
		return
	}
	c.once("config "+t.Name+" "+strings.Join(names, ","), "a topic sets configs that are stored and shown but do not act here",
		zap.String("topic", t.Name), zap.Strings("configs", names))
}
