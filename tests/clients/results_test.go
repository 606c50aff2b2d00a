package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// results is the file of the tests that passed when they last ran with -docs. The page
// claims what is there and nothing else.
const results = "testdata/results.jsonl"

// result is a client's test that passed as a whole.
type result struct {
	Client  string   `json:"client"`
	Version string   `json:"version"`
	Broker  string   `json:"broker"`
	Storage string   `json:"storage,omitempty"` // of ours
	Test    string   `json:"test"`              // story or demands
	Did     []string `json:"did"`               // the codecs of a story, the cases of demands
	Records int      `json:"records,omitempty"` // of a story: acknowledged and read
}

const (
	story   = "story"
	demands = "demands"
)

// sameTest says whether two results are of one test, of whatever version.
func (r result) sameTest(other result) bool {
	return r.Client == other.Client && r.Broker == other.Broker && r.Storage == other.Storage && r.Test == other.Test
}

// proves says whether a result is the one that is expected.
func (r result) proves(want result) bool {
	return r.sameTest(want) && r.Version == want.Version && slices.Equal(r.Did, want.Did)
}

// ran are the clients' tests that this process has brought to an end.
var ran struct {
	sync.Mutex
	passed, failed []result
}

// recordResult is called as a test begins, so that it judges after everything else has been
// judged: a data race of the broker counts too. The test fills in what it did.
func recordResult(t *testing.T, c client, test string, over storage) *result {
	t.Helper()
	r := &result{Client: c.name, Version: c.version, Broker: *broker, Storage: over.name, Test: test}
	t.Cleanup(func() {
		ran.Lock()
		defer ran.Unlock()
		if t.Failed() {
			ran.failed = append(ran.failed, *r)
		} else {
			ran.passed = append(ran.passed, *r)
		}
	})
	return r
}

// expected are the results of a client that passes everywhere on a kind of broker.
func (c client) expected(kind peers.Kind) []result {
	over := storages
	if kind != peers.StreamHouse {
		over = []storage{{}}
	}
	var asked []string
	for _, name := range slices.Sorted(maps.Keys(demanded)) {
		if c.lacks[name] == "" {
			asked = append(asked, name)
		}
	}
	var all []result
	for _, s := range over {
		r := result{Client: c.name, Version: c.version, Broker: string(kind), Storage: s.name, Test: story, Did: c.codecs}
		all = append(all, r)
		r.Test, r.Did = demands, asked
		all = append(all, r)
	}
	return all
}

// readResults reads the file.
func readResults() ([]result, error) {
	text, err := os.ReadFile(results)
	if err != nil {
		return nil, err
	}
	var all []result
	for lines := json.NewDecoder(bytes.NewReader(text)); ; {
		var r result
		switch err := lines.Decode(&r); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", results, err)
		}
		all = append(all, r)
	}
}

// renewed are the results with those of the tests that ran in this process instead of older
// ones, in the order of the clients. What no client is expected to do any more goes.
func renewed(old, passed, failed []result) []result {
	now := slices.Concat(passed, failed)
	all := slices.Clone(passed)
	for _, r := range old {
		if !slices.ContainsFunc(now, r.sameTest) {
			all = append(all, r)
		}
	}
	var kept []result
	for _, c := range clients {
		for _, kind := range kinds {
			for _, want := range c.expected(kind) {
				if i := slices.IndexFunc(all, func(r result) bool { return r.proves(want) }); i >= 0 {
					kept = append(kept, all[i])
				}
			}
		}
	}
	return kept
}

var kinds = []peers.Kind{peers.StreamHouse, peers.Kafka}

func writeResults(all []result) error {
	var text bytes.Buffer
	for _, r := range all {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	return os.WriteFile(results, text.Bytes(), 0o644)
}

func TestRenewed(t *testing.T) {
	c := clients[0]
	old := c.expected(peers.StreamHouse)
	again, broken, other := old[0], old[1], old[2]
	again.Records = 7
	broken.Did = nil // as it is where a test fails before its end
	other.Version = "0.1"
	was := slices.Clone(old)
	was[2] = other
	want := slices.Concat([]result{again}, old[3:])
	if got := renewed(was, []result{again}, []result{broken}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
