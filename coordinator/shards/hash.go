package shards

import "unicode/utf16"

// javaHash is Java's String.hashCode: over the UTF-16 units of s.
func javaHash(s string) int32 {
	var h int32
	for _, r := range s {
		if r >= 0x10000 {
			hi, lo := utf16.EncodeRune(r)
			h = 31*(31*h+hi) + lo
			continue
		}
		h = 31*h + r
	}
	return h
}

// PartitionFor returns the partition, of n, of an internal topic that a group or a
// transactional id belongs to. As in Kafka the smallest integer, which has no absolute
// value, counts as 0.
func PartitionFor(key string, n int32) int32 {
	h := javaHash(key)
	if h == -1<<31 {
		h = 0
	}
	return max(h, -h) % n
}
