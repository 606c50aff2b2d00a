package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
)

// CreatePartitions raises a topic's number of partitions to count. assignments, if
// any, names the brokers of each new partition. Errors that are answers:
// UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT,
// POLICY_VIOLATION. INVALID_PARTITIONS also for the coordinators' topics: which partition a
// group or a transactional id is kept in follows from the number, so another one would lose
// them. Kafka does it, and they are lost with its next start.
func (c *Catalog) CreatePartitions(ctx context.Context, name string, count int32, assignments [][]int32, validateOnly bool) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	t := c.ByName(name)
	if t == nil {
		return protocol.UnknownTopicOrPartition // without words, as Kafka
	}
	if err := c.checkIncrease(t, count, assignments); err != nil || validateOnly {
		return err
	}
	row := t.Topic
	row.Partitions = count
	return c.update(ctx, t, row)
}

func (c *Catalog) checkIncrease(t *Topic, count int32, assignments [][]int32) error {
	added := int64(count) - int64(t.Partitions)
	switch {
	case t.Internal && added > 0:
		return protocol.Errorf(protocol.InvalidPartitions,
			"The number of partitions of %s says where groups or transactions are kept and cannot change.", t.Name)
	case added == 0:
		return protocol.Errorf(protocol.InvalidPartitions, "Topic already has %d partition(s).", t.Partitions)
	case added < 0:
		return protocol.Errorf(protocol.InvalidPartitions,
			"The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, t.Partitions, count)
	case added > maxNewPartitions:
		return protocol.Errorf(protocol.PolicyViolation, "Excessively large number of additional partitions per request.")
	case assignments != nil && int64(len(assignments)) != added:
		return protocol.Errorf(protocol.InvalidReplicaAssignment,
			"Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", added, len(assignments))
	}
	factor := 0
	for _, brokers := range assignments {
		if err := c.checkReplicas(brokers, &factor); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a topic. Errors that are answers: UNKNOWN_TOPIC_ID when there is no
// such topic, TOPIC_DELETION_DISABLED.
func (c *Catalog) Delete(ctx context.Context, id metadata.TopicID) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	t := c.ByID(id)
	if t == nil {
		return protocol.Errorf(protocol.UnknownTopicID, "This server does not host this topic ID.")
	}
	if !c.Broker().Bool("delete.topic.enable") {
		return protocol.Errorf(protocol.TopicDeletionDisabled, "Topic deletion is disabled.")
	}
	err := c.o.Store.DeleteTopic(context.WithoutCancel(ctx), id)
	if err != nil && !errors.Is(err, metadata.ErrNotFound) {
		return c.reload(fmt.Errorf("catalog: delete topic %s: %w", t.Name, err))
	}
	next := c.Snapshot().next()
	next.removeCopy(t)
	c.view.Store(next)
	c.removeName(t.Name)
	c.emit(func(l Listener) {
		if l.Deleted != nil {
			l.Deleted(t)
		}
	})
	return nil
}

// update stores a changed row and shows it. The caller has the turn.
func (c *Catalog) update(ctx context.Context, old *Topic, row metadata.Topic) error {
	if row.Partitions == old.Partitions && maps.Equal(row.Configs, old.Configs) {
		return nil
	}
	if err := c.o.Store.UpdateTopic(context.WithoutCancel(ctx), row); err != nil {
		return c.reload(fmt.Errorf("catalog: change topic %s: %w", row.Name, err))
	}
	row.Version++ // as the store did
	t := c.topic(row, c.Broker())
	next := c.Snapshot().next()
	next.putCopy(t)
	c.view.Store(next)
	c.sayNotActing(t)
	c.emitChanged(old, t)
	return nil
}

func (c *Catalog) emitChanged(old, t *Topic) {
	c.emit(func(l Listener) {
		if l.Changed != nil {
			l.Changed(old, t)
		}
	})
}
