package admin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// begun is a setting that a broker is started with, and what one sees of it.
type begun struct {
	name, value string
	beside      map[string]string
	see         func(h *house) string
	// without and with are what see tells.
	without, with string
}

var strict = map[string]string{"replication.factor.strict": "true"}

var begunSettings = []begun{
	{name: "advertised.listeners", value: "PLAINTEXT://kafka.example.com:1234", see: brokerSeen(func(b kmsg.MetadataResponseBroker) string {
		return fmt.Sprint(b.Host, b.Port > 0)
	}), without: "127.0.0.1true", with: "kafka.example.comtrue"},
	{name: "auto.create.topics.enable", value: "false", see: creatingByMetadata, without: "NONE", with: "UNKNOWN_TOPIC_OR_PARTITION"},
	{name: "broker.id", value: "7", see: brokerSeen(func(b kmsg.MetadataResponseBroker) string { return fmt.Sprint(b.NodeID) }), without: "1", with: "7"},
	{name: "node.id", value: "7", see: brokerSeen(func(b kmsg.MetadataResponseBroker) string { return fmt.Sprint(b.NodeID) }), without: "1", with: "7"},
	{name: "broker.rack", value: "east", see: brokerSeen(func(b kmsg.MetadataResponseBroker) string {
		if b.Rack == nil {
			return "none"
		}
		return *b.Rack
	}), without: "none", with: "east"},
	{name: "connections.max.idle.ms", value: "500", see: idling, without: "open", with: "closed"},
	{name: "default.replication.factor", value: "3", beside: strict, see: creating, without: "NONE 1", with: "INVALID_REPLICATION_FACTOR -1"},
	{name: "delete.topic.enable", value: "false", see: deleting, without: "NONE", with: "TOPIC_DELETION_DISABLED"},
	{name: "fetch.max.bytes", value: "1024", see: fetching, without: "3 batches", with: "1 batches"},
	{name: "group.max.session.timeout.ms", value: "15000", see: joining(20000), without: "MEMBER_ID_REQUIRED", with: "INVALID_SESSION_TIMEOUT"},
	{name: "group.min.session.timeout.ms", value: "25000", see: joining(20000), without: "MEMBER_ID_REQUIRED", with: "INVALID_SESSION_TIMEOUT"},
	{name: "max.incremental.fetch.session.cache.slots", value: "0", see: sessions, without: "a session", with: "none"},
	{name: "max.request.partition.size.limit", value: "1", beside: map[string]string{"num.partitions": "2"}, see: describing, without: "2 partitions", with: "1 partitions"},
	{name: "num.partitions", value: "3", see: creating, without: "NONE 1", with: "NONE 3"},
	{name: "offset.metadata.max.bytes", value: "5", see: committing, without: "NONE", with: "OFFSET_METADATA_TOO_LARGE"},
	{name: "offsets.retention.check.interval.ms", value: "100", see: expiring, without: "there", with: "gone"},
	{name: "offsets.topic.num.partitions", value: "3", see: partitionsOf(groupsTopic), without: "50", with: "3"},
	{name: "offsets.topic.segment.bytes", value: "2000000", see: configOf(groupsTopic, "segment.bytes"), without: "104857600", with: "2000000"},
	{name: "socket.request.max.bytes", value: "1048576", beside: map[string]string{"message.max.bytes": "3000000"}, see: sendingMuch, without: "NONE", with: "closed"},
	{name: "transaction.max.timeout.ms", value: "1000", see: beginning(2000), without: "NONE", with: "INVALID_TRANSACTION_TIMEOUT"},
	{name: "transaction.state.log.num.partitions", value: "3", see: partitionsOf(transactionsTopic), without: "50", with: "3"},
	{name: "transaction.state.log.segment.bytes", value: "2000000", see: configOf(transactionsTopic, "segment.bytes"), without: "104857600", with: "2000000"},
	{name: "transaction.state.log.min.isr", value: "1", see: configOf(transactionsTopic, "min.insync.replicas"), without: "2", with: "1"},
	{name: "transactional.id.expiration.ms", value: "1", beside: map[string]string{"transaction.remove.expired.transaction.cleanup.interval.ms": "100"},
		see: forgetting, without: "there", with: "gone"},
	{name: "transaction.remove.expired.transaction.cleanup.interval.ms", value: "100", beside: map[string]string{"transactional.id.expiration.ms": "1"},
		see: forgetting, without: "there", with: "gone"},
}

