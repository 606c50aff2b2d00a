package ecosystem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// internal are the topics that a cluster of Connect workers lives on.
var internal = []string{"connect-configs", "connect-offsets", "connect-status"}

// worker is a Connect worker, which forms a cluster with others of its broker.
type worker struct {
	t       *testing.T
	java    peers.Java
	config  string // file
	url     string
	log     *os.File
	process *peers.Process
}

// newWorker makes the configuration of a worker; begin starts it.
func newWorker(t *testing.T, b *peers.Broker, more map[string]string) *worker {
	t.Helper()
	java, err := peers.KafkaConnect(peers.Context(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"bootstrap.servers":                 b.Addr(),
		"group.id":                          "connect",
		"listeners":                         "http://" + address,
		"key.converter":                     "org.apache.kafka.connect.storage.StringConverter",
		"value.converter":                   "org.apache.kafka.connect.storage.StringConverter",
		"offset.flush.interval.ms":          "500",
		"scheduled.rebalance.max.delay.ms":  "1000", // a killed worker's tasks are another's soon
		"session.timeout.ms":                "10000",
		"heartbeat.interval.ms":             "1000",
		"exactly.once.source.support":       "enabled",
		"status.storage.partitions":         "1",
		"offset.storage.partitions":         "2",
		"status.storage.replication.factor": "1",
		"offset.storage.replication.factor": "1",
		"config.storage.replication.factor": "1",
	}
	for _, name := range internal {
		storage := strings.TrimSuffix(strings.TrimPrefix(name, "connect-"), "s")
		if name == "connect-status" {
			storage = "status"
		}
		settings[storage+".storage.topic"] = name
		for k, v := range compacted {
			settings[storage+".storage."+k] = v
		}
	}
	maps.Copy(settings, more)
	dir := peers.Folder(t)
	w := &worker{t: t, java: java, config: filepath.Join(dir, "worker.properties"), url: "http://" + address}
	if err := os.WriteFile(w.config, []byte(properties(settings)), 0o644); err != nil {
		t.Fatal(err)
	}
	if w.log, err = os.Create(filepath.Join(dir, "worker.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.kill()
		w.log.Close()
		if text, _ := os.ReadFile(w.log.Name()); t.Failed() {
			t.Logf("end of %s:\n%s", w.log.Name(), text[max(0, len(text)-4000):])
		}
	})
	return w
}

// properties is a Java properties file.
func properties(settings map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s=%s\n", name, settings[name])
	}
	return text.String()
}

// begin starts the worker's process; up waits until it serves.
func (w *worker) begin() {
	w.t.Helper()
	process, err := w.java.Command("org.apache.kafka.connect.cli.ConnectDistributed", 384, w.config).Start(nil, w.log, w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.process = process
}

func (w *worker) up() {
	w.t.Helper()
	await(w.t, "a Connect worker that serves", func() bool {
		select {
		case <-w.process.Done():
			w.t.Fatalf("the worker ended: %v", w.process.Err())
		default:
		}
		code, _ := w.try(http.MethodGet, "/connectors", nil)
		return code == http.StatusOK
	})
}

// kill ends the worker with SIGKILL.
func (w *worker) kill() {
	if w.process == nil {
		return
	}
	if err := w.process.Kill(); err != nil {
		w.t.Error(err)
	}
	w.process = nil
}

// try makes one REST request; code 0: no answer.
func (w *worker) try(method, path string, body any) (code int, text string) {
	w.t.Helper()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, content)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 90 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(answer)
}

// ask makes a REST request until it is done: a worker refuses with 409 and 5xx while its
// cluster rebalances or the broker is away. Each request here may be made twice.
func (w *worker) ask(method, path string, body any) (text string) {
	w.t.Helper()
	var code int
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		code, text = w.try(method, path, body)
		switch {
		case code >= 200 && code < 300:
			return text
		case time.Now().After(deadline), code >= 400 && code < 500 && code != http.StatusConflict && code != http.StatusNotFound:
			w.t.Fatalf("%s %s: %d %s", method, path, code, text)
		}
	}
}

// connect makes a connector, or changes it.
func (w *worker) connect(name string, config map[string]string) {
	w.t.Helper()
	config["name"] = name
	w.ask(http.MethodPut, "/connectors/"+name+"/config", config)
}

// status is the state of a connector and of its tasks.
func (w *worker) status(name string) (connector string, tasks []string) {
	w.t.Helper()
	code, text := w.try(http.MethodGet, "/connectors/"+name+"/status", nil)
	var s struct {
		Connector struct{ State string }
		Tasks     []struct{ State, Trace string }
	}
	if code != http.StatusOK || json.Unmarshal([]byte(text), &s) != nil {
		return fmt.Sprint(code), nil
	}
	for _, task := range s.Tasks {
		tasks = append(tasks, task.State)
		if task.State == "FAILED" {
			w.t.Fatalf("a task of %s failed: %s", name, task.Trace)
		}
	}
	return s.Connector.State, tasks
}

// becomes waits until a connector and all its tasks are in a state.
func (w *worker) becomes(name, state string) {
	w.t.Helper()
	await(w.t, name+" is "+state, func() bool {
		connector, tasks := w.status(name)
		for _, task := range tasks {
			if task != state {
				return false
			}
		}
		return connector == state && (len(tasks) > 0 || state == "STOPPED")
	})
}

// position is what the worker says where a connector is.
func (w *worker) position(name string) string {
	w.t.Helper()
	return w.ask(http.MethodGet, "/connectors/"+name+"/offsets", nil)
}
