package shards

import "testing"

// The hashes are Java's.
func TestPartitionFor(t *testing.T) {
	for s, want := range map[string]int32{
		"": 0, "ga": 3290, "hello": 99162322, "polygenelubricants": -1 << 31, "\U0001F600": 1772899, "é": 233, "Aa": 2112, "BB": 2112,
	} {
		if got := javaHash(s); got != want {
			t.Errorf("hash of %q is %d, want %d", s, got, want)
		}
	}
	for s, want := range map[string]int32{"ga": 40, "polygenelubricants": 0, "": 0, "hello": 22} {
		if got := PartitionFor(s, 50); got != want {
			t.Errorf("%q is in %d, want %d", s, got, want)
		}
	}
	if got := PartitionFor("connect-cluster-é\U0001F600", 50); got < 0 || got > 49 {
		t.Error(got)
	}
}
