package shards

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestComplaintsComeOncePerMinuteAndKind(t *testing.T) {
	core, lines := observer.New(zap.DebugLevel)
	now := time.Unix(1, 0)
	c := NewComplaints(zap.New(core), func() time.Time { return now })
	for range 1000 {
		c.Say("too large", zap.String("group", "g"))
		c.Say("too many")
	}
	now = now.Add(complaintInterval)
	c.Say("too large", zap.String("group", "h"))
	all := lines.All()
	if len(all) != 3 || all[2].ContextMap()["left_out"] != int64(999) || all[2].ContextMap()["group"] != "h" {
		t.Errorf("%+v", all)
	}
}
