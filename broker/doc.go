// Package broker is the network side of the broker: listeners, connections, their
// limits, and the way of a request to its handler in broker/api and of its answer
// back.
//
// A connection has two goroutines: its reader, which also runs the handlers, one at
// a time; and its writer, which sends answers in the order of the requests. Only
// Produce overlaps Produce: every other request starts when all earlier ones of its
// connection have their final outcome, as in Kafka, so a client sees what it did.
package broker
