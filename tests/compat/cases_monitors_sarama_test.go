package compat

import "fmt"

// kafka_exporter, by metric, its client set to 2.0.0 as it is by default. It asks for each
// partition apart.
var exporter = tool{"kafka_exporter", "danielqsj/kafka_exporter 1.9.0 (953e2f1)", "sarama 1.45.2 at 2.0.0", map[int16]int16{2: 3, 3: 6, 9: 4, 15: 0, 16: 0}}

var exporterReads = cases([]testCase{
	exporter.asks("brokers and topic partitions, metadata", allMetadata(false)),
}, exporterOffsets(), []testCase{
	exporter.asks("consumer groups, list", listGroups(nil, nil)),
	exporter.asks("consumer groups, members", groups(monitorGroups...)),
}, perGroup(func(g string) testCase {
	return exporter.asks("consumer groups, current offsets of "+g, groupOffsetsOf(g))
}))

func exporterOffsets() (all []testCase) {
	for _, t := range monitorTopics {
		for number := range t.partitions {
			all = append(all,
				exporter.asks(fmt.Sprintf("current offset of %s/%d", t.name, number), listOffsets(t.name, number, -1)),
				exporter.asks(fmt.Sprintf("oldest offset of %s/%d", t.name, number), listOffsets(t.name, number, -2)))
		}
	}
	return all
}

// Burrow, its client set to 2.0.0 as in its example, which reads __consumer_offsets to its end and follows it.
var burrow = tool{"Burrow", "linkedin/Burrow 1.9.5 (ced55ba)", "sarama 1.46.1 at 2.0.0", map[int16]int16{1: 8, 2: 3, 3: 6, 16: 2}}

var burrowReads = []testCase{
	burrow.asks("cluster, metadata", allMetadata(false)),
	burrow.asks("cluster, end offsets", allOffsets(-1, 0)),
	burrow.asks("cluster, groups", listGroups(nil, nil)),
	burrow.asks("consumer, oldest offsets", allOffsets(-2, 0, "__consumer_offsets")),
	burrow.asks("consumer, newest offsets", allOffsets(-1, 0, "__consumer_offsets")),
	burrow.asks("consumer, records", groupRecords(reads("__consumer_offsets", 0, 0, 0, 1, 2))),
	burrow.asks("consumer, no records yet", groupRecords(reads("__consumer_offsets", 1, 0, 2))),
}

// monitorCases are what all tools read, one after the other: none of it changes anything.
var monitorCases = cases(monitorWorld, kminionReads, exporterReads, burrowReads, consoleReads, kafbatReads, akhqReads, cruiseReads)
