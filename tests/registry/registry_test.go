// Package registry sees the schema registry of a broker as clients do that were written
// for Confluent's.
package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var confluentPython = peers.Library{Name: "confluent-kafka", Version: "2.16.1",
	Beside: []string{"confluent-kafka[avro,json,protobuf,schemaregistry]==2.16.1", "protobuf==7.36.2"}}

func start(t *testing.T) *peers.Broker {
	t.Helper()
	return peers.Start(t, peers.Options{Kind: peers.StreamHouse, Dir: t.TempDir(),
		Settings: map[string]string{"schema.registry.listen": "127.0.0.1:0"}})
}

func url(b *peers.Broker) string { return b.HTTP() + "/schema-registry" }

// TestConfluentPython: serializers of Avro, JSON Schema and Protobuf register, evolve, are
// refused, write and read through topics.
func TestConfluentPython(t *testing.T) {
	python, err := peers.Python(t.Context(), confluentPython)
	if err != nil {
		t.Fatal(err)
	}
	b := start(t)
	out, err := peers.Command{Path: python, Args: []string{"python/confluent.py", b.Addr(), url(b)}}.Run(t.Context(), "")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, part := range []string{"avro", "json_schema", "protobuf", "settings"} {
		if !strings.Contains(out, "shown: "+part+"\n") {
			t.Errorf("%s is not shown: %s", part, out)
		}
	}
}

// request returns the status and the body of an answer.
func request(t *testing.T, method, url, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Errorf("%s %s: %s", method, url, text)
	}
	return resp.StatusCode, out
}

func body(kind, text string) string {
	b, _ := json.Marshal(map[string]string{"schemaType": kind, "schema": text})
	return string(b)
}

// TestKilled: what was acknowledged before a kill is there behind it, with its id and
// version, and no id is given twice.
func TestKilled(t *testing.T) {
	b := start(t)
	const writers, each = 8, 40
	ids := make([][]float64, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				status, out := request(t, "POST", fmt.Sprintf("%s/subjects/w%d-%d/versions", url(b), w, i), body("JSON", fmt.Sprintf(`{"title":"%d-%d"}`, w, i)))
				if status != 200 {
					t.Errorf("%d %v", status, out)
					return
				}
				ids[w] = append(ids[w], out["id"].(float64))
			}
		})
	}
	wg.Wait()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if status, _ := request(t, "GET", url(b)+"/config", ""); status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the registry does not come back")
		}
		time.Sleep(100 * time.Millisecond)
	}
	seen := map[float64]bool{}
	for w := range writers {
		for i, id := range ids[w] {
			if seen[id] {
				t.Errorf("id %v twice", id)
			}
			seen[id] = true
			status, out := request(t, "GET", fmt.Sprintf("%s/subjects/w%d-%d/versions/1", url(b), w, i), "")
			if status != 200 || out["id"] != id || out["schema"] != fmt.Sprintf(`{"title":"%d-%d"}`, w, i) {
				t.Errorf("%d %v instead of id %v", status, out, id)
			}
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d ids", len(seen))
	}
	if _, out := request(t, "POST", url(b)+"/subjects/new/versions", body("PROTOBUF", "message M {}")); out["id"] != float64(writers*each+1) {
		t.Errorf("the next id: %v", out)
	}
}
