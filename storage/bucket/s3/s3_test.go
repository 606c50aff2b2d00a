package s3

import (
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
)

func open(t *testing.T, o Options) *Bucket {
	t.Helper()
	o.AccessKey, o.SecretKey = s3gateway.AccessKey, s3gateway.SecretKey
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	g := s3gateway.Start(t, "suite")
	for name, prefix := range map[string]string{"Root": "", "Prefix": "some/prefix"} {
		t.Run(name, func(t *testing.T) {
			b := open(t, Options{Location: g.Location("suite", prefix), PartBytes: 5 << 20})
			buckettest.Run(t, buckettest.Options{LargeBytes: 12<<20 + 12345, ListCount: 1100}, func(*testing.T) bucket.Bucket { return b })
		})
	}
}
