package told

import (
	"slices"
	"time"
)

const (
	// Moment is how long a poll or a take waits for records.
	Moment = 100 * time.Millisecond
	// PollMax is how many records a poll gives at most.
	PollMax = 200
)

// Parts is what a poll or a take got.
type Parts []*part

type part struct {
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	Assignment int    `json:"assignment"`
	Records    []read `json:"records"`
}

type read struct {
	Offset int64  `json:"offset"`
	Value  []byte `json:"value"`
}

// Add puts a record behind those of its partition and assignment.
func (all *Parts) Add(topic string, partition int32, assignment int, offset int64, value []byte) {
	i := slices.IndexFunc(*all, func(p *part) bool {
		return p.Topic == topic && p.Partition == partition && p.Assignment == assignment
	})
	if i < 0 {
		i = len(*all)
		*all = append(*all, &part{Topic: topic, Partition: partition, Assignment: assignment})
	}
	p := (*all)[i]
	p.Records = append(p.Records, read{offset, value})
}

// Gather returns what comes within a Moment, at most max.
func Gather[M any](messages <-chan M, max int) (got []M) {
	timeout := time.After(Moment)
	for len(got) < max {
		select {
		case m := <-messages:
			got = append(got, m)
		case <-timeout:
			return got
		}
	}
	return got
}
