// Package shards is what coordinators have in common: each keeps its state as records of
// an internal topic, a key belongs to the partition that its hash names, and a shard
// owns what belongs to one partition. It has parts, which a coordinator puts together:
//
//   - Host: the shards of a topic, and which of them owns a key;
//   - Loader and Fold: how a shard comes to its state;
//   - Write, Batches and Admitted: how what it queues gets into the log;
//   - StoreCode and Complaints: what clients and the log are told when something is refused.
//
// docs/decisions/0009 says why they are parts and no frame.
package shards
