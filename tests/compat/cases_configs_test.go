package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// The types of config resources.
const (
	ofTopic   = kmsg.ConfigResourceTypeTopic
	ofBroker  = kmsg.ConfigResourceTypeBroker
	ofLogger  = kmsg.ConfigResourceTypeBrokerLogger
	ofMetrics = kmsg.ConfigResourceTypeClientMetrics
	ofGroup   = kmsg.ConfigResourceTypeGroupConfig
)

// describe asks for settings of one resource; no keys are all.
func describe(kind kmsg.ConfigResourceType, name string, keys ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, keys
		req.Resources = append(req.Resources, r)
		return req
	}
}

func richly(synonyms, docs bool, inner func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := inner(w, lane).(*kmsg.DescribeConfigsRequest)
		req.IncludeSynonyms, req.IncludeDocumentation = synonyms, docs
		return req
	}
}

func both(a, b func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		x, y := a(w, lane), b(w, lane)
		switch x := x.(type) {
		case *kmsg.DescribeConfigsRequest:
			x.Resources = append(x.Resources, y.(*kmsg.DescribeConfigsRequest).Resources...)
		case *kmsg.AlterConfigsRequest:
			x.Resources = append(x.Resources, y.(*kmsg.AlterConfigsRequest).Resources...)
		case *kmsg.IncrementalAlterConfigsRequest:
			x.Resources = append(x.Resources, y.(*kmsg.IncrementalAlterConfigsRequest).Resources...)
		}
		return x
	}
}

var describeConfigCases = []testCase{
	setup(topic("plain", 1, 1), topic("tuned", 1, 1, "retention.ms", "5000", "cleanup.policy", "compact,delete", "min.cleanable.dirty.ratio", "0.25", "preallocate", "TRUE", "flush.ms", "+7")),
	{name: "topic", request: describe(ofTopic, "plain")},
	{name: "topic with synonyms", request: richly(true, false, describe(ofTopic, "plain"))},
	{name: "topic with documentation", request: richly(false, true, describe(ofTopic, "plain"))},
	{name: "tuned topic", request: describe(ofTopic, "tuned")},
	{name: "tuned topic with synonyms", request: richly(true, false, describe(ofTopic, "tuned"))},
	{name: "one key", request: describe(ofTopic, "tuned", "retention.ms")},
	{name: "two keys", request: describe(ofTopic, "tuned", "retention.ms", "cleanup.policy")},
	{name: "key twice", request: describe(ofTopic, "tuned", "retention.ms", "retention.ms")},
	{name: "unknown key", request: describe(ofTopic, "tuned", "no.such.key")},
	{name: "known and unknown key", request: describe(ofTopic, "tuned", "no.such.key", "flush.ms")},
	{name: "empty key", request: describe(ofTopic, "tuned", "")},
	{name: "null key", request: describe(ofTopic, "tuned", null)},
	{name: "empty list of keys", request: func(w *world, lane int16) kmsg.Request {
		req := describe(ofTopic, "plain")(w, lane).(*kmsg.DescribeConfigsRequest)
		req.Resources[0].ConfigNames = []string{}
		return req
	}},
	{name: "unknown topic", request: describe(ofTopic, "nowhere")},
	{name: "illegal topic", request: describe(ofTopic, "bad/name")},
	{name: "empty topic", request: describe(ofTopic, "")},
	{name: "null topic", request: describe(ofTopic, null)},
	{name: "topic twice", request: both(describe(ofTopic, "plain", "flush.ms"), describe(ofTopic, "plain", "flush.ms"))},
	{name: "topic and unknown topic", request: both(describe(ofTopic, "plain", "flush.ms"), describe(ofTopic, "nowhere"))},
	{name: "no resources", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrDescribeConfigsRequest() }},
	{name: "broker keys", request: richly(true, false, describe(ofBroker, "1", "log.retention.ms", "log.retention.hours", "num.partitions", "max.connections", "auto.create.topics.enable"))},
	{name: "broker, unknown key", request: describe(ofBroker, "1", "no.such.key")},
	{name: "all brokers", request: describe(ofBroker, "")},
	{name: "another broker", request: describe(ofBroker, "9")},
	{name: "broker -1", request: describe(ofBroker, "-1")},
	{name: "broker that is no number", request: describe(ofBroker, "one")},
	{name: "broker 01", request: describe(ofBroker, "01", "num.partitions")},
	{name: "group", request: describe(ofGroup, "g")},
	{name: "group with synonyms", request: richly(true, false, describe(ofGroup, "g"))},
	{name: "empty group", request: describe(ofGroup, "")},
	{name: "group key", request: describe(ofGroup, "g", "consumer.session.timeout.ms")},
	{name: "client metrics", request: describe(ofMetrics, "m")},
	{name: "client metrics without a name", request: describe(ofMetrics, "")},
	{name: "logger of another broker", request: describe(ofLogger, "9")},
	{name: "logger that is no number", request: describe(ofLogger, "one")},
	{name: "resource type 0", request: describe(0, "x")},
	{name: "resource type 3", request: describe(3, "x")},
	{name: "resource type -1", request: describe(-1, "x")},
}

