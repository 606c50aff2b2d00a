// Package group holds the rules of Kafka's classic consumer groups: who is a
// member, when a group rebalances, who gets which answer, what has to be written
// down, and which committed offsets are visible, pending or expired.
//
// It is pure. A Group is a state machine whose methods are its steps: each takes
// the time and an event and returns Effects (answers to send, records to store).
// There is no clock, no goroutine, no randomness and no I/O: member ids are made by
// the caller, requests that have to wait are Waiters (numbers that the caller maps
// to whatever blocks), and time passes only through Tick, which Deadline announces.
// A Group is not safe for concurrent use.
//
// A record is stored in two steps: a step returns a Store, the caller makes it
// durable and reports the outcome with Stored. Nothing that depends on a record is
// answered before that.
//
// Sources: Kafka 4.4, ClassicGroup and GroupMetadataManager (rules and codes);
// KIP-62 (rebalance timeout), KIP-134 (initial rebalance delay), KIP-345 (static
// members), KIP-389 (group.max.size), KIP-394 (member id required), KIP-559
// (protocol type and name), KIP-814 (skip assignment), KIP-211 (offset expiry),
// KAFKA-13435 (members that never sync).
package group
