// Package tools runs every command line tool of Apache Kafka that a user of topics and
// groups runs, and compares what it prints with what it prints against Apache Kafka
// itself, line by line.
//
// testdata has a session per area, as one would see it in a terminal:
//
//	# a comment belongs to the step below it
//	@ produce orders 0 10
//	$ kafka-get-offsets --topic orders | sort
//	< what the tool reads from its standard input
//	> orders:0:10
//	- what only Kafka leads to
//	+ what only this broker leads to
//	why: the reason of the difference, which docs/compatibility.md repeats
//
// Lines are compared after normal_test.go has taken out what is never the same twice
// (ports, ids, the time, throughput). The commands are written by hand; what follows them
// is written by `go test ./tests/tools -record` from Apache Kafka, and a difference by
// -here from this broker, which leaves the reason to be written. A difference without a
// reason fails, and so does a reason without a difference.
//
//	go test ./tests/tools                  # this broker against the recordings: no Kafka broker is needed
//	go test ./tests/tools -broker kafka    # Apache Kafka against the recordings: are they stale?
//	go test ./tests/tools -run TestSessions/groups -v
//	go test ./tests/tools -docs            # writes the table of docs/compatibility.md
//
// All tools of a run share one JVM (driver/Driver.java): a call costs what it does, not a
// JVM's start.
package tools
