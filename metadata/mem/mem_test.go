package mem_test

import (
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/metadata/metadatatest"
)

func TestSuite(t *testing.T) {
	metadatatest.Run(t, func(t *testing.T) *metadatatest.Harness {
		now := time.UnixMilli(1700000000000)
		s := mem.New(func() time.Time { return now })
		return &metadatatest.Harness{
			Store:   s,
			Advance: func(d time.Duration) { now = now.Add(d) },
			Reopen:  func(*testing.T) metadata.Store { return s },
		}
	})
}
