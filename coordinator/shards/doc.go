// Package shards is what coordinators have in common: each keeps its state as records of
// an internal topic, a key belongs to the partition that its hash names, and a shard
// owns what belongs to one partition.
package shards
