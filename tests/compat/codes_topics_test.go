package compat

// topicCodes are the codes of what makes, shows and deletes topics.
var topicCodes = map[int16]map[int16]string{
	3: {3: "metadata/unknown", 17: "metadata/illegal", 42: "metadata/null name", 100: "metadata/by unknown id",
		5: "- topics that are created are led at once", 29: noSecurity, 31: noSecurity, 72: "- a request is answered for the listener that it came by"},
	19: {7: "create/no time", 17: "create/illegal name", 36: "create/exists", 37: "create/no partitions", 38: "create/no replicas",
		39: "create/assigned to nobody", 40: "create-configs/retention.ms=soon", 42: "create/twice in one request",
		44: "create/too many partitions", 29: noSecurity, 31: noSecurity, 41: oneBroker, 89: noQuotas},
	20: {3: "delete/unknown", 7: "delete/no time", 42: "delete/twice", 73: "go broker/api/admin TestDeleteTopics", 100: "delete/unknown id",
		29: noSecurity, 41: oneBroker, 89: noQuotas},
	37: {3: "partitions/unknown topic", 7: "partitions/no time", 37: "partitions/fewer", 39: "partitions/assigned to nobody",
		42: "partitions/twice", 44: "partitions/too many", 29: noSecurity, 41: oneBroker, 60: oneBroker, 89: noQuotas},
	75: {3: "cluster/topics, unknown", 17: "cluster/topics, illegal", 42: "cluster/topics, cursor before names", 29: noSecurity},
}
