package clients

import (
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
)

var onlyStorage = flag.String("storage", "", "only the storages whose name has this in it")

// storage is one of the ways in which the broker keeps its data.
type storage struct {
	name     string
	journal  string
	s3       bool
	settings map[string]string
}

// storages are what every client is run over. In the last two volumes are sealed every
// second, so that a consumer reads from the bucket while the producer still sends, and
// the restarts find most of the topic there. The first has the broker's own pace.
var storages = []storage{
	{name: "file journal and folder", journal: "file"},
	{name: "file journal and S3", journal: "file", s3: true, settings: sealed},
	{name: "object journal in S3", journal: "object", s3: true, settings: sealed},
}

var sealed = map[string]string{"seal.max.age.ms": "1000"}

// overStorages runs a test once per storage, or over the first only: what a client asks
// for does not hang on the storage, so three clients over all of them find what there is
// to find. Against Apache Kafka it runs once.
func overStorages(t *testing.T, all bool, test func(t *testing.T, s storage)) {
	t.Helper()
	if peers.Kind(*broker) != peers.StreamHouse {
		test(t, storage{})
		return
	}
	named := false
	for i, s := range storages {
		if i > 0 && !all && !*acceptance && *onlyStorage == "" {
			return
		}
		if !strings.Contains(s.name, *onlyStorage) {
			continue
		}
		named = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
	if !named {
		t.Fatalf("no storage has %q in its name", *onlyStorage)
	}
}

// options are those of a broker with the given storage, which for S3 is a server of the
// test's own.
func options(t *testing.T, s storage) peers.Options {
	t.Helper()
	o := peers.Options{Kind: peers.Kind(*broker), Race: *race, Journal: s.journal, Settings: map[string]string{
		// Kafka waits three seconds for more members of a new group.
		"group.initial.rebalance.delay.ms": "0",
	}}
	maps.Copy(o.Settings, s.settings)
	if s.s3 {
		gateway := s3gateway.Start(t, "clients")
		o.Bucket = fmt.Sprintf("s3://clients/run?endpoint=%s&region=%s", gateway.Endpoint, s3gateway.Region)
		t.Cleanup(func() { checkUsed(t, gateway) })
		o.Env = []string{"STREAMHOUSE_S3_ACCESS_KEY=" + s3gateway.AccessKey, "STREAMHOUSE_S3_SECRET_KEY=" + s3gateway.SecretKey}
	}
	return o
}

// checkUsed fails a test that S3 had no part in: no volume was sealed into it.
func checkUsed(t *testing.T, gateway *s3gateway.Gateway) {
	segments, err := filepath.Glob(filepath.Join(gateway.Folder, "clients/run/segment/*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(segments) == 0 && !t.Failed() {
		t.Error("no segment came to the bucket")
	}
}
