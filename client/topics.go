package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is what a list tells of a topic.
type Topic struct {
	Name              string
	Internal          bool
	Partitions        int
	ReplicationFactor int
}

// NewTopic is a topic to be created. -1 leaves a number to the broker.
type NewTopic struct {
	Name              string
	Partitions        int32
	ReplicationFactor int16
	Settings          map[string]string
}

// Partition is where a partition's records are, and which it has.
type Partition struct {
	ID       int32
	Leader   int32 // -1: none
	Replicas []int32
	InSync   []int32
	Start    int64 // the first offset that can be read
	End      int64 // the offset of the next record
}

// Setting is a topic's setting that differs from the default.
type Setting struct{ Name, Value string }

// TopicDetail is all about one topic. Settings are sorted by name, partitions by id.
type TopicDetail struct {
	Topic
	ID         string
	Settings   []Setting
	Partitions []Partition
}

// IsPattern tells whether a name of a topic is a pattern: no topic's name can have these letters.
func IsPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// Topics lists topics by name: all, or those that pattern (* and ? as in a shell) fits.
// Internal ones are listed if asked for, or if the pattern is one's whole name.
func (c *Client) Topics(ctx context.Context, pattern string, internal bool) ([]Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	fits, err := glob(pattern)
	if err != nil {
		return nil, err
	}
	all, err := c.admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, fault("cannot list topics", err, "")
	}
	var topics []Topic
	for _, t := range all.Sorted() {
		if t.IsInternal && !internal && t.Topic != pattern {
			continue
		}
		if fits(t.Topic) {
			topics = append(topics, listed(t))
		}
	}
	if pattern != "" && len(topics) == 0 {
		if !IsPattern(pattern) {
			return nil, noTopic(pattern, all)
		}
		return nil, &Fault{Kind: NotFound, What: fmt.Sprintf("no topic is like %q", pattern), Next: `"streamhouse topic list" shows all`}
	}
	return topics, nil
}

// glob returns what tells whether a pattern fits a name; an empty one fits all.
func glob(pattern string) (fits func(name string) bool, err error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, &Fault{Kind: Invalid, What: fmt.Sprintf("the pattern %q cannot be read", pattern), Next: "use * for any letters and ? for one"}
	}
	return func(name string) bool {
		fits, _ := path.Match(pattern, name)
		return pattern == "" || fits
	}, nil
}

func listed(t kadm.TopicDetail) Topic {
	return Topic{Name: t.Topic, Internal: t.IsInternal, Partitions: len(t.Partitions), ReplicationFactor: max(0, t.Partitions.NumReplicas())}
}

// noTopic is the fault of a name that no topic has.
func noTopic(name string, all kadm.TopicDetails) error {
	next := didYouMean(name, all.Names(), fmt.Sprintf(`"streamhouse topic create %s" creates it`, name))
	return &Fault{Kind: NotFound, What: fmt.Sprintf("topic %q does not exist", name), Next: next}
}

// needTopics fails with the near name if a topic does not exist. It returns them.
func (c *Client) needTopics(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	details, err := c.admin.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return nil, fault("cannot look up "+strings.Join(names, ", "), err, "")
	}
	for _, name := range names {
		switch err := details[name].Err; {
		case err == kerr.UnknownTopicOrPartition:
			all, err := c.admin.ListTopicsWithInternal(ctx)
			if err != nil {
				return nil, fault("cannot list topics", err, "")
			}
			return nil, noTopic(name, all)
		case err != nil:
			return nil, fault(fmt.Sprintf("cannot look up topic %q", name), err, "")
		}
	}
	return details, nil
}

// CreateTopic creates a topic and returns it as it is now.
func (c *Client) CreateTopic(ctx context.Context, n NewTopic) (Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	what := fmt.Sprintf("cannot create topic %q", n.Name)
	settings := make(map[string]*string, len(n.Settings))
	for name, value := range n.Settings {
		settings[name] = &value
	}
	made, err := c.admin.CreateTopics(ctx, n.Partitions, n.ReplicationFactor, settings, n.Name)
	if err != nil {
		return Topic{}, fault(what, err, "")
	}
	r := made[n.Name]
	if r.Err == kerr.TopicAlreadyExists {
		return Topic{}, &Fault{Kind: Conflict, What: fmt.Sprintf("topic %q exists already", n.Name), Err: r.Err,
			Next: fmt.Sprintf(`"streamhouse topic describe %s" shows it, --if-not-exists is content with it`, n.Name)}
	}
	if r.Err != nil {
		return Topic{}, fault(what, r.Err, r.ErrMessage)
	}
	t := Topic{Name: n.Name, Partitions: int(r.NumPartitions), ReplicationFactor: int(r.ReplicationFactor)}
	if t.Partitions <= 0 { // brokers before Kafka 2.4 do not tell
		t.Partitions = int(n.Partitions)
	}
	return t, nil
}

// DescribeTopic returns all about a topic.
func (c *Client) DescribeTopic(ctx context.Context, name string) (TopicDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	what := fmt.Sprintf("cannot describe topic %q", name)
	details, err := c.needTopics(ctx, name)
	if err != nil {
		return TopicDetail{}, err
	}
	d := TopicDetail{Topic: listed(details[name]), ID: topicID(details[name].ID)}
	starts, err := c.admin.ListStartOffsets(ctx, name)
	if err != nil {
		return TopicDetail{}, fault(what, err, "")
	}
	ends, err := c.admin.ListEndOffsets(ctx, name)
	if err != nil {
		return TopicDetail{}, fault(what, err, "")
	}
	for _, p := range details[name].Partitions.Sorted() {
		start, _ := starts.Lookup(name, p.Partition)
		end, _ := ends.Lookup(name, p.Partition)
		for _, err := range []error{start.Err, end.Err} {
			if err != nil {
				return TopicDetail{}, fault(fmt.Sprintf("%s, partition %d", what, p.Partition), err, "")
			}
		}
		d.Partitions = append(d.Partitions, Partition{ID: p.Partition, Leader: p.Leader, Replicas: p.Replicas, InSync: p.ISR, Start: start.Offset, End: end.Offset})
	}
	settings, err := c.settings(ctx, name)
	if err != nil {
		return TopicDetail{}, fault(what, err, "")
	}
	for _, s := range settings {
		if s.Source == kmsg.ConfigSourceDynamicTopicConfig {
			d.Settings = append(d.Settings, Setting{s.Key, s.MaybeValue()})
		}
	}
	slices.SortFunc(d.Settings, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return d, nil
}

// topicID is an id as Kafka writes it.
func topicID(id kadm.TopicID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// settings are all of a topic's.
func (c *Client) settings(ctx context.Context, topic string) ([]kadm.Config, error) {
	all, err := c.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	r, err := all.On(topic, nil)
	if err != nil {
		return nil, err
	}
	return r.Configs, r.Err
}

// DeleteTopic deletes a topic with its records.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	gone, err := c.admin.DeleteTopics(ctx, name)
	if err == nil {
		err = gone[name].Err
	}
	if err != nil {
		return fault(fmt.Sprintf("cannot delete topic %q", name), err, gone[name].ErrMessage)
	}
	return nil
}
