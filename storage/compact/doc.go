// Package compact is key compaction as rules: which record of a key is its latest (Map),
// what stays of each batch (Filter), and when a partition is due (Due). Bytes and times
// come in, bytes come out; storage/upkeep does the reading, writing and waiting.
//
// Source: Kafka 4.4's Cleaner, LogCleanerManager and CleanedTransactionMetadata, KIP-534.
// What differs from Kafka is in docs/compatibility.md.
package compact