// shownBy are the other settings that act: what they do takes long, or cannot be seen
// from outside by one request. Each is shown by a test: its folder and its name.
var shownBy = map[string]string{
	"controller.listener.names":                 "server/settings TestKafkasOwnFile",
	"log.dir":                                   "server/settings TestLogDirs",
	"log.dirs":                                  "server/settings TestLogDirs",
	"group.initial.rebalance.delay.ms":          "coordinator/group TestInitialRebalanceDelay",
	"group.max.size":                            "tests/compat TestAnswers", // the suite full
	"listener.security.protocol.map":            "server/settings TestListeners",
	"listeners":                                 "server/settings TestListeners",
	"log.cleaner.dedupe.buffer.size":            "storage/upkeep TestCompactionBuffer",
	"log.cleaner.delete.retention.ms":           "tests/admin TestCompactionActs",
	"log.cleaner.enable":                        "storage/upkeep TestCompactionSettings",
	"log.cleaner.io.max.bytes.per.second":       "storage/upkeep TestCompactionPace",
	"log.cleaner.max.compaction.lag.ms":         "tests/admin TestCompactionActs",
	"log.cleaner.min.cleanable.ratio":           "storage/compact TestDue",
	"log.cleaner.min.compaction.lag.ms":         "tests/admin TestCompactionActs",
	"log.cleaner.threads":                       "storage/upkeep TestCompactionThreads",
	"log.retention.check.interval.ms":           "tests/admin TestRetentionActs",
	"log.retention.bytes":                       "tests/admin TestRetentionActs",
	"log.retention.hours":                       "tests/admin TestRetentionOfTheStart",
	"log.retention.minutes":                     "tests/admin TestRetentionOfTheStart",
	"log.retention.ms":                          "tests/admin TestRetentionActs",
	"max.connection.creation.rate":              "broker TestConnectionRate",
	"max.connections":                           "tests/admin TestConnectionLimitsAct",
	"max.connections.per.ip":                    "tests/admin TestConnectionLimitsAct",
	"max.connections.per.ip.overrides":          "tests/admin TestConnectionLimitsAct",
	"offsets.commit.timeout.ms":                 "coordinator TestSlowLog",
	"offsets.retention.minutes":                 "coordinator TestExpiry",
	"producer.id.expiration.ms":                 "storage/partition TestExpireProducers",
	"queued.max.request.bytes":                  "broker TestRequestMemory",
	"socket.receive.buffer.bytes":               "broker TestSocketBuffers",
	"socket.send.buffer.bytes":                  "broker TestSocketBuffers",
	"authorizer.class.name":                     "tests/security TestACLs",
	"connection.failed.authentication.delay.ms": "tests/security TestLoginSettings",
	"connections.max.reauth.ms":                 "tests/security TestSessions",
	"log.roll.hours":                            "storage/upkeep TestMergeSettings",
	"log.roll.ms":                               "storage/upkeep TestMergeSettings",
	"sasl.enabled.mechanisms":                   "tests/security TestSASL",
	"sasl.server.max.receive.size":              "tests/security TestLoginSettings",
	"ssl.allow.dn.changes":                      "server/secure TestReload",
	"ssl.allow.san.changes":                     "server/secure TestReload",
	"ssl.cipher.suites":                         "server/secure TestVersionsAndSuites",
	"ssl.enabled.protocols":                     "server/secure TestVersionsAndSuites",
	"ssl.client.auth":                           "tests/security TestTLS",
	"ssl.principal.mapping.rules":               "auth TestAsKafka",
	"ssl.key.password":                          "server/secure TestStores",
	"ssl.keystore.certificate.chain":            "server/secure TestStores",
	"ssl.keystore.key":                          "server/secure TestStores",
	"ssl.keystore.location":                     "server/secure TestStores",
	"ssl.keystore.password":                     "server/secure TestStores",
	"ssl.keystore.type":                         "server/secure TestStores",
	"ssl.truststore.certificates":               "server/secure TestStores",
	"ssl.truststore.location":                   "server/secure TestStores",
	"ssl.truststore.password":                   "server/secure TestStores",
	"ssl.truststore.type":                       "server/secure TestStores",
	"transaction.abort.timed.out.transaction.cleanup.interval.ms": "coordinator/transactions TestTimeouts",
}

