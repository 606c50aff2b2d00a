// Package txn has the rules of transactions as pure steps: what a transactional id's
// state allows, what a request makes of it, which record keeps it, and what answers
// clients get. It is handed requests and the time and does no I/O; the service in
// coordinator/transactions runs the steps and makes their outcome durable.
//
// Both versions of the protocol are served (KIP-98, and KIP-890: the epoch rises with
// every transaction and partitions join by being written to). Which rules hold follows
// the request's version, not the finalised feature.
package txn
