package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// The quorum, features, and brokers that are to go.

func quorums(rows ...kmsg.DescribeQuorumRequestTopic) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeQuorumRequest()
		req.Topics = rows
		return req
	}
}

func quorumRow(topic string, partitions ...int32) kmsg.DescribeQuorumRequestTopic {
	return quorum(topic, partitions...)(nil, 0).(*kmsg.DescribeQuorumRequest).Topics[0]
}

// own stands for the id of the cluster that is asked.
const own = "own"

func clusterNamed(w *world, id string) *string {
	switch id {
	case "":
		return nil
	case own:
		return &w.cluster
	}
	return &id
}

func addVoter(cluster string, id int32, directory byte, listeners ...string) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrAddRaftVoterRequest()
		req.ClusterID, req.TimeoutMillis, req.VoterID, req.VoterDirectoryID = clusterNamed(w, cluster), 10_000, id, [16]byte{directory}
		for _, name := range listeners {
			l := kmsg.NewAddRaftVoterRequestListener()
			l.Name, l.Host, l.Port = name, "127.0.0.1", 39999
			req.Listeners = append(req.Listeners, l)
		}
		return req
	}
}

func removeVoter(cluster string, id int32, directory byte) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrRemoveRaftVoterRequest()
		req.ClusterID, req.VoterID, req.VoterDirectoryID = clusterNamed(w, cluster), id, [16]byte{directory}
		return req
	}
}

func unregister(id int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = id
		return req
	}
}

func unregisterController(id int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrUnregisterControllerRequest()
		req.ControllerID = id
		return req
	}
}

// level is a change of a feature. The types are 1 upgrade, 2 safe and 3 unsafe
// downgrade; version 0 says only whether a downgrade is allowed.
type level struct {
	feature string
	level   int16
	kind    int8
}

func features(validate bool, changes ...level) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrUpdateFeaturesRequest()
		req.TimeoutMillis, req.ValidateOnly = 10_000, validate
		for _, c := range changes {
			f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
			f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = c.feature, c.level, c.kind, c.kind != 1
			req.FeatureUpdates = append(req.FeatureUpdates, f)
		}
		return req
	}
}

// internal is a request for the controller's listener, which clients' listeners refuse.
func internal(name string, request kmsg.Request, version int16) testCase {
	return testCase{name: name, exact: true, unlisted: true, on: name, request: func(*world, int16) kmsg.Request { return request }}.in(version, version)
}

const metadataTopic = "__cluster_metadata"

var quorumCases = []testCase{
	setup(topic("log", 1, 1)),
	testCase{name: "quorum, two partitions", request: quorums(quorumRow(metadataTopic, 0, 1))}.without(quorumOwn...),
	testCase{name: "quorum, partition twice", request: quorums(quorumRow(metadataTopic, 0, 0))}.without(quorumOwn...),
	testCase{name: "quorum, topic twice", request: quorums(quorumRow(metadataTopic, 0), quorumRow(metadataTopic, 0))}.without(quorumOwn...),
	testCase{name: "quorum, beside another topic", request: quorums(quorumRow(metadataTopic, 0), quorumRow("log", 0))}.without(quorumOwn...),
	testCase{name: "quorum, another topic first", request: quorums(quorumRow("log", 0), quorumRow(metadataTopic, 0))}.without(quorumOwn...),
	{name: "quorum, no topics", request: quorums()},
	{name: "quorum, no partitions", request: quorums(quorumRow(metadataTopic))},
	{name: "quorum, negative partition", request: quorums(quorumRow(metadataTopic, -1))},
	{name: "quorum, unknown topic", request: quorums(quorumRow("nowhere", 0))},
	{name: "quorum, empty topic", request: quorums(quorumRow("", 0))},

	{name: "voter added", request: addVoter("", 7, 9, "CONTROLLER")},
	{name: "voter added, own cluster", request: addVoter(own, 7, 9, "CONTROLLER")},
	{name: "voter added, another cluster", request: addVoter("other", 7, 9, "CONTROLLER")},
	{name: "voter added, which there is", request: addVoter("", 1, 9, "CONTROLLER")},
	{name: "voter added, negative", request: addVoter("", -1, 9, "CONTROLLER")},
	{name: "voter added, no directory", request: addVoter("", 7, 0, "CONTROLLER")},
	{name: "voter added, no listener", request: addVoter("", 7, 9)},
	{name: "voter added, another listener", request: addVoter("", 7, 9, "EXTERNAL")},
	{name: "voter removed, unknown", request: removeVoter("", 7, 9)},
	{name: "voter removed, own cluster", request: removeVoter(own, 7, 9)},
	{name: "voter removed, another cluster", request: removeVoter("other", 7, 9)},
	{name: "voter removed, the only one", request: removeVoter("", 1, 9)},
	{name: "voter removed, negative", request: removeVoter("", -1, 9)},
	{name: "voter removed, no directory", request: removeVoter("", 7, 0)},

	{name: "controller unregistered, unknown", request: unregisterController(7)},
	{name: "controller unregistered, negative", request: unregisterController(-1)},
	{name: "controller unregistered, the only one", request: unregisterController(1)},
	{name: "broker unregistered, unknown", request: unregister(7)},
	{name: "broker unregistered, zero", request: unregister(0)},
	{name: "broker unregistered, lowest", request: unregister(-1 << 31)},

	internal("voter updated", kmsg.NewPtrUpdateRaftVoterRequest(), 0),
	internal("partition altered", kmsg.NewPtrAlterPartitionRequest(), 2),
	internal("broker registered", kmsg.NewPtrBrokerRegistrationRequest(), 0),
	internal("broker's heartbeat", kmsg.NewPtrBrokerHeartbeatRequest(), 0),
	internal("producer ids", kmsg.NewPtrAllocateProducerIDsRequest(), 0),
	internal("vote", kmsg.NewPtrVoteRequest(), 0),
	internal("begin quorum epoch", kmsg.NewPtrBeginQuorumEpochRequest(), 0),
	internal("end quorum epoch", kmsg.NewPtrEndQuorumEpochRequest(), 0),
	internal("snapshot", kmsg.NewPtrFetchSnapshotRequest(), 0),
	internal("controller registered", kmsg.NewPtrControllerRegistrationRequest(), 0),
	internal("directories assigned", kmsg.NewPtrAssignReplicasToDirsRequest(), 0),
	internal("envelope", kmsg.NewPtrEnvelopeRequest(), 0),
}

