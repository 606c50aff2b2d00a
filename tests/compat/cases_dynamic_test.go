package compat

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Settings that change while the broker runs.

// dynamicSettings are tried, for this broker and for all of them, without being done:
// values that are good, out of range or of another type, settings that are read-only,
// and those that may be set in one of the two ways only.
var dynamicSettings = [][2]string{
	{"log.retention.ms", "0"}, {"log.retention.ms", "-1"}, {"log.retention.ms", "-2"}, {"log.retention.ms", "x"},
	{"log.retention.bytes", "0"}, {"log.retention.minutes", "5"}, {"log.retention.hours", "5"},
	{"message.max.bytes", "0"}, {"message.max.bytes", "-1"}, {"log.segment.bytes", "10"}, {"log.segment.bytes", "2000000"},
	{"log.roll.ms", "0"}, {"log.flush.interval.ms", "0"}, {"log.cleanup.policy", "compact,bad"}, {"log.cleanup.policy", "compact"},
	{"log.message.timestamp.type", "x"}, {"compression.type", "foo"}, {"compression.type", "zstd"},
	{"unclean.leader.election.enable", "maybe"}, {"unclean.leader.election.enable", "true"}, {"min.insync.replicas", "2"}, {"min.insync.replicas", "0"},
	{"num.io.threads", "16"}, {"num.io.threads", "17"}, {"num.io.threads", "4"}, {"num.io.threads", "3"},
	{"num.network.threads", "4"}, {"num.network.threads", "7"}, {"num.network.threads", "1"},
	{"background.threads", "21"}, {"background.threads", "4"}, {"num.replica.fetchers", "3"}, {"num.recovery.threads.per.data.dir", "9"},
	{"log.cleaner.threads", "3"}, {"log.cleaner.dedupe.buffer.size", "10"}, {"log.cleaner.io.buffer.size", "10"},
	{"log.cleaner.min.compaction.lag.ms", "10"}, {"log.cleaner.max.compaction.lag.ms", "5"},
	{"max.connections", "-1"}, {"max.connections", "0"}, {"max.connections", "10"}, {"max.connections.per.ip", "-1"},
	{"max.connections.per.ip", "0"}, {"max.connections.per.ip", "10"}, {"max.connections.per.ip.overrides", ""},
	{"max.connections.per.ip.overrides", "127.0.0.1:50"}, {"max.connection.creation.rate", "0"}, {"max.connection.creation.rate", "10"},
	{"listener.name.plaintext.max.connections", "10"}, {"listener.name.plaintext.max.connections", "0"},
	{"listener.name.plaintext.max.connections", "-1"}, {"listener.name.plaintext.max.connections", "x"}, {"listener.name.plaintext.max.connections", ""},
	{"listener.name.PLAINTEXT.max.connections", "10"}, {"listener.name.nowhere.max.connections", "10"},
	{"producer.id.expiration.ms", "0"}, {"producer.id.expiration.ms", "5000"}, {"transaction.partition.verification.enable", "false"},
	{"remote.log.reader.threads", "100"}, {"leader.replication.throttled.rate", "100"}, {"leader.replication.throttled.rate", "-1"},
	{"follower.replication.throttled.rate", "5"}, {"replica.alter.log.dirs.io.max.bytes.per.second", "1"},
	{"auto.create.topics.enable", "false"}, {"group.coordinator.threads", "4"}, {"principal.builder.class", "x"},
	{"ssl.keystore.location", "/x"}, {"ssl.keystore.password", "x"}, {"sasl.enabled.mechanisms", "PLAIN"},
	{"log.dirs", "/x"}, {"node.id", "1"}, {"process.roles", "broker"}, {"num.partitions", "3"}, {"default.replication.factor", "1"},
	{"offsets.topic.num.partitions", "3"}, {"transactional.id.expiration.ms", "5000"}, {"broker.rack", "x"}, {"", "x"},
}

