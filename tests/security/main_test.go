package security

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// starting is held from when ports are chosen until they are taken.
var starting sync.Mutex

// start starts a broker.
func start(t *testing.T, o peers.Options) *peers.Broker {
	t.Helper()
	starting.Lock()
	defer starting.Unlock()
	o.Kind, o.Dir = peers.Kind(*broker), t.TempDir()
	b, err := peers.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// settings are several of one listener.
func settings(listener string, pairs ...string) map[string]string {
	set := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		set["listener.name."+strings.ToLower(listener)+"."+pairs[i]] = pairs[i+1]
	}
	return set
}

// patience is how long a client goes on trying that is not served.
const patience = 8 * time.Second

// tenThere produces ten records and reads them back, all with one client's settings.
func tenThere(t *testing.T, topic string, opts ...kgo.Opt) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(append(opts, kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics(topic), kgo.RetryTimeout(patience), kgo.RequestRetries(3),
		kgo.RecordDeliveryTimeout(patience), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := range 10 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "value-%d", i)}).FirstErr(); err != nil {
			return err
		}
	}
	for read := 0; read < 10; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			return err
		}
		f.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprintf("value-%d", read); string(r.Value) != want {
				t.Errorf("%s instead of %s", r.Value, want)
			}
			read++
		})
	}
	return nil
}
