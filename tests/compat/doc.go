// Package compat holds the broker's answers against those of Apache Kafka, field by
// field. The cases are data, in suites of one subject each; a suite is sent over the
// wire, in order and at every version, to a broker of its own. What Kafka answered is
// kept under testdata, a line per case and run of versions, so that the ordinary test
// needs our broker only:
//
//	go test ./tests/compat                                    ours against the recordings
//	go test ./tests/compat -run TestAnswers/fetch -record     asks Kafka and writes them
//	go test ./tests/compat -run TestAnswers -fresh            asks Kafka; stale ones fail
//	go test ./tests/compat -run TestPage -update              the list in docs/compatibility.md
//	go test ./tests/compat -run TestMonitors -update          its table of monitors and UIs
//
// A few suites replay what monitors and UIs ask (cases_monitors_*_test.go), each request
// at the version that the tool's client negotiates.
//
// Ids, addresses and times are replaced by names (normal_test.go); the few fields that
// are not compared are named there or in their case, and counted. A difference is a
// fault unless known_list_test.go has it, by case, versions, field and value, with its
// reason; an entry that does not occur fails too. A failure prints the line to list.
package compat
