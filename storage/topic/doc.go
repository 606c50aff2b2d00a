// Package topic is the log for parts that live inside the broker: a schema registry, an
// audit trail, views. They keep their state as records of a topic, as clients would and
// without a connection: a Writer appends records and says when they are durable, a
// Follower applies what is durable in order and goes on with what comes, and Latest keeps
// what a compacted topic means, the latest value of each key.
//
// What such a part shows is always what a restart would find: it changes its state in the
// Follower, which sees nothing that is not durable, and never when it appends.
package topic
