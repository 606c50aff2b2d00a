package fetch

import (
	"slices"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// fetchKey names a partition as the client does: by topic id from version 13 on, by
// name before.
type fetchKey struct {
	id        pack.TopicID
	name      string
	partition int32
}

// fetchPart is a partition that a client reads.
type fetchPart struct {
	fetchKey
	tag int // in the watcher

	// What the client asks for.
	offset      int64
	maxBytes    int32
	leaderEpoch int32 // -1: unchecked
	lastEpoch   int32 // -1: none

	// topic and log are nil until the partition is found; log alone if it cannot be opened.
	topic *catalog.Topic
	log   api.Partition

	hot  bool // in fetchSet.hot
	gone bool // forgotten

	// What the client was told last, -1 before that.
	told log.Bounds

	// The outcome of the last look.
	looked    bool
	code      protocol.Code
	unknown   bool // there is no such partition
	diverging bool
	endEpoch  int32 // with diverging
	endOffset int64 // with diverging
	read      log.ReadResult
}

// clean forgets the outcome of the last look.
func (p *fetchPart) clean() {
	p.read.Release()
	p.read = log.ReadResult{}
	p.looked, p.code, p.unknown, p.diverging = false, protocol.None, false, false
}

// news says whether the last look found something the client has not been told.
func (p *fetchPart) news() bool {
	return p.code != protocol.None || p.diverging || p.read.Bytes > 0 ||
		p.told.HighWatermark != p.read.HighWatermark ||
		p.told.LastStable != p.read.LastStable || p.told.LogStart != p.read.LogStart
}

var neverTold = log.Bounds{LogStart: -1, HighWatermark: -1, LastStable: -1}

// fetchSet is the partitions of a session, or of one request. Hot ones may have
// something for the client; all others were at their end when last looked at and
// have not advanced since, so a request costs what is hot and not what is there.
//
// The states of a partition, and what moves it:
//
//	                put                         look: at its end
//	(not there) ----------> hot, not found  .----------------------> cool
//	      ^                  |   ^          |                         |
//	      |             find |   | lost     |     wakeDirty, or named |
//	      | forget           v   |          |      by a request (put) |
//	      '----------------- hot, found ----'<------------------------'
//
// Hot ones are looked at by each pass, in the order of hot; those that an answer had
// records of go to its end (rotate). A partition that is not found stays hot: only a look
// can find it. The watcher, once there is one, has each partition that is found; what
// advanced before it was there is found by a pass over all (heatAll). Who takes one out
// (forget) leaves it in hot as gone, until the next cool.
type fetchSet struct {
	byKey map[fetchKey]*fetchPart
	order []*fetchPart // by tag; nil where one was forgotten
	free  []int        // tags to use again
	hot   []*fetchPart // in the order in which they are served

	watcher *log.Watcher
	dirty   []int // scratch
	rights  rightsSeen
}

// rightsSeen names the rights by which a set was looked at last.
type rightsSeen struct {
	conn    uint64
	version int64
}

// heatIfOther makes every partition hot if the rights are others: what was allowed may be
// denied, though nothing advanced.
func (s *fetchSet) heatIfOther(now rightsSeen) {
	if s.rights != now {
		s.rights = now
		s.heatAll()
	}
}

func newFetchSet(n int) *fetchSet {
	return &fetchSet{byKey: make(map[fetchKey]*fetchPart, min(n, 1024))}
}

func (s *fetchSet) len() int { return len(s.byKey) }

// put adds a partition, or returns the one that is there. It is hot.
func (s *fetchSet) put(key fetchKey) *fetchPart {
	p := s.byKey[key]
	if p == nil {
		p = &fetchPart{fetchKey: key, told: neverTold}
		if n := len(s.free); n > 0 {
			p.tag, s.free = s.free[n-1], s.free[:n-1]
			s.order[p.tag] = p
		} else {
			p.tag = len(s.order)
			s.order = append(s.order, p)
		}
		s.byKey[key] = p
	}
	s.heat(p)
	return p
}

func (s *fetchSet) heat(p *fetchPart) {
	if !p.hot {
		p.hot = true
		s.hot = append(s.hot, p)
	}
}

// heatAll makes every partition hot.
func (s *fetchSet) heatAll() {
	for _, p := range s.order {
		if p != nil {
			s.heat(p)
		}
	}
}

// forget removes a partition.
func (s *fetchSet) forget(key fetchKey) {
	p := s.byKey[key]
	if p == nil {
		return
	}
	if s.watcher != nil {
		s.watcher.Remove(p.tag)
	}
	p.gone = true
	delete(s.byKey, key)
	s.order[p.tag] = nil
	s.free = append(s.free, p.tag)
}

func (s *fetchSet) watching() bool { return s.watcher != nil }

// watch begins to watch all partitions that were found, and those found later.
func (s *fetchSet) watch() {
	if s.watcher != nil {
		return
	}
	s.watcher = log.NewWatcher()
	for _, p := range s.order {
		if p != nil && p.log != nil {
			s.watcher.Add(p.log, p.tag)
		}
	}
}

// found sets a partition's log.
func (s *fetchSet) found(p *fetchPart, topic *catalog.Topic, l api.Partition) {
	p.topic, p.log = topic, l
	if s.watcher != nil {
		s.watcher.Add(l, p.tag)
	}
}

// lost says that a partition does not exist, any more or yet.
func (s *fetchSet) lost(p *fetchPart) {
	if p.log != nil && s.watcher != nil {
		s.watcher.Remove(p.tag)
	}
	p.topic, p.log = nil, nil
}

// wakeDirty makes partitions hot that advanced.
func (s *fetchSet) wakeDirty() {
	if s.watcher == nil {
		return
	}
	s.dirty = s.watcher.Drain(s.dirty[:0])
	for _, tag := range s.dirty {
		if tag < len(s.order) && s.order[tag] != nil {
			s.heat(s.order[tag])
		}
	}
}

// cool drops the forgotten and those that were found at their end.
func (s *fetchSet) cool() {
	s.hot = slices.DeleteFunc(s.hot, func(p *fetchPart) bool { return p.gone || !p.hot })
}

// rotate puts those that the answer has records of behind the others, so that no
// partition starves.
func (s *fetchSet) rotate() {
	var served []*fetchPart
	keep := s.hot[:0]
	for _, p := range s.hot {
		if p.read.Bytes > 0 {
			served = append(served, p)
		} else {
			keep = append(keep, p)
		}
	}
	s.hot = append(keep, served...)
}

func (s *fetchSet) close() {
	if s.watcher != nil {
		s.watcher.Close()
		s.watcher = nil
	}
}