// dynamicCases are those, then lists, deletions, and changes that are done.
var dynamicCases = cases(triedSettings(), []testCase{
	setup(topic("log", 1, 1)),
	{name: "append to a list", request: increment(ofBroker, "1", true, change{"log.cleanup.policy", appended, "compact"})},
	{name: "append to a list of all", request: increment(ofBroker, "", true, change{"log.cleanup.policy", appended, "compact"})},
	{name: "append to a number", request: increment(ofBroker, "1", true, change{"log.retention.ms", appended, "1"})},
	{name: "subtract from a number", request: increment(ofBroker, "", true, change{"log.retention.ms", subtracted, "1"})},
	{name: "append to an unknown key", request: increment(ofBroker, "1", true, change{"no.such.key", appended, "1"})},
	{name: "set null", request: increment(ofBroker, "1", true, change{"log.retention.ms", set, null})},
	{name: "append null", request: increment(ofBroker, "1", true, change{"log.cleanup.policy", appended, null})},
	{name: "no changes", request: increment(ofBroker, "1", true)},
	{name: "operation 9", request: increment(ofBroker, "1", true, change{"log.retention.ms", 9, "1"})},
	{name: "key twice", request: increment(ofBroker, "1", true, change{"log.retention.ms", set, "1"}, change{"log.retention.ms", set, "2"})},
	{name: "deleted, not set", request: increment(ofBroker, "1", false, change{"log.retention.ms", unset, null})},
	{name: "deleted, read-only", request: increment(ofBroker, "1", true, change{"node.id", unset, null})},
	{name: "two read-only", request: increment(ofBroker, "1", true, change{"node.id", set, "1"}, change{"process.roles", set, "broker"}, change{"log.retention.ms", set, "5"})},
	{name: "both lags", request: increment(ofBroker, "", true, change{"log.cleaner.min.compaction.lag.ms", set, "10"}, change{"log.cleaner.max.compaction.lag.ms", set, "5"})},
	{name: "broker with a space", request: increment(ofBroker, " 1", true, change{"log.retention.ms", set, "5"})},
	{name: "negative broker", request: increment(ofBroker, "-1", true, change{"log.retention.ms", set, "5"})},
	{name: "null broker", request: increment(ofBroker, null, true, change{"log.retention.ms", set, "5"})},

	{name: "all set", request: increment(ofBroker, "", false, change{"log.retention.ms", set, "1000000"}, change{"message.max.bytes", set, "2000000"})},
	{name: "own set", request: increment(ofBroker, "1", false, change{"message.max.bytes", set, "3000000"})},
	testCase{name: "own described", request: richly(true, false, describe(ofBroker, "1", "log.retention.ms", "message.max.bytes", "min.insync.replicas"))}.in(4, 4),
	testCase{name: "all described", request: richly(true, false, describe(ofBroker, ""))}.in(4, 4),
	testCase{name: "all described, by key", request: richly(true, false, describe(ofBroker, "", "message.max.bytes", "log.retention.hours"))}.in(4, 4),
	testCase{name: "topic described", request: richly(true, false, describe(ofTopic, "log", "retention.ms", "max.message.bytes"))}.in(4, 4),
	{name: "lists set", request: increment(ofBroker, "1", false, change{"log.cleanup.policy", set, "compact"})},
	{name: "lists appended", request: increment(ofBroker, "1", false, change{"log.cleanup.policy", appended, "delete"})},
	testCase{name: "lists described", request: richly(true, false, describe(ofBroker, "1", "log.cleanup.policy"))}.in(4, 4),
	{name: "lists subtracted", request: increment(ofBroker, "1", false, change{"log.cleanup.policy", subtracted, "compact"})},
	testCase{name: "lists described then", request: richly(true, false, describe(ofBroker, "1", "log.cleanup.policy"))}.in(4, 4),
	{name: "listener set", request: increment(ofBroker, "1", false, change{"listener.name.plaintext.max.connections", set, "1000"})},
	{name: "listener set for all", request: increment(ofBroker, "", false, change{"listener.name.plaintext.max.connections", set, "2000"})},
	testCase{name: "listener described", request: richly(true, false, describe(ofBroker, "1", "listener.name.plaintext.max.connections"))}.in(4, 4),
	testCase{name: "listener described for all", request: richly(true, false, describe(ofBroker, "", "listener.name.plaintext.max.connections"))}.in(4, 4),
	{name: "listener appended", request: increment(ofBroker, "1", false, change{"listener.name.plaintext.max.connections", appended, "1000"})},
	{name: "listener unset", request: increment(ofBroker, "1", false, change{"listener.name.plaintext.max.connections", unset, null})},
	testCase{name: "listener described, unset", request: richly(true, false, describe(ofBroker, "1", "listener.name.plaintext.max.connections"))}.in(4, 4),
	{name: "listener unset for all", request: increment(ofBroker, "", false, change{"listener.name.plaintext.max.connections", unset, null})},
	{name: "own replaced", request: alter(ofBroker, "1", false, "log.retention.bytes", "100000000")},
	testCase{name: "own described, replaced", request: richly(true, false, describe(ofBroker, "1", "log.retention.bytes", "message.max.bytes", "log.cleanup.policy"))}.in(4, 4),
	{name: "all replaced", request: alter(ofBroker, "", false, "log.retention.bytes", "200000000")},
	testCase{name: "all described, replaced", request: describe(ofBroker, "")}.in(4, 4),
	{name: "replaced, read-only", request: alter(ofBroker, "", false, "node.id", "2")},
	{name: "replaced, null", request: alter(ofBroker, "1", false, "log.retention.bytes", null)},
	{name: "own replaced by nothing", request: alter(ofBroker, "1", false)},
	{name: "all replaced by nothing", request: alter(ofBroker, "", false)},
	testCase{name: "own described, cleared", request: richly(true, false, describe(ofBroker, "1", "log.retention.bytes", "message.max.bytes", "log.cleanup.policy"))}.in(4, 4),
	testCase{name: "all described, cleared", request: describe(ofBroker, "")}.in(4, 4),
})

