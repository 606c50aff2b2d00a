package compat

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

const (
	// patience bounds one request, and how long a case with until may ask again.
	patience = 30 * time.Second
	// silence is how long an answer is waited for that is not expected.
	silence = time.Second
	// longSilence is that for Kafka where nobody knows whether an answer comes.
	longSilence = 3 * time.Second
	// settling is for Kafka, whose controller answers before its broker knows.
	settling = 100 * time.Millisecond
	again    = 20 * time.Millisecond
)

// What a broker does instead of answering.
const (
	connectionClosed = "connection closed"
	noAnswer         = "no answer"
)

// world is one broker and what the cases of one suite share.
type world struct {
	broker  *peers.Broker
	conns   map[string]*wire.Conn
	pending map[string]pending
	// served are the versions that the broker advertises by key.
	served map[int16][2]int16
	// What is each cluster's own, to be recognised in answers.
	cluster string
	node    int32
	topics  map[string][16]byte
	ids     map[[16]byte]string
	// values are what cases remember for later ones, members the names of member ids.
	values  map[string]int64
	members map[string]string

	skipped  int            // cases that ask for what is not served
	requests int            // answers compared
	compared int            // fields
	ignored  map[string]int // fields by name
	// produced are the cases by API key and error code, keys the API of each case.
	produced map[int16]map[int16]map[string]bool
	keys     map[string]int16
	asked    map[int16]*coverage
}

type pending struct {
	conn *wire.Conn
	id   int32
	req  kmsg.Request
}

func newWorld(broker *peers.Broker) (*world, error) {
	w := &world{
		broker: broker, conns: make(map[string]*wire.Conn), pending: make(map[string]pending),
		served: make(map[int16][2]int16), topics: make(map[string][16]byte), ids: make(map[[16]byte]string),
		values: make(map[string]int64), members: make(map[string]string), ignored: make(map[string]int),
		produced: make(map[int16]map[int16]map[string]bool), keys: make(map[string]int16),
		asked: make(map[int16]*coverage),
	}
	w.topics["nowhere"] = [16]byte{1, 2, 3}
	w.ids[[16]byte{1, 2, 3}] = "nowhere"
	return w, w.introduce()
}

// introduce learns who the broker is and what it serves.
func (w *world) introduce() error {
	api := kmsg.NewPtrApiVersionsRequest()
	resp, err := w.call("", api)
	if err != nil {
		return err
	}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		w.served[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	meta := kmsg.NewPtrMetadataRequest()
	meta.Version, meta.Topics = 7, []kmsg.MetadataRequestTopic{}
	for end := time.Now().Add(patience); ; time.Sleep(again) {
		if resp, err = w.call("", meta); err != nil {
			return err
		}
		m := resp.(*kmsg.MetadataResponse)
		if m.ControllerID >= 0 && len(m.Brokers) == 1 {
			w.cluster, w.node = *m.ClusterID, m.Brokers[0].NodeID
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no controller: %+v", m)
		}
	}
}

func (w *world) close() {
	for _, c := range w.conns {
		c.Close()
	}
}

// lanes is where a case runs.
func (w *world) lanes(c *testCase) (from, to int16, err error) {
	if c.exact || c.from != 0 || c.to != 0 {
		return c.from, c.to, nil
	}
	key := c.request(w, 0).Key()
	span, ok := kafkaVersions[key]
	if !ok {
		return 0, 0, fmt.Errorf("versions of key %d are not listed", key)
	}
	return span[0], span[1], nil
}

// run sends a case in all its lanes. Lanes whose version the broker does not serve are
// left out.
func (w *world) run(c *testCase) ([]answer, error) {
	from, to, err := w.lanes(c)
	if err != nil {
		return nil, err
	}
	var out []answer
	asked := false
	for lane := from; lane <= to; lane++ {
		got, ok, err := w.lane(c, lane)
		if err != nil {
			return nil, fmt.Errorf("lane %d: %w", lane, err)
		}
		if !ok {
			continue
		}
		asked = true
		if c.start {
			continue
		}
		w.requests++
		if n := len(out); n > 0 && out[n-1].To == lane-1 && reflect.DeepEqual(out[n-1].Answer, got) {
			out[n-1].To = lane
			continue
		}
		out = append(out, answer{From: lane, To: lane, Answer: got})
	}
	if !asked {
		w.skipped++
	}
	return out, nil
}

// lane runs a case in one lane; ok is false if the broker does not serve it.
func (w *world) lane(c *testCase, lane int16) (got any, ok bool, err error) {
	if c.await != "" {
		p, ok := w.pending[each(c.await, lane)]
		if !ok {
			return nil, false, nil
		}
		if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return nil, false, err
		}
		resp, err := p.conn.Receive(p.id, p.req)
		if err != nil {
			return nil, false, err
		}
		return w.answered(c, lane, resp)
	}
	for end := time.Now().Add(patience); ; time.Sleep(again) {
		req := c.request(w, lane)
		version, ok, err := w.version(c, req.Key(), lane)
		if !ok || err != nil {
			return nil, false, err
		}
		req.SetVersion(version)
		w.covers(req.Key()).versions[req.GetVersion()] = true
		req = raw{req, c.patch}
		if c.start {
			return nil, true, w.send(c, lane, req)
		}
		resp, err := w.ask(c, lane, req)
		switch {
		case closed(err):
			w.drop(connection(c, lane))
			w.covers(req.Key()).refused[c.name] = true
			return connectionClosed, true, nil
		case (c.silent || c.shape && w.kafka()) && errors.Is(err, os.ErrDeadlineExceeded):
			w.drop(connection(c, lane))
			return noAnswer, true, nil
		case err != nil:
			return nil, false, err
		case c.until != nil && !c.until(resp), loading(resp):
			if time.Now().After(end) {
				return nil, false, fmt.Errorf("still %+v", resp)
			}
			continue
		}
		return w.answered(c, lane, resp)
	}
}

