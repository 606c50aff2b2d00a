package catalog

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
)

// Topic is a topic as it is at one moment. It never changes; an update makes another.
type Topic struct {
	metadata.Topic
	Config   config.Topic // typed and resolved
	Internal bool         // belongs to the broker's coordinators
}

// shards splits the maps of a snapshot, so that a change copies a small part.
const shards = 256

var seed = maphash.MakeSeed()

func shardOfName(name string) int         { return int(maphash.String(seed, name) % shards) }
func shardOfID(id metadata.TopicID) int   { return int(id[15]) }
func newerNames(a, b *Topic) int          { return strings.Compare(a.Name, b.Name) }
func sortTopics(topics []*Topic) []*Topic { slices.SortFunc(topics, newerNames); return topics }

// Snapshot is everything the catalog knows at one moment. It is immutable.
type Snapshot struct {
	byName [shards]map[string]*Topic
	byID   [shards]map[metadata.TopicID]*Topic
	count  int
	broker *config.Broker
	sets   map[metadata.Resource]map[string]string // dynamic settings but topics'

	sortOnce sync.Once
	sorted   []*Topic
}

// ByName returns a topic, or nil.
func (s *Snapshot) ByName(name string) *Topic { return s.byName[shardOfName(name)][name] }

// ByID returns a topic, or nil.
func (s *Snapshot) ByID(id metadata.TopicID) *Topic { return s.byID[shardOfID(id)][id] }

// Len is the number of topics.
func (s *Snapshot) Len() int { return s.count }

// Broker returns the broker's settings.
func (s *Snapshot) Broker() *config.Broker { return s.broker }

// Topics returns all topics by name. The caller must not change the slice.
func (s *Snapshot) Topics() []*Topic {
	s.sortOnce.Do(func() {
		s.sorted = make([]*Topic, 0, s.count)
		for _, m := range s.byName {
			for _, t := range m {
				s.sorted = append(s.sorted, t)
			}
		}
		sortTopics(s.sorted)
	})
	return s.sorted
}

// next returns a copy that can be changed with putCopy and removeCopy.
func (s *Snapshot) next() *Snapshot {
	return &Snapshot{byName: s.byName, byID: s.byID, count: s.count, broker: s.broker, sets: s.sets}
}

// put adds or replaces a topic in maps that nobody else has seen.
func (s *Snapshot) put(t *Topic) {
	n, i := shardOfName(t.Name), shardOfID(t.ID)
	if s.byName[n] == nil {
		s.byName[n] = map[string]*Topic{}
	}
	if s.byID[i] == nil {
		s.byID[i] = map[metadata.TopicID]*Topic{}
	}
	if s.byName[n][t.Name] == nil {
		s.count++
	}
	s.byName[n][t.Name] = t
	s.byID[i][t.ID] = t
}

// putCopy adds or replaces a topic after copying the parts that others may see.
func (s *Snapshot) putCopy(t *Topic) {
	s.own(t)
	s.put(t)
}

// removeCopy takes a topic out.
func (s *Snapshot) removeCopy(t *Topic) {
	s.own(t)
	delete(s.byName[shardOfName(t.Name)], t.Name)
	delete(s.byID[shardOfID(t.ID)], t.ID)
	s.count--
}

func (s *Snapshot) own(t *Topic) {
	n, i := shardOfName(t.Name), shardOfID(t.ID)
	s.byName[n] = maps.Clone(s.byName[n])
	s.byID[i] = maps.Clone(s.byID[i])
}
