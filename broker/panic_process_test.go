package broker_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestPanicInTheLog: below a call of the log a panic is not the connection's own. A broker
// that swallowed it would go on with a mutex locked for ever, and say that it is well.
func TestPanicInTheLog(t *testing.T) {
	const child = "STREAMHOUSE_TEST_PANIC"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPanicInTheLog$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("the process went on:\n%s", out)
		}
		for _, want := range []string{"the process ends: a panic in what connections share", "storage/log.", "goroutine "} {
			if !strings.Contains(string(out), want) {
				t.Errorf("its last words lack %q:\n%s", want, out)
			}
		}
		return
	}
	logger := zap.Must(zap.NewProduction())
	b := apitest.Start(t, apitest.Options{NoCore: true, Logger: logger, Routes: func(r *api.Routes) {
		r.Add(apitest.Row(protocol.KeyMetadata, func(ctx context.Context, _ *api.Request) (kmsg.Response, error) {
			var broken *log.Log
			_, err := broken.Partition(ctx, pack.PartitionID{}, 0)
			return nil, err
		}))
	}})
	c := b.Dial()
	c.Send(metadata())
	c.Closed()
}
