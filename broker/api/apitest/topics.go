package apitest

import (
	"sync"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Topics is an api.Directory that tests fill.
type Topics struct {
	mu     sync.Mutex
	byName map[string]*catalog.Topic
	byID   map[pack.TopicID]*catalog.Topic
}

// NewTopics makes an empty one.
func NewTopics() *Topics {
	return &Topics{byName: map[string]*catalog.Topic{}, byID: map[pack.TopicID]*catalog.Topic{}}
}

// Add makes a topic with the given settings; its id ends in n, which must be new.
func (t *Topics) Add(name string, n byte, partitions int32, configs map[string]string) *catalog.Topic {
	topic := &catalog.Topic{
		Topic:    metadata.Topic{ID: pack.TopicID{0xAB, 15: n}, Name: name, Partitions: partitions, Replicas: 1, Configs: configs},
		Config:   config.NewTopic(configs, config.NewBroker(0, nil)),
		Internal: catalog.IsInternal(name),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byName[name], t.byID[topic.ID] = topic, topic
	return topic
}

// Remove deletes a topic.
func (t *Topics) Remove(topic *catalog.Topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byName, topic.Name)
	delete(t.byID, topic.ID)
}

// ByName implements api.Directory.
func (t *Topics) ByName(name string) *catalog.Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byName[name]
}

// ByID implements api.Directory.
func (t *Topics) ByID(id pack.TopicID) *catalog.Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}
