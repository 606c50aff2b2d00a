// Package compat holds the broker's answers against those of Apache Kafka, request by
// request. The cases are data; each is sent over one connection in the order of its
// suite, and the answer is written down without what differs by nature (times, ids,
// addresses). What Kafka answered is kept under testdata, recorded with
//
//	go test ./tests/compat -record
//
// and the ordinary test starts our broker only. A difference is a fault, unless known_test.go
// lists it with its reason.
package compat
