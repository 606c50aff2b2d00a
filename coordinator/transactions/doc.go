// Package transactions is the transaction coordinator: it owns the transactional ids of
// this broker, runs the rules of coordinator/txn, and keeps their outcome as Kafka's own
// records in __transaction_state, through the log that everything else uses.
//
// An id belongs to the partition of __transaction_state that it hashes to, and a shard
// owns all ids of one partition. The state in memory is that of the last record that was
// queued. A shard has one mutex, held for a step and never across I/O, and two
// goroutines: the writer appends what is queued, in order, without waiting for one
// append to become durable; the loop takes note of what became durable and lets the
// answers go that waited for it.
//
// Packs become durable in order, so what is appended behind a record is durable no
// sooner than the record. Hence:
//
//   - Data may be appended as soon as the record that its partition joined has its place
//     (Join); nobody waits for a sync in between.
//   - The markers of a transaction and the record that it is complete go out as one
//     atomic append: one durable write, and nothing is ever half done. Only if there are
//     more partitions than an atomic append takes, a record that the end is prepared
//     comes first; whoever loads such a record completes the transaction.
//
// When an append fails, everything that waits is answered with an error that clients
// retry, and the shard loads its state anew. What was appended on top of a lost record
// can not slip in: each append carries a guard from before the load, and the log refuses
// it after any loss. Data carry a guard of their own, which may be younger than the loss:
// so a partition whose record is not durable yet has joined only if nothing was lost since
// the load.
package transactions