func triedSettings() (all []testCase) {
	for _, s := range dynamicSettings {
		for _, broker := range []string{"1", ""} {
			who := "own"
			if broker == "" {
				who = "all"
			}
			all = append(all, testCase{name: fmt.Sprintf("%s %s=%s", who, s[0], s[1]), request: increment(ofBroker, broker, true, change{s[0], set, s[1]})}.in(1, 1))
		}
	}
	return all
}

// everySetting tries each setting that Kafka 4.4 has, with the value that it has by
// itself: what is read-only is refused, for this broker and for all of them.
func everySetting() (all []testCase) {
	text, err := os.ReadFile("../../config/testdata/kafka-4.4-broker.tsv")
	if err != nil {
		panic(err) // the tests begin in this folder
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		fields := strings.Split(line, "\t")
		name, value := fields[0], fields[2]
		none := value == "(null)" || value == "(set for this run)"
		if none {
			value = "1"
		}
		for who, broker := range map[string]string{"own": "1", "all": ""} {
			if broker != "" && none && (strings.HasPrefix(name, "ssl.") || strings.HasPrefix(name, "sasl.")) {
				continue // not built, so that Kafka alone lets them have a value: docs/compatibility-settings.md
			}
			c := testCase{name: who + " " + name, request: increment(ofBroker, broker, true, change{name, set, value})}.in(1, 1)
			if name == "listener.security.protocol.map" && broker != "" {
				c.ignore = []string{"ErrorMessage"} // Kafka's names the port of its controller
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b testCase) int { return strings.Compare(a.name, b.name) })
	return all
}

// metricSettings are tried for a subscription.
var metricSettings = [][2]string{
	{"nope", "1"}, {"interval.ms", "abc"}, {"interval.ms", "99"}, {"interval.ms", "-1"}, {"interval.ms", "3600001"}, {"interval.ms", ""},
	{"interval.ms", " 500 "}, {"interval.ms", "5000000000"}, {"match", "foo"}, {"match", "foo=bar"}, {"match", "client_id=[a"},
	{"match", "client_id=a=b"}, {"match", "client_id=a.*,client_software_name=x"}, {"match", ""}, {"match", "client_id=a,,client_id=b"},
	{"match", "client_id=a,client_id=a"}, {"match", "client_id=a,client_id=b"}, {"match", " client_id = a "}, {"match", "client_id="},
	{"match", "client_id"}, {"match", "CLIENT_ID=a"}, {"match", "client_source_port=1,client_source_address=1,client_instance_id=x,client_software_version=y"},
	{"metrics", ""}, {"metrics", "a,a"}, {"metrics", " a , b "}, {"metrics", "*"}, {"metrics", "!!,,a"},
}

var metricCases = cases(triedMetrics(), []testCase{
	{name: "described, unknown", request: describe(ofMetrics, "sub")},
	{name: "set", request: increment(ofMetrics, "sub", false, change{"interval.ms", set, "100"}, change{"metrics", set, "org.apache.kafka.producer."}, change{"match", set, "client_id=a.*"})},
	{name: "described", request: richly(true, false, describe(ofMetrics, "sub"))},
	{name: "described by key", request: describe(ofMetrics, "sub", "interval.ms", "nope")},
	{name: "appended", request: increment(ofMetrics, "sub", false, change{"metrics", appended, "more."})},
	{name: "appended to a number", request: increment(ofMetrics, "sub", false, change{"interval.ms", appended, "1"})},
	{name: "subtracted", request: increment(ofMetrics, "sub", false, change{"metrics", subtracted, "org.apache.kafka.producer."})},
	testCase{name: "described then", request: describe(ofMetrics, "sub")}.in(4, 4),
	testCase{name: "listed", request: resources(16)}.since(1),
	{name: "listed, of the oldest version", request: resources()},
	{name: "set null", request: increment(ofMetrics, "sub", true, change{"metrics", set, null})},
	{name: "key twice", request: increment(ofMetrics, "sub", true, change{"metrics", set, "a"}, change{"metrics", set, "b"})},
	{name: "several faults", request: increment(ofMetrics, "sub", true, change{"zz", set, "a"}, change{"interval.ms", set, "1"}, change{"match", set, "x"})},
	{name: "operation 9", request: increment(ofMetrics, "sub", true, change{"metrics", 9, "a"})},
	{name: "no changes", request: increment(ofMetrics, "sub", true)},
	{name: "replaced", request: alter(ofMetrics, "sub", false, "interval.ms", "2000")},
	testCase{name: "described, replaced", request: describe(ofMetrics, "sub")}.in(4, 4),
	{name: "replaced by nothing", request: alter(ofMetrics, "sub", false)},
	testCase{name: "described, replaced by nothing", request: describe(ofMetrics, "sub")}.in(4, 4),
	{name: "deleted, not there", request: increment(ofMetrics, "none", false, change{"interval.ms", unset, null}, change{"nope", unset, null})},
	{name: "set again", request: increment(ofMetrics, "sub", false, change{"interval.ms", set, "300000"})},
	{name: "deleted", request: increment(ofMetrics, "sub", false, change{"interval.ms", unset, null}, change{"metrics", unset, null}, change{"match", unset, null})},
	testCase{name: "listed then", request: resources(16)}.since(1),
	{name: "no name", request: increment(ofMetrics, "", false, change{"interval.ms", set, "1000"})},
	{name: "replaced without a name", request: alter(ofMetrics, "", false, "interval.ms", "1000")},
	{name: "described without a name", request: describe(ofMetrics, "")},
})

func triedMetrics() (all []testCase) {
	for _, s := range metricSettings {
		all = append(all, testCase{name: fmt.Sprintf("%s=%s", s[0], s[1]), request: increment(ofMetrics, "sub", true, change{s[0], set, s[1]})}.in(1, 1))
	}
	return all
}

// loggerCases use the root logger: others are each broker's own.
var loggerCases = []testCase{
	{name: "root set", request: increment(ofLogger, "1", false, change{"root", set, "ERROR"})},
	testCase{name: "root described", request: describe(ofLogger, "1", "root")}.in(1, 4),
	testCase{name: "root described, with an unknown one", request: describe(ofLogger, "1", "root", "nope.nope")}.in(4, 4),
	testCase{name: "unknown one described", request: describe(ofLogger, "1", "nope.nope")}.in(4, 4),
	{name: "root in small letters", request: increment(ofLogger, "1", true, change{"root", set, "debug"})},
	{name: "root, unknown level", request: increment(ofLogger, "1", false, change{"root", set, "LOUD"})},
	{name: "root, empty level", request: increment(ofLogger, "1", false, change{"root", set, ""})},
	{name: "root, null level", request: increment(ofLogger, "1", false, change{"root", set, null})},
	{name: "root, off", request: increment(ofLogger, "1", true, change{"root", set, "OFF"})},
	{name: "root deleted", request: increment(ofLogger, "1", false, change{"root", unset, null})},
	{name: "root appended", request: increment(ofLogger, "1", false, change{"root", appended, "DEBUG"})},
	{name: "root subtracted", request: increment(ofLogger, "1", false, change{"root", subtracted, "DEBUG"})},
	{name: "operation 9", request: increment(ofLogger, "1", false, change{"root", 9, "DEBUG"})},
	{name: "root twice", request: increment(ofLogger, "1", false, change{"root", set, "INFO"}, change{"root", set, "INFO"})},
	{name: "unknown logger", request: increment(ofLogger, "1", false, change{"nope.nope", set, "DEBUG"})},
	{name: "unknown logger deleted", request: increment(ofLogger, "1", false, change{"nope.nope", unset, null})},
	{name: "good and unknown", request: increment(ofLogger, "1", false, change{"root", set, "WARN"}, change{"nope.nope", set, "DEBUG"})},
	{name: "no changes", request: increment(ofLogger, "1", false)},
	{name: "another broker", request: increment(ofLogger, "2", false, change{"root", set, "DEBUG"})},
	{name: "no broker", request: increment(ofLogger, "", false, change{"root", set, "DEBUG"})},
	{name: "no number", request: increment(ofLogger, "x", false, change{"root", set, "DEBUG"})},
	{name: "broker twice", request: both(increment(ofLogger, "1", false, change{"root", set, "INFO"}), increment(ofLogger, "1", false, change{"root", set, "WARN"}))},
	{name: "each level", request: increment(ofLogger, "1", true, change{"root", set, "TRACE"})},
	{name: "fatal", request: increment(ofLogger, "1", true, change{"root", set, "FATAL"})},
	testCase{name: "root described then", request: describe(ofLogger, "1", "root")}.in(4, 4),
	{name: "replaced", request: alter(ofLogger, "1", false, "root", "WARN")},
	{name: "described without a broker", request: describe(ofLogger, "")},
	{name: "root set back", request: increment(ofLogger, "1", false, change{"root", set, "INFO"})},
}

// telemetryCases ask and push as a client that does not know better: a broker without a
// receiver does not advertise it. Each client is another one, since a second push too
// soon is refused for that.
var telemetryCases = []testCase{
	unlistedCase("subscriptions, new client", subscribing(0)),
	unlistedCase("subscriptions, known client", subscribing(1)).kept(keepSubscription),
	unlistedCase("push, bad compression", pushing(1, own, false, 9, []byte("metrics"))),
	unlistedCase("subscriptions, second client", subscribing(2)).kept(keepSubscription),
	unlistedCase("push", pushing(2, own, false, 0, []byte("metrics"))),
	unlistedCase("push again", pushing(2, own, false, 0, []byte("metrics"))),
	unlistedCase("subscriptions too soon", subscribing(2)),
	unlistedCase("push, terminating", pushing(2, own, true, 0, []byte("metrics"))),
	unlistedCase("push after that", pushing(2, own, false, 0, []byte("metrics"))),
	unlistedCase("push, unknown client", pushing(3, "another", false, 0, []byte("metrics"))),
	unlistedCase("subscriptions, fourth client", subscribing(4)).kept(keepSubscription),
	unlistedCase("push, unknown subscription", pushing(4, "another", false, 0, []byte("metrics"))),
	unlistedCase("subscriptions, fifth client", subscribing(5)).kept(keepSubscription),
	unlistedCase("push, too large", pushing(5, own, false, 0, make([]byte, 2<<20))),
	unlistedCase("push, no client", pushing(0, own, false, 0, []byte("metrics"))),
	unlistedCase("push nothing", pushing(6, "another", false, 0, nil)),
}

// unlistedCase is a case of the API's version 0, over a connection of its own.
func unlistedCase(name string, request func(*world, int16) kmsg.Request) testCase {
	return testCase{name: name, request: request, exact: true, unlisted: true, on: name,
		ignore: []string{"ClientInstanceID", "SubscriptionID"}}
}

func subscribing(client byte) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		req.ClientInstanceID = [16]byte{client}
		return req
	}
}

func keepSubscription(w *world, _ int16, r kmsg.Response) {
	w.values["subscription"] = int64(r.(*kmsg.GetTelemetrySubscriptionsResponse).SubscriptionID)
}

// pushing sends metrics for the subscription that was kept last, or for another.
func pushing(client byte, subscription string, terminating bool, codec int8, metrics []byte) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrPushTelemetryRequest()
		req.ClientInstanceID, req.Terminating, req.CompressionType, req.Metrics = [16]byte{client}, terminating, codec, metrics
		req.SubscriptionID = int32(w.values["subscription"])
		if subscription != own {
			req.SubscriptionID++
		}
		return req
	}
}