// version is what a request of an API has in a lane; ok is false if the broker does not
// serve it.
func (w *world) version(c *testCase, key, lane int16) (version int16, ok bool, err error) {
	if c.unlisted {
		return lane, true, nil
	}
	versions, listed := kafkaVersions[key]
	if !listed {
		return 0, false, fmt.Errorf("versions of key %d are not listed", key)
	}
	version = min(max(lane, versions[0]), versions[1])
	served, ok := w.served[key]
	return version, ok && version >= served[0] && version <= served[1], nil
}

// loading says whether a coordinator has not loaded the group yet, which clients retry.
func loading(resp kmsg.Response) bool {
	found := false
	codes(reflect.ValueOf(resp).Elem(), func(code int16) { found = found || code == 14 || code == 15 || code == 16 })
	return found
}

func (w *world) answered(c *testCase, lane int16, resp kmsg.Response) (any, bool, error) {
	w.learn(resp)
	w.keys[c.name] = resp.Key()
	if made, ok := resp.(*kmsg.CreateTopicsResponse); ok && c.name == "setup" {
		if err := w.settle(made); err != nil {
			return nil, false, err
		}
	}
	good := true
	codes(reflect.ValueOf(resp).Elem(), func(code int16) {
		note(w.produced, resp.Key(), code, c.name)
		good = good && code == 0
	})
	w.covers(resp.Key()).judge(c.name, good)
	if c.keep != nil {
		c.keep(w, lane, resp)
	}
	got, err := w.normal(c, resp, lane)
	return got, true, err
}

// recordedBy are the codes that Kafka was recorded to answer the cases of a suite with.
func (w *world) recordedBy(suite string, kafka recording) map[int16]map[int16]map[string]bool {
	out := make(map[int16]map[int16]map[string]bool)
	for name, answers := range kafka {
		key, served := w.keys[name]
		if !served {
			continue
		}
		for _, a := range answers {
			codesOf(a.Answer, func(code int16) { note(out, key, code, suite+"/"+name) })
		}
	}
	return out
}

// codesOf is codes for an answer in plain data.
func codesOf(v any, yield func(int16)) {
	switch v := v.(type) {
	case map[string]any:
		if number, ok := v["ErrorCode"].(json.Number); ok {
			if code, err := number.Int64(); err == nil {
				yield(int16(code))
			}
		}
		for _, field := range v {
			codesOf(field, yield)
		}
	case []any:
		for i := range v {
			codesOf(v[i], yield)
		}
	}
}

// producedBy is produced with the names of cases as suite/case.
func (w *world) producedBy(suite string) map[int16]map[int16]map[string]bool {
	out := make(map[int16]map[int16]map[string]bool)
	for key, codes := range w.produced {
		for code, cases := range codes {
			for name := range cases {
				note(out, key, code, suite+"/"+name)
			}
		}
	}
	return out
}

// settle waits until every partition of new topics answers.
func (w *world) settle(made *kmsg.CreateTopicsResponse) error {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 1, -1
	for _, m := range made.Topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = m.Topic
		for number := range m.NumPartitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = number, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	for end := time.Now().Add(patience); ; time.Sleep(again) {
		resp, err := w.call("", req)
		if err != nil {
			return err
		}
		missing := 0
		codes(reflect.ValueOf(resp).Elem(), func(code int16) {
			if code != 0 {
				missing++
			}
		})
		if missing == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d new partitions do not answer", missing)
		}
	}
}

// changes says whether a request goes to Kafka's controller.
func changes(req kmsg.Request) bool {
	switch req.Key() {
	case 3, 19, 20, 33, 37, 44, 49, 51, 57:
		return true
	}
	return false
}

// succeeded says whether some part of a change was done.
func succeeded(resp kmsg.Response) bool {
	found := false
	codes(reflect.ValueOf(resp).Elem(), func(code int16) { found = found || code == 0 || code == 3 })
	return found
}

// codes calls yield with each error code of a response.
func codes(v reflect.Value, yield func(int16)) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case v.Type().Field(i).Name == "ErrorCode" && f.Kind() == reflect.Int16:
			yield(int16(f.Int()))
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			for j := range f.Len() {
				codes(f.Index(j), yield)
			}
		}
	}
}
