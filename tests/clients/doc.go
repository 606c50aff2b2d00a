// Package clients runs the clients that people use against the broker (clients_test.go
// lists them), and Apache Kafka's own Java tools. Each produces with every codec it has,
// consumes in a group that is rebalanced, and lives through restarts of the broker, one
// of them a kill.
//
// Each client has a folder with a small program that does as it is told, so that all
// judgement is in this package, once. Those in Go are modules of their own, and share
// the module in folder program. A program's arguments are a mode, the bootstrap address,
// the topic and, for consume and demand, the group, and for consume the isolation level:
//
//   - admin makes the topic with six partitions and one setting, and reads both back;
//   - produce carries out one command per line of standard input,
//     {"codec":"gzip","first":0,"count":100,"pace_ms":0}: send the records first to
//     first+count-1, one every pace_ms;
//   - consume joins the group and reads until standard input ends, then commits and leaves;
//   - demand does what demand_test.go names, and prints what came of each case.
//
// Each prints JSON lines: {"event":"acked"|"record","n":..,"partition":..,"offset":..,
// "key":..,"value":..}; "produced" after each command; "assigned" with all partitions
// that the member now owns; "done" at the end, or "error" with the reason.
//
// Each client also reads what a compaction leaves of a topic (compacted_test.go).
//
// Three clients and the tools run over every storage: file journal and folder, file
// journal and S3, object journal in S3 (-storage S3 picks by name); with -acceptance all
// do. A client that cannot be installed fails with the reason. The tests run against Apache Kafka as well
// (-broker kafka), which shows that what they ask for is what Kafka does.
//
// testdata/results.jsonl has what passed when it last ran with -docs, and the table of
// docs/compatibility.md is made of it. A client of another version than is there fails.
package clients
