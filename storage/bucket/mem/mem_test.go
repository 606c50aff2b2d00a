package mem_test

import (
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

func TestConformance(t *testing.T) {
	b := mem.New()
	buckettest.Run(t, buckettest.Options{}, func(*testing.T) bucket.Bucket { return b })
	if b.Len() == 0 {
		t.Fatal("the suite stored nothing")
	}
}
