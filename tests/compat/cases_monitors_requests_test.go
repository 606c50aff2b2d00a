package compat

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests about everything that is there, as monitors make them.

// allMetadata asks for all topics.
func allMetadata(auto bool) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = auto
		return req
	}
}

// allOffsets asks for an offset of every partition of the topics, or of all topics.
func allOffsets(timestamp int64, isolation int8, topics ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.IsolationLevel = -1, isolation
		for _, known := range monitorTopics {
			if len(topics) > 0 && !contains(topics, known.name) {
				continue
			}
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = known.name
			for number := range known.partitions {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp, p.CurrentLeaderEpoch = number, timestamp, -1
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// groupOffsets asks for all offsets of groups, as clients do that can name several, or
// of the first one.
func groupOffsets(stable bool, groups ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group, req.RequireStable = groups[0], stable
		for _, g := range groups {
			one := kmsg.NewOffsetFetchRequestGroup()
			one.Group, one.MemberEpoch = g, -1
			req.Groups = append(req.Groups, one)
		}
		return req
	}
}

// groupOffsetsOf asks a group for every partition of all topics, by name.
func groupOffsetsOf(group string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = group
		for _, known := range monitorTopics {
			t := kmsg.NewOffsetFetchRequestTopic()
			t.Topic = known.name
			for number := range known.partitions {
				t.Partitions = append(t.Partitions, number)
			}
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func groups(names ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = names
		return req
	}
}

// consumerGroups describes groups of the newer protocol.
func consumerGroups(names ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = names
		return req
	}
}

// topicConfigs describes topics, or all topics.
func topicConfigs(synonyms, docs bool, topics ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		if len(topics) == 0 {
			topics = monitorTopicNames()
		}
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.IncludeSynonyms, req.IncludeDocumentation = synonyms, docs
		for _, name := range topics {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName = ofTopic, name
			req.Resources = append(req.Resources, r)
		}
		return req
	}
}

// brokerConfigs describes the broker; without keys, everything.
func brokerConfigs(synonyms, docs bool, keys ...string) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.IncludeSynonyms, req.IncludeDocumentation = synonyms, docs
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = ofBroker, strconv.Itoa(int(w.node)), keys
		req.Resources = append(req.Resources, r)
		return req
	}
}

func logDirsOf(topics map[string]int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		for _, known := range monitorTopics {
			if _, ok := topics[known.name]; ok {
				t := kmsg.NewDescribeLogDirsRequestTopic()
				t.Topic = known.name
				for number := range known.partitions {
					t.Partitions = append(t.Partitions, number)
				}
				req.Topics = append(req.Topics, t)
			}
		}
		return req
	}
}

// dirsOnly leaves out what is the machine's.
var dirsOnly = []string{"Dir", "TotalBytes", "UsableBytes"}

func (c testCase) without(fields ...string) testCase {
	c.ignore = fields
	return c
}

func acls(*world, int16) kmsg.Request {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	return req
}

func quotas(*world, int16) kmsg.Request { return kmsg.NewPtrDescribeClientQuotasRequest() }

func scramUsers(*world, int16) kmsg.Request {
	return kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
}

// reads is a Fetch without a session of partitions of one topic from an offset.
func reads(topic string, offset int64, isolation int8, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrFetchRequest()
		req.ReplicaID, req.MaxBytes, req.MinBytes, req.MaxWaitMillis = -1, 5_000_000, 1, 100
		req.IsolationLevel, req.SessionEpoch = isolation, -1
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = topic, w.topics[topic]
		for _, number := range partitions {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.FetchOffset, p.PartitionMaxBytes = number, offset, 1<<20
			p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset = -1, -1, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
		return req
	}
}

// kept is a case that remembers something of its answers.
func (c testCase) kept(keep func(*world, int16, kmsg.Response)) testCase {
	c.keep = keep
	return c
}
