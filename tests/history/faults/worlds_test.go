package faults

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// worlds are both journals, over folder and S3, in both versions of the transaction
// protocol.
func worlds() []world {
	return []world{
		{name: "process, file journal", start: process("file", false, stopAtOnce), kafka: true},
		{name: "process, file journal, transactions before KIP-890", start: process("file", false, stopSoon), txn: 1, plain: true, kafka: true},
		{name: "process, object journal, transaction.version 1", start: process("object", false, stopAtOnce), level: 1, kafka: true, guest: "java44"},
		{name: "process, object journal on S3", start: process("object", true, stopSoon)},
		{name: "process, file journal and S3, transactions before KIP-890", start: process("file", true, stopAtOnce), txn: 1},
		{name: "machine, file journal", start: inside("file", false)},
		{name: "machine, object journal on S3, transactions before KIP-890", start: inside("object", true), txn: 1},
		{name: "machine, file journal and S3", start: inside("file", true)},
	}
}

// brokerSettings make the broker do in seconds what it does in minutes or hours: small
// volumes, sealed at once, so that faults hit every step of it.
func brokerSettings(kind peers.Kind, advertised string) map[string]string {
	s := map[string]string{
		"advertised.listeners":                 "PLAINTEXT://" + advertised,
		"group.initial.rebalance.delay.ms":     "0",
		"group.min.session.timeout.ms":         "1000", // sessions end while faults last
		"offsets.topic.num.partitions":         "8",
		"transaction.state.log.num.partitions": "8",
	}
	if kind == peers.StreamHouse {
		s["journal.volume.bytes"] = "8388608"
		s["seal.max.age.ms"] = "1000"
		s["merge.wait.ms"] = "1000"
	}
	return s
}

// process starts a broker that is a process, behind a link; with S3 there is another
// link between it and its bucket.
func process(journal string, s3 bool, stopMax time.Duration) func(*testing.T) place {
	return func(t *testing.T) place {
		clients := connect(t, "")
		o := peers.Options{Kind: peers.Kind(*broker), Settings: brokerSettings(peers.Kind(*broker), clients.Addr())}
		if o.Kind == peers.StreamHouse {
			o.Settings["shutdown.timeout.ms"] = strconv.FormatInt(stopMax.Milliseconds(), 10)
			o.Journal = journal
		}
		lanes := []Lane{Network("clients", clients)}
		var gateway *s3gateway.Gateway
		if s3 {
			gateway = s3gateway.Start(t, "faults")
			bucket := connect(t, gateway.Endpoint[len("http://"):])
			o.Bucket = fmt.Sprintf("s3://faults/run?endpoint=http://%s&region=%s", bucket.Addr(), s3gateway.Region)
			o.Env = []string{"STREAMHOUSE_S3_ACCESS_KEY=" + s3gateway.AccessKey, "STREAMHOUSE_S3_SECRET_KEY=" + s3gateway.SecretKey}
			lanes = append(lanes, Network("S3", bucket))
		}
		b := peers.Start(t, o)
		clients.SetUpstream(b.Addr())
		at := place{addr: clients.Addr(), lanes: append(lanes, Process(b, stopMax))}
		if o.Kind == peers.StreamHouse {
			at.http = strings.TrimPrefix(b.HTTP(), "http://")
			at.halt, at.room = b.Kill, room{b.Data(), gateway}
		}
		return at
	}
}

// lower sets transaction.version on a broker.
func lower(t *testing.T, addr string, level int16) {
	t.Helper()
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
