// Package coordinator is the group coordinator: it owns every consumer group of this
// broker, runs the rules of coordinator/group, and keeps what they store as Kafka's
// own records in __consumer_offsets, through the log that everything else uses.
//
// A group belongs to the partition of __consumer_offsets that its id hashes to, and
// a shard owns all groups of one partition. A shard has one mutex, held for a step
// of a group and never across I/O, and two goroutines that Coordinator.Run owns:
//
//   - the writer takes queued records in order, builds batches of them, and appends
//     those without waiting for one to become durable;
//   - the loop applies what became durable, in the log's order, sends the answers that
//     waited for it, and does what time brings (sessions, rebalances, expiry).
//
// So what is visible is always what a restart would find: an offset is seen once its
// record is durable, and an answer that promises something leaves after that.
//
// Rejected: applying records when they are queued, with undo entries. Offsets would
// have two states each; here only the keys on their way are counted.
package coordinator
