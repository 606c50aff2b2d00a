package exactlyonce

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// setTransactionVersion lowers the version of the transaction protocol that a broker offers.
func setTransactionVersion(t *testing.T, addr string, level int16) {
	t.Helper()
	if level == 2 {
		return // a new broker has it
	}
	conn := &wire.Redial{Addr: addr, ClientID: "features"}
	defer conn.Close()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.Version, req.TimeoutMillis = 1, 10_000
	f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	f.Feature, f.MaxVersionLevel, f.UpgradeType = "transaction.version", level, 2
	req.FeatureUpdates = append(req.FeatureUpdates, f)
	resp, err := conn.Call(peers.Context(t, time.Minute), req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.UpdateFeaturesResponse).ErrorCode)
	}
	if err != nil {
		t.Fatalf("transaction.version %d: %v", level, err)
	}
}
