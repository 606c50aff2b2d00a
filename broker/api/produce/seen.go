package produce

import "github.com/streamhouse/streamhouse/storage/pack"

// seenKeep bounds what a connection keeps of it between requests, in words.
const seenKeep = 8 << 10

// seenPartitions remembers the partitions of one request: a bit for each partition
// of each topic that it names, so that it costs no more than the catalog does,
// whatever a request claims.
type seenPartitions struct {
	topics map[pack.TopicID]seenTopic
	words  []uint64
}

// seenTopic is where a topic's bits are.
type seenTopic struct{ first, words int }

func (s *seenPartitions) reset() {
	clear(s.topics)
	if s.words = s.words[:0]; cap(s.words) > seenKeep {
		*s = seenPartitions{}
	}
}

// topic begins, or goes on with, a topic of so many partitions: a request may name
// it twice, and it may have grown in between.
func (s *seenPartitions) topic(id pack.TopicID, partitions int32) seenTopic {
	t, ok := s.topics[id]
	need := (int(partitions) + 63) / 64
	if ok && t.words >= need {
		return t
	}
	old := s.words[t.first : t.first+t.words]
	t = seenTopic{first: len(s.words), words: need}
	s.words = append(s.words, make([]uint64, need)...)
	copy(s.words[t.first:], old)
	if s.topics == nil {
		s.topics = make(map[pack.TopicID]seenTopic)
	}
	s.topics[id] = t
	return t
}

// add remembers a partition of t and says whether it was there.
func (s *seenPartitions) add(t seenTopic, partition int32) bool {
	word := &s.words[t.first+int(partition)/64]
	bit := uint64(1) << (partition % 64)
	was := *word&bit != 0
	*word |= bit
	return was
}