// Each setting that is said to act is in one of the tables, and the tests exist.
func TestEverySettingThatActsIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, l := range liveSettings {
		shown[l.name] = true
	}
	for _, b := range begunSettings {
		shown[b.name] = true
	}
	for _, d := range config.Brokers().All() {
		by, elsewhere := shownBy[d.Name]
		switch acts := d.Effect == config.Acts; {
		case acts && !shown[d.Name] && !elsewhere:
			t.Errorf("%s acts, and no test shows it", d.Name)
		case !acts && (shown[d.Name] || elsewhere):
			t.Errorf("%s is said not to act, and a test shows that it does", d.Name)
		case elsewhere:
			folder, name, _ := strings.Cut(by, " ")
			if !hasTest(t, folder, name) {
				t.Errorf("%s: there is no %s in %s", d.Name, name, folder)
			}
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	paths, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\)`)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if test.Match(text) {
			return true
		}
	}
	return false
}

// Settings that a broker is started with do what they say: a broker that has them is
// seen to be another one.
func TestEachSettingOfTheStartActs(t *testing.T) {
	if *kind != string(peers.StreamHouse) {
		t.Skip("what Kafka does is compared in tests/compat; here is asked whether ours does it at all")
	}
	for _, b := range begunSettings {
		t.Run(b.name, func(t *testing.T) {
			if got := b.see(start(t, b.beside)); got != b.without {
				t.Errorf("without it: %s, want %s", got, b.without)
			}
			if got := b.see(start(t, b.beside, map[string]string{b.name: b.value})); got != b.with {
				t.Errorf("%s: %s, want %s", b.value, got, b.with)
			}
		})
	}
}

// Retention in the units that only a start knows.
func TestRetentionOfTheStart(t *testing.T) {
	for _, name := range []string{"log.retention.hours", "log.retention.minutes"} {
		t.Run(name, func(t *testing.T) {
			h := start(t, quickUpkeep(), map[string]string{name: "1"})
			h.create("t")
			h.alterTopic("t", "segment.bytes", "1048576")
			h.moves("t")
		})
	}
}

func brokerSeen(tell func(kmsg.MetadataResponseBroker) string) func(*house) string {
	return func(h *house) string {
		return tell(h.call(7, kmsg.NewPtrMetadataRequest()).(*kmsg.MetadataResponse).Brokers[0])
	}
}

func (h *house) metadataOf(topic string, auto bool) kmsg.MetadataResponseTopic {
	h.t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic, req.AllowAutoTopicCreation = &topic, auto
	req.Topics = append(req.Topics, t)
	return h.call(7, req).(*kmsg.MetadataResponse).Topics[0]
}

func creatingByMetadata(h *house) string {
	h.metadataOf("new", true) // says that it is not there, and makes it
	return protocol.Code(h.metadataOf("new", false).ErrorCode).String()
}

// creating makes a topic by the broker's own numbers.
func creating(h *house) string {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = "t", -1, -1
	req.Topics = append(req.Topics, t)
	got := h.call(7, req).(*kmsg.CreateTopicsResponse).Topics[0]
	return fmt.Sprint(protocol.Code(got.ErrorCode), " ", got.NumPartitions)
}

func deleting(h *house) string {
	h.create("t")
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis, req.TopicNames = 10000, []string{"t"}
	return protocol.Code(h.call(5, req).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode).String()
}

// closed says that the broker ended a connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// idling waits for the end of a connection over which nothing is sent.
func idling(h *house) string {
	conn, err := wire.Dial(h.Addr(), "idle", patience)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	switch _, err := conn.Call(kmsg.NewPtrMetadataRequest(), patience); {
	case closed(err): // we were too slow
		return "closed"
	case err != nil:
		h.t.Fatal(err)
	}
	wait := patience
	if h.Options().Settings["connections.max.idle.ms"] == "" {
		wait = time.Second // it has ten minutes
	}
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		h.t.Fatal(err)
	}
	_, _, err = conn.ReceiveFrame()
	switch {
	case closed(err):
		return "closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "open"
	}
	return fmt.Sprint(err)
}

func sendingMuch(h *house) string {
	h.create("t")
	conn, err := wire.Dial(h.Addr(), "much", patience)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	req := wire.ProduceRequest("t", 10000, map[int32][]byte{0: wire.Batch(time.Now().UnixMilli(), make([]byte, 2_000_000))})
	resp, err := conn.Call(req, patience)
	switch {
	case closed(err):
		return "closed"
	case err != nil:
		return fmt.Sprint(err)
	}
	return protocol.Code(resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode).String()
}

// fetching counts the batches of one answer.
func fetching(h *house) string {
	h.create("t")
	size := 0
	for range 3 {
		b := wire.Batch(time.Now().UnixMilli(), make([]byte, 1000))
		size = len(b)
		if got := h.send("t", b); got.ErrorCode != 0 {
			h.t.Fatal(got.code())
		}
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = 1<<20, -1
	got := h.fetch(req)
	return fmt.Sprintf("%d batches", len(got.Topics[0].Partitions[0].RecordBatches)/size)
}

func (h *house) fetch(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	h.t.Helper()
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 1 << 20
	t.Topic, t.Partitions = "t", append(t.Partitions, p)
	req.ReplicaID, req.Topics = -1, append(req.Topics, t)
	return h.call(11, req).(*kmsg.FetchResponse)
}

func sessions(h *house) string {
	h.create("t")
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = 1<<20, 0
	if h.fetch(req).SessionID == 0 {
		return "none"
	}
	return "a session"
}

func describing(h *house) string {
	creating(h)
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 100
	req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: "t"})
	got := h.call(0, req).(*kmsg.DescribeTopicPartitionsResponse)
	return fmt.Sprintf("%d partitions", len(got.Topics[0].Partitions))
}

// The topics of the coordinators.
const (
	groupsTopic       = "__consumer_offsets"
	transactionsTopic = "__transaction_state"
)

// coordinator asks for one, which makes its topic.
func coordinator(topic string) func(*house) string {
	return func(h *house) string {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey = "x"
		if topic == transactionsTopic {
			req.CoordinatorType = 1
		}
		return protocol.Code(h.call(3, req).(*kmsg.FindCoordinatorResponse).ErrorCode).String()
	}
}

func partitionsOf(topic string) func(*house) string {
	return func(h *house) string {
		if code := coordinator(topic)(h); code != "NONE" {
			return code
		}
		return fmt.Sprint(len(h.metadataOf(topic, false).Partitions))
	}
}

func configOf(topic, key string) func(*house) string {
	return func(h *house) string {
		if code := coordinator(topic)(h); code != "NONE" {
			return code
		}
		req := kmsg.NewPtrDescribeConfigsRequest()
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{key}
		req.Resources = append(req.Resources, r)
		return *h.call(4, req).(*kmsg.DescribeConfigsResponse).Resources[0].Configs[0].Value
	}
}

// retried asks again while a coordinator loads.
func (h *house) retried(ask func() int16) protocol.Code {
	h.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		switch code := protocol.Code(ask()); {
		case code != protocol.CoordinatorLoadInProgress && code != protocol.CoordinatorNotAvailable && code != protocol.NotCoordinator:
			return code
		case time.Now().After(end):
			h.t.Fatal(code)
		}
	}
}

func joining(session int32) func(*house) string {
	return func(h *house) string {
		coordinator(groupsTopic)(h)
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = "g", session, 10000, "consumer"
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
		return h.retried(func() int16 { return h.call(4, req).(*kmsg.JoinGroupResponse).ErrorCode }).String()
	}
}

// commit keeps an offset of t for retention ms.
func (h *house) commit(metadata string, retention int64) protocol.Code {
	h.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.RetentionTimeMillis = "g", -1, retention
	t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset, p.Metadata = 5, &metadata
	t.Topic, t.Partitions = "t", append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return h.retried(func() int16 { return h.call(2, req).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode })
}

func committing(h *house) string {
	h.create("t")
	coordinator(groupsTopic)(h)
	return h.commit("longer than that", -1).String()
}

// lasts looks whether something goes; if the broker was given the setting that makes it
// go, it has its time.
func (h *house) lasts(setting string, gone func() bool) string {
	h.t.Helper()
	wait := patience
	if h.Options().Settings[setting] == "" {
		wait = time.Second
	}
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if gone() {
			return "gone"
		}
	}
	return "there"
}

// expiring commits an offset for a millisecond.
func expiring(h *house) string {
	h.create("t")
	coordinator(groupsTopic)(h)
	if code := h.commit("", 1); code != protocol.None {
		return code.String()
	}
	return h.lasts("offsets.retention.check.interval.ms", func() bool {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = "g"
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		return h.call(1, req).(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0].Offset == -1
	})
}

func beginning(timeout int32) func(*house) string {
	return func(h *house) string {
		coordinator(transactionsTopic)(h)
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = text("x"), timeout, -1, -1
		return h.retried(func() int16 { return h.call(4, req).(*kmsg.InitProducerIDResponse).ErrorCode }).String()
	}
}

func forgetting(h *house) string {
	if code := beginning(1000)(h); code != "NONE" {
		return code
	}
	setting := "transactional.id.expiration.ms"
	if h.Options().Settings[setting] != "" {
		setting = "transaction.remove.expired.transaction.cleanup.interval.ms"
	}
	return h.lasts(setting, func() bool {
		req := kmsg.NewPtrDescribeTransactionsRequest()
		req.TransactionalIDs = []string{"x"}
		got := h.call(0, req).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
		return protocol.Code(got.ErrorCode) == protocol.TransactionalIDNotFound
	})
}