var featureCases = []testCase{
	{name: "none", request: features(true)},
	{name: "same level", request: features(true, level{"metadata.version", 33, 1})},
	{name: "same level, done", request: features(false, level{"metadata.version", 33, 1})},
	{name: "lower level as an upgrade", request: features(true, level{"metadata.version", 20, 1})},
	{name: "lower level, safe", request: features(true, level{"metadata.version", 30, 2})},
	{name: "one lower, safe", request: features(true, level{"metadata.version", 32, 2})},
	{name: "two lower, safe", request: features(true, level{"metadata.version", 31, 2})},
	{name: "much lower, safe", request: features(true, level{"metadata.version", 20, 2})},
	{name: "much lower, unsafe", request: features(true, level{"metadata.version", 20, 3})},
	{name: "below the lowest, unsafe", request: features(true, level{"metadata.version", 3, 3})},
	{name: "below the lowest, upgrade", request: features(true, level{"metadata.version", 3, 1})},
	{name: "above the highest", request: features(true, level{"metadata.version", 34, 1})},
	{name: "level zero", request: features(true, level{"metadata.version", 0, 1})},
	{name: "level -1", request: features(true, level{"metadata.version", -1, 1})},
	{name: "level -1, unsafe", request: features(true, level{"metadata.version", -1, 3})},
	testCase{name: "same level as a downgrade", request: features(true, level{"metadata.version", 33, 2})}.since(1),
	testCase{name: "type 0", request: features(true, level{"metadata.version", 33, 0})}.since(1),
	testCase{name: "type 9", request: features(true, level{"metadata.version", 33, 9})}.since(1),
	testCase{name: "type -1", request: features(true, level{"metadata.version", 33, -1})}.since(1),
	{name: "unknown feature", request: features(true, level{"no.such", 1, 1})},
	{name: "unknown feature, level zero", request: features(true, level{"no.such", 0, 1})},
	{name: "unknown feature, deleted", request: features(true, level{"no.such", 0, 2})},
	testCase{name: "unknown feature, type 9", request: features(true, level{"no.such", 5, 9})}.since(1),
	testCase{name: "unknown feature, level -1, type 9", request: features(true, level{"no.such", -1, 9})}.since(1),
	testCase{name: "above the highest, type 9", request: features(true, level{"metadata.version", 40, 9})}.since(1),
	{name: "empty name", request: features(true, level{"", 1, 1})},
	{name: "no features", request: features(false)},
	{name: "no features, validated", request: features(true)},
	{name: "feature twice", request: features(true, level{"metadata.version", 33, 1}, level{"metadata.version", 33, 1})},
	{name: "known and unknown", request: features(true, level{"metadata.version", 33, 1}, level{"no.such", 1, 1})},
	testCase{name: "kraft.version", request: features(true, level{"kraft.version", 1, 1})}.since(1),
	testCase{name: "kraft.version, same", request: features(true, level{"kraft.version", 0, 1})}.since(1),
	{name: "transactions above the highest", request: features(true, level{"transaction.version", 3, 1})},
	{name: "transactions as they are", request: features(true, level{"transaction.version", 2, 1})},
	{name: "transactions lower as an upgrade", request: features(true, level{"transaction.version", 1, 1})},
	{name: "transactions -1", request: features(true, level{"transaction.version", -1, 2})},
	{name: "transactions twice", request: features(true, level{"transaction.version", 1, 2}, level{"transaction.version", 2, 1})},
	{name: "transactions and metadata", request: features(true, level{"transaction.version", 1, 2}, level{"metadata.version", 33, 1})},
	// The level goes down and up, and what is tried only changes nothing.
	testCase{name: "lower, tried", request: features(true, level{"transaction.version", 1, 2})}.since(1),
	testCase{name: "lower", request: features(false, level{"transaction.version", 1, 2})}.in(2, 2),
	testCase{name: "lower, again", request: features(false, level{"transaction.version", 1, 2})}.in(2, 2),
	testCase{name: "higher by a downgrade", request: features(false, level{"transaction.version", 2, 2})}.in(2, 2),
	testCase{name: "lowest, unsafe", request: features(false, level{"transaction.version", 0, 3})}.in(2, 2),
	testCase{name: "higher", request: features(false, level{"transaction.version", 2, 1})}.in(2, 2),
	testCase{name: "higher, of the oldest version", request: features(false, level{"transaction.version", 2, 1})}.in(1, 1),
}
