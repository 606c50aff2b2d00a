package compat

// suites are all cases. Each suite is answered by a broker of its own, so that one can
// be run alone: go test ./tests/compat -run TestAnswers/fetch
var suites = []suite{
	{name: "versions", cases: versionCases},
	{name: "metadata", cases: metadataCases},
	{name: "create", cases: createCases},
	{name: "create-configs", cases: createConfigCases},
	{name: "create-strict", cases: createStrictCases, settings: map[string]string{"replication.factor.strict": "true"}},
	{name: "delete", cases: deleteCases},
	{name: "partitions", cases: partitionCases},
	{name: "cluster", cases: clusterCases},
	{name: "produce", cases: produceCases},
	{name: "idempotence", cases: idempotenceCases},
	{name: "fetch", cases: fetchCases},
	{name: "sessions", cases: sessionCases},
	{name: "offsets", cases: offsetCases},
	{name: "epochs", cases: epochCases},
	{name: "delete-records", cases: deleteRecordCases},
	{name: "describe-configs", cases: describeConfigCases},
	{name: "alter-configs", cases: alterConfigCases},
	{name: "coordinator", cases: coordinatorCases},
	{name: "membership", cases: membershipCases},
	{name: "static", cases: staticCases},
	{name: "groups", cases: groupCases},
	{name: "commits", cases: offsetStoreCases},
	{name: "admin", cases: adminCases},
}
