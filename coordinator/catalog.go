package coordinator

import (
	"context"
	"time"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
)

// OptionsFrom returns the settings that are in force, for Logger to be added. They are
// all read-only, so they hold until the broker stops.
func OptionsFrom(b *config.Broker) Options {
	o := DefaultOptions()
	millis := func(name string) time.Duration { return time.Duration(b.Int(name)) * time.Millisecond }
	o.Group.InitialRebalanceDelay = millis("group.initial.rebalance.delay.ms")
	o.Group.MinSessionTimeout = millis("group.min.session.timeout.ms")
	o.Group.MaxSessionTimeout = millis("group.max.session.timeout.ms")
	o.Group.MaxSize = int(b.Int("group.max.size"))
	o.CommitTimeout = millis("offsets.commit.timeout.ms")
	o.Retention = time.Duration(b.Int("offsets.retention.minutes")) * time.Minute
	o.RetentionCheck = millis("offsets.retention.check.interval.ms")
	o.MetadataMax = int(b.Int("offset.metadata.max.bytes"))
	return o
}

// CatalogTopics is the Topics of this broker.
func CatalogTopics(c *catalog.Catalog, l leaders.Leaders) Topics {
	return catalogTopics{c, leaders.Epochs{Leaders: l, Topics: c}}
}

type catalogTopics struct {
	catalog *catalog.Catalog
	leaders.Epochs
}

func topicOf(t *catalog.Topic) Topic {
	return Topic{ID: t.ID, Name: t.Name, Partitions: t.Partitions, BatchMax: int(t.Config.MaxMessageBytes)}
}

func (c catalogTopics) ByName(name string) (Topic, bool) {
	t := c.catalog.ByName(name)
	if t == nil {
		return Topic{}, false
	}
	return topicOf(t), true
}

func (c catalogTopics) EnsureInternal(ctx context.Context, name string) (Topic, error) {
	t, err := c.catalog.EnsureInternal(ctx, name)
	if err != nil {
		return Topic{}, err
	}
	return topicOf(t), nil
}
