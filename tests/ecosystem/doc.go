// Package ecosystem runs what lives on compacted topics against the broker: Kafka Connect,
// Debezium, MirrorMaker 2, Kafka Streams, and readers like those of a schema registry,
// while they and the broker are killed and their topics are compacted all the time.
package ecosystem