// alter replaces settings; pairs are names and values.
func alter(kind kmsg.ConfigResourceType, name string, validate bool, pairs ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrAlterConfigsRequest()
		req.ValidateOnly = validate
		r := kmsg.NewAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		for i := 0; i < len(pairs); i += 2 {
			c := kmsg.NewAlterConfigsRequestResourceConfig()
			c.Name = pairs[i]
			if pairs[i+1] != null {
				c.Value = &pairs[i+1]
			}
			r.Configs = append(r.Configs, c)
		}
		req.Resources = append(req.Resources, r)
		return req
	}
}

type change struct {
	name  string
	op    int8
	value string
}

// The operations on a setting.
const (
	set int8 = iota
	unset
	appended
	subtracted
)

func increment(kind kmsg.ConfigResourceType, name string, validate bool, changes ...change) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.ValidateOnly = validate
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		for _, ch := range changes {
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Op = ch.name, kmsg.IncrementalAlterConfigOp(ch.op)
			if ch.value != null {
				c.Value = &ch.value
			}
			r.Configs = append(r.Configs, c)
		}
		req.Resources = append(req.Resources, r)
		return req
	}
}

var alterConfigCases = []testCase{
	setup(topic("plain", 1, 1), topic("tuned", 1, 1, "retention.ms", "5000", "flush.ms", "7")),
	{name: "replaced", request: alter(ofTopic, "tuned", false, "retention.ms", "6000")},
	testCase{name: "what is left", request: describe(ofTopic, "tuned", "retention.ms", "flush.ms")}.in(4, 4),
	{name: "nothing", request: alter(ofTopic, "plain", false)},
	{name: "validate only", request: alter(ofTopic, "tuned", true, "retention.ms", "1")},
	{name: "bad value", request: alter(ofTopic, "plain", false, "retention.ms", "soon")},
	{name: "below its range", request: alter(ofTopic, "plain", false, "retention.ms", "-5")},
	{name: "unknown key", request: alter(ofTopic, "plain", false, "no.such.key", "1")},
	{name: "key twice", request: alter(ofTopic, "plain", false, "retention.ms", "1", "retention.ms", "2")},
	{name: "null value", request: alter(ofTopic, "plain", false, "retention.ms", null)},
	{name: "unknown topic", request: alter(ofTopic, "nowhere", false, "retention.ms", "1")},
	{name: "unknown topic, bad value", request: alter(ofTopic, "nowhere", false, "retention.ms", "soon")},
	{name: "illegal topic", request: alter(ofTopic, "bad/name", false, "retention.ms", "1")},
	{name: "empty topic", request: alter(ofTopic, "", false, "retention.ms", "1")},
	{name: "topic twice", silent: true, request: both(alter(ofTopic, "plain", false, "flush.ms", "1"), alter(ofTopic, "plain", false, "flush.ms", "2"))},
	{name: "good and bad", request: both(alter(ofTopic, "plain", false, "flush.ms", "1"), alter(ofTopic, "tuned", false, "flush.ms", "x"))},
	{name: "no resources", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrAlterConfigsRequest() }},
	{name: "resource type 0", request: alter(0, "x", false, "a", "1")},
	{name: "resource type 3", request: alter(3, "x", false, "a", "1")},
	{name: "another broker", request: alter(ofBroker, "9", false, "log.retention.ms", "1")},
	{name: "broker that is no number", request: alter(ofBroker, "one", false, "log.retention.ms", "1")},
	{name: "broker, read-only", request: alter(ofBroker, "1", false, "node.id", "7")},
	{name: "broker, bad value", request: alter(ofBroker, "1", false, "log.retention.ms", "x")},
	{name: "all brokers, validate only", request: alter(ofBroker, "", true, "log.retention.ms", "1000")},
	{name: "group", request: alter(ofGroup, "g", true, "consumer.session.timeout.ms", "50000")},
	{name: "group, bad value", request: alter(ofGroup, "g", true, "consumer.session.timeout.ms", "5")},
	{name: "group, unknown key", request: alter(ofGroup, "g", true, "no.such.key", "5")},
	{name: "empty group", request: alter(ofGroup, "", true, "consumer.session.timeout.ms", "50000")},

	{name: "set", request: increment(ofTopic, "tuned", false, change{"retention.ms", set, "8000"})},
	{name: "set again", request: increment(ofTopic, "tuned", false, change{"retention.ms", set, "8000"})},
	{name: "set nothing", request: increment(ofTopic, "tuned", false)},
	{name: "set, validate only", request: increment(ofTopic, "tuned", true, change{"retention.ms", set, "9000"})},
	{name: "deleted", request: increment(ofTopic, "tuned", false, change{"flush.ms", unset, null})},
	{name: "deleted with a value", request: increment(ofTopic, "tuned", false, change{"flush.ms", unset, "1"})},
	{name: "deleted, unknown key", request: increment(ofTopic, "tuned", false, change{"no.such.key", unset, null})},
	{name: "appended", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", appended, "compact"})},
	testCase{name: "what was appended", request: describe(ofTopic, "tuned", "cleanup.policy", "retention.ms")}.in(4, 4),
	{name: "appended again", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", appended, "compact"})},
	{name: "appended, bad value", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", appended, "burn"})},
	{name: "appended nothing", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", appended, ""})},
	{name: "appended to a number", request: increment(ofTopic, "tuned", false, change{"retention.ms", appended, "1"})},
	{name: "appended to an unknown key", request: increment(ofTopic, "tuned", false, change{"no.such.key", appended, "1"})},
	{name: "appended null", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", appended, null})},
	{name: "subtracted", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", subtracted, "delete"})},
	testCase{name: "what is left of it", request: describe(ofTopic, "tuned", "cleanup.policy")}.in(4, 4),
	{name: "subtracted what is not there", request: increment(ofTopic, "tuned", false, change{"cleanup.policy", subtracted, "burn"})},
	{name: "subtracted from a number", request: increment(ofTopic, "tuned", false, change{"retention.ms", subtracted, "1"})},
	{name: "subtracted all", request: increment(ofTopic, "tuned", true, change{"cleanup.policy", subtracted, "compact"})},
	{name: "operation 4", request: increment(ofTopic, "tuned", false, change{"retention.ms", 4, "1"})},
	{name: "operation -1", request: increment(ofTopic, "tuned", false, change{"retention.ms", -1, "1"})},
	{name: "incremental, key twice", request: increment(ofTopic, "tuned", false, change{"retention.ms", set, "1"}, change{"retention.ms", unset, null})},
	{name: "incremental, null value", request: increment(ofTopic, "tuned", false, change{"retention.ms", set, null})},
	{name: "incremental, two null values", request: increment(ofTopic, "tuned", false, change{"retention.ms", set, null}, change{"flush.ms", set, null})},
	{name: "incremental, bad value", request: increment(ofTopic, "tuned", false, change{"retention.ms", set, "soon"})},
	{name: "incremental, good and bad value", request: increment(ofTopic, "tuned", false, change{"flush.ms", set, "5"}, change{"retention.ms", set, "soon"})},
	{name: "incremental, unknown key", request: increment(ofTopic, "tuned", false, change{"no.such.key", set, "1"})},
	{name: "incremental, unknown topic", request: increment(ofTopic, "nowhere", false, change{"retention.ms", set, "1"})},
	{name: "incremental, illegal topic", request: increment(ofTopic, "bad/name", false, change{"retention.ms", set, "1"})},
	{name: "incremental, empty topic", request: increment(ofTopic, "", false, change{"retention.ms", set, "1"})},
	{name: "incremental, topic twice", request: both(increment(ofTopic, "tuned", false, change{"flush.ms", set, "1"}), increment(ofTopic, "tuned", false, change{"flush.ms", set, "2"}))},
	{name: "incremental, no resources", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrIncrementalAlterConfigsRequest() }},
	{name: "incremental, resource type 3", request: increment(3, "x", false, change{"a", set, "1"})},
	{name: "incremental, another broker", request: increment(ofBroker, "9", false, change{"log.retention.ms", set, "1"})},
	{name: "incremental, broker that is no number", request: increment(ofBroker, "one", false, change{"log.retention.ms", set, "1"})},
	{name: "incremental, broker, read-only", request: increment(ofBroker, "1", false, change{"node.id", set, "7"})},
	{name: "incremental, broker, bad value", request: increment(ofBroker, "1", false, change{"log.retention.ms", set, "x"})},
	{name: "incremental, broker, unknown key", request: increment(ofBroker, "1", true, change{"no.such.key", set, "x"})},
	{name: "incremental, broker", request: increment(ofBroker, "1", false, change{"log.retention.ms", set, "123456"})},
	testCase{name: "what the broker has", request: richly(true, false, describe(ofBroker, "1", "log.retention.ms"))}.in(4, 4),
	{name: "incremental, all brokers", request: increment(ofBroker, "", false, change{"log.retention.ms", set, "654321"})},
	testCase{name: "what all brokers have", request: richly(true, false, describe(ofBroker, "", "log.retention.ms"))}.in(4, 4),
	testCase{name: "what topics have then", request: richly(true, false, describe(ofTopic, "plain", "retention.ms"))}.in(4, 4),
	{name: "incremental, broker, deleted", request: increment(ofBroker, "1", false, change{"log.retention.ms", unset, null})},
	{name: "incremental, all brokers, deleted", request: increment(ofBroker, "", false, change{"log.retention.ms", unset, null})},
	{name: "incremental, group", request: increment(ofGroup, "g", false, change{"consumer.session.timeout.ms", set, "50000"})},
	testCase{name: "what the group has", request: richly(true, false, describe(ofGroup, "g", "consumer.session.timeout.ms"))}.in(4, 4),
	{name: "incremental, group, bad value", request: increment(ofGroup, "g", false, change{"consumer.session.timeout.ms", set, "5"})},
	{name: "incremental, group, deleted", request: increment(ofGroup, "g", false, change{"consumer.session.timeout.ms", unset, null})},
	{name: "incremental, empty group", request: increment(ofGroup, "", false, change{"consumer.session.timeout.ms", set, "50000"})},
	{name: "incremental, client metrics without a name", request: increment(ofMetrics, "", true, change{"interval.ms", set, "5"})},
}
