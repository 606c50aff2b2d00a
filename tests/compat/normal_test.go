package compat

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// dropped are fields of the decoder, not of an answer.
var dropped = map[string]bool{"Version": true, "UnknownTags": true}

// ignoredIn are, by API key, the fields that are not compared in any case of it, with
// the reason. They are counted.
var ignoredIn = map[int16]map[string]string{
	18: {"FinalizedFeaturesEpoch": "counts changes of the metadata"},
}

// unordered are, by API key, the lists whose order is that of a hash map in Kafka.
var unordered = map[int16][]string{
	0: {"Topics", "Partitions"}, 2: {"Topics", "Partitions"}, 3: {"Topics"}, 8: {"Topics"}, 9: {"Topics", "Partitions"},
	11: {"Members"}, 15: {"Groups", "Members"}, 16: {"Groups"}, 42: {"Groups"}, 43: {"Topics"}, 47: {"Topics", "Partitions"},
	24: {"Topics", "Partitions", "Transactions"}, 28: {"Topics", "Partitions"}, 27: {"Markers", "Topics", "Partitions"}, 65: {"Topics", "Partitions"},
	66: {"TransactionStates", "UnknownStateFilters"},
	19: {"Topics"}, 20: {"Topics"}, 37: {"Topics"}, 50: {"Results"}, 51: {"Results"}, 34: {"Topics", "Partitions"}, 35: {"Topics", "Partitions"}, 61: {"ActiveProducers"},
}

// order is what an unordered list is sorted by: names, then everything.
func order(v any) string {
	m, _ := v.(map[string]any)
	return fmt.Sprint(m["Topic"], m["TopicID"], m["Partition"], m["Group"], m["MemberID"], m["InstanceID"], m["User"], v)
}

// normal turns a response into plain data without what differs by nature.
func (w *world) normal(c *testCase, resp kmsg.Response, lane int16) (any, error) {
	text, err := json.Marshal(resp)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // offsets have 64 bits
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, err
	}
	if resp.Key() == 0 {
		w.relative(tree)
	}
	n := &normaliser{world: w, key: resp.Key(), lane: fmt.Sprintf("-v%d-", lane), ignore: c.ignore}
	return n.walk("", tree), nil
}

// relative turns the offsets that a Produce was given into steps from the last ones of
// their partitions, so that cases do not depend on how many came before them.
func (w *world) relative(tree any) {
	topics, _ := tree.(map[string]any)["Topics"].([]any)
	for i := range topics {
		t := topics[i].(map[string]any)
		name := fmt.Sprint(t["Topic"])
		if id, ok := uuid(t["TopicID"]); ok && w.ids[id] != "" {
			name = w.ids[id]
		}
		parts, _ := t["Partitions"].([]any)
		for j := range parts {
			p := parts[j].(map[string]any)
			base, err := p["BaseOffset"].(json.Number).Int64()
			if err != nil || base < 0 {
				continue
			}
			key := fmt.Sprintf("BaseOffset %s/%v", name, p["Partition"])
			p["BaseOffset"] = fmt.Sprintf("%+d", base-w.values[key])
			w.values[key] = base
		}
	}
}

type normaliser struct {
	*world
	key    int16
	lane   string
	ignore []string
}

func (n *normaliser) walk(name string, v any) any {
	if own, ok := n.own(name, v); ok {
		n.compared++
		return own
	}
	switch v := v.(type) {
	case map[string]any:
		for k, field := range v {
			switch {
			case dropped[k]:
				delete(v, k)
			case ignoredIn[n.key][k] != "" || slices.Contains(n.ignore, k):
				n.ignored[k]++
				delete(v, k)
			default:
				v[k] = n.walk(k, field)
			}
		}
		return v
	case []any:
		for i := range v {
			v[i] = n.walk(name, v[i])
		}
		if slices.Contains(unordered[n.key], name) {
			slices.SortFunc(v, func(a, b any) int { return cmp.Compare(order(a), order(b)) })
		}
		return v
	}
	n.compared++
	if s, ok := v.(string); ok {
		return n.text(s)
	}
	return v
}

var (
	uuids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	longAgo = regexp.MustCompile(`-92233\d{14}`) // what the longest time before now is
	millis  = regexp.MustCompile(`\b1[789]\d{11}\b`)
	wordy64 = regexp.MustCompile(`[A-Za-z0-9_-]{22}`)
)

// text is a string without lanes, ports and random ids.
func (n *normaliser) text(s string) string {
	s = strings.ReplaceAll(s, n.lane, "-vN-")
	s = withoutPort(s, n.broker.Port())
	for id, name := range n.members {
		s = strings.ReplaceAll(s, id, "member "+strings.ReplaceAll(name, n.lane, "-vN-"))
	}
	s = strings.ReplaceAll(s, n.cluster, "own cluster")
	s = longAgo.ReplaceAllString(s, "LONG AGO")
	s = millis.ReplaceAllStringFunc(s, func(ms string) string {
		i, err := strconv.ParseInt(ms, 10, 64)
		if err == nil && time.Since(time.UnixMilli(i)).Abs() < 3*time.Hour {
			return "NOW"
		}
		return ms
	})
	s = uuids.ReplaceAllString(s, "UUID")
	return wordy64.ReplaceAllStringFunc(s, func(id string) string {
		raw, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil {
			return id
		}
		if name := n.ids[[16]byte(raw)]; name != "" {
			return "id of " + strings.ReplaceAll(name, n.lane, "-vN-")
		}
		return id
	})
}

// withoutPort leaves longer numbers alone: the time in milliseconds may begin with a port.
func withoutPort(s string, port int) string {
	return regexp.MustCompile(fmt.Sprintf(`:%d\b`, port)).ReplaceAllLiteralString(s, ":PORT")
}

func TestWithoutPort(t *testing.T) {
	const got, want = `{"Host":"127.0.0.1:17958","Time":1795840251418}`, `{"Host":"127.0.0.1:PORT","Time":1795840251418}`
	if s := withoutPort(got, 17958); s != want {
		t.Errorf("got %s", s)
	}
}

// own names a value that is each cluster's own.
func (n *normaliser) own(name string, v any) (any, bool) {
	number, _ := v.(json.Number)
	switch name {
	case "ApiKeys":
		return n.apiKeys(v), true
	case "SupportedFeatures":
		return n.features(v, "MinVersion", "MaxVersion"), true
	case "FinalizedFeatures":
		return n.features(v, "MinVersionLevel", "MaxVersionLevel"), true
	case "Configs":
		if list, ok := v.([]any); ok && n.key == 19 {
			n.compared += len(list)
			return createdConfigs(list), true
		} else if ok && n.key == 32 {
			return n.describedConfigs(list), true
		}
	case "Documentation":
		if v != nil {
			return "some text", true
		}
	case "ClusterID":
		if v == n.cluster {
			return "own", true
		}
	case "Port":
		if number == json.Number(fmt.Sprint(n.broker.Port())) {
			return "own", true
		}
	case "TopicID":
		if id, ok := uuid(v); ok {
			return n.topicID(id), true
		}
	case "SessionID", "ProducerID":
		if i, err := number.Int64(); err == nil && i > 0 || name == "ProducerID" && i == 0 {
			return n.named(name, i), true
		}
	case "LogAppendTime", "Timestamp", "TimestampMillis", "LastTimestamp", "StartTimestamp":
		if i, err := number.Int64(); err == nil && time.Since(time.UnixMilli(i)).Abs() < time.Hour {
			return "now", true
		}
	case "RecordBatches":
		if s, ok := v.(string); ok {
			return batches(s), true
		}
	}
	return nil, false
}

// named is the name under which a case kept a number, the first of several.
func (n *normaliser) named(kind string, value int64) string {
	for _, name := range slices.Sorted(maps.Keys(n.values)) {
		if n.values[name] == value && strings.HasPrefix(name, kind) {
			return strings.ReplaceAll(name, n.lane, "-vN-")
		}
	}
	return "a new " + kind
}

func uuid(v any) (id [16]byte, ok bool) {
	list, ok := v.([]any)
	if !ok || len(list) != len(id) {
		return id, false
	}
	for i := range list {
		x, err := list[i].(json.Number).Int64()
		if err != nil {
			return id, false
		}
		id[i] = byte(x)
	}
	return id, true
}

func (n *normaliser) topicID(id [16]byte) string {
	switch name := n.ids[id]; {
	case name != "":
		return "id of " + strings.ReplaceAll(name, n.lane, "-vN-")
	case id == [16]byte{}:
		return "none"
	case id[4] == 0 && id[5] == 0 && id[6] == 0:
		return hex.EncodeToString(id[:])
	}
	return "an id"
}

// apiKeys leaves out keys that are not served here, which are counted as cases are
// that ask for them, and shows the others as one field each.
func (n *normaliser) apiKeys(v any) any {
	list, _ := v.([]any)
	out := make(map[string]any, len(list))
	for i := range list {
		k := list[i].(map[string]any)
		out[fmt.Sprint(k["ApiKey"])] = fmt.Sprintf("%v-%v", k["MinVersion"], k["MaxVersion"])
	}
	return out
}

// features shows levels of features as one field each, so that those that are not built
// can be left out of the comparison.
func (n *normaliser) features(v any, least, most string) any {
	list, _ := v.([]any)
	out := make(map[string]any, len(list))
	for i := range list {
		f := list[i].(map[string]any)
		out[strings.ReplaceAll(fmt.Sprint(f["Name"]), ".", " ")] = fmt.Sprintf("%v-%v", f[least], f[most])
		n.compared++
	}
	return out
}

// createdConfigs shows the settings of a new topic in a field each.
func createdConfigs(list []any) any {
	if len(list) == 0 {
		return "none"
	}
	out := make(map[string]any, len(list))
	for i := range list {
		c := list[i].(map[string]any)
		line := fmt.Sprintf("%v from %v", c["Value"], c["Source"])
		for _, flag := range []string{"ReadOnly", "IsSensitive"} {
			if c[flag] == true {
				line += " " + flag
			}
		}
		if _, twice := out[fmt.Sprint(c["Name"])]; twice {
			line += " twice"
		}
		out[fmt.Sprint(c["Name"])] = line
	}
	return out
}

// describedConfigs shows the settings of a resource by name, which is how Kafka does not
// order them.
func (n *normaliser) describedConfigs(list []any) any {
	if len(list) == 0 {
		return "none"
	}
	out := make(map[string]any, len(list))
	for i := range list {
		c := list[i].(map[string]any)
		name := fmt.Sprint(c["Name"])
		delete(c, "Name")
		if _, again := out[name]; again {
			name += " again"
		}
		shown := n.walk("", c).(map[string]any)
		synonyms := shown["ConfigSynonyms"]
		delete(shown, "ConfigSynonyms")
		line := []string{}
		for _, field := range slices.Sorted(maps.Keys(shown)) {
			line = append(line, fmt.Sprintf("%s %s", field, text(shown[field])))
		}
		if synonyms != nil {
			line = append(line, "synonyms "+text(synonyms))
		}
		out[name] = strings.Join(line, ", ")
	}
	return out
}

// batches shows record batches in a line each, byte for byte by their CRC where that
// covers nothing of the cluster's own.
func batches(encoded string) any {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return encoded
	}
	out := []any{}
	for len(b) >= 61 {
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if size > len(b) {
			break
		}
		be := binary.BigEndian
		attributes, pid := be.Uint16(b[21:]), int64(be.Uint64(b[43:]))
		line := fmt.Sprintf("offset %d epoch %d magic %d attributes %d records %d bytes %d",
			be.Uint64(b), be.Uint32(b[12:]), b[16], attributes, be.Uint32(b[57:]), size)
		if pid >= 0 {
			line += fmt.Sprintf(" producer epoch %d sequence %d", int16(be.Uint16(b[51:])), int32(be.Uint32(b[53:])))
		} else if attributes&8 == 0 {
			line += fmt.Sprintf(" crc %08x", be.Uint32(b[17:]))
		}
		out = append(out, line)
		b = b[size:]
	}
	if len(b) > 0 {
		out = append(out, fmt.Sprintf("%d bytes of a batch", len(b)))
	}
	return out
}

// learn remembers the ids of topics that an answer names.
func (w *world) learn(resp kmsg.Response) { w.learnFrom(reflect.ValueOf(resp).Elem()) }

func (w *world) learnFrom(v reflect.Value) {
	name, id := v.FieldByName("Topic"), v.FieldByName("TopicID")
	if name.IsValid() && id.IsValid() {
		if name.Kind() == reflect.Pointer && !name.IsNil() {
			name = name.Elem()
		}
		if u, ok := id.Interface().([16]byte); ok && name.Kind() == reflect.String && u != [16]byte{} && name.String() != "" {
			w.topics[name.String()], w.ids[u] = u, name.String()
		}
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct {
			for j := range f.Len() {
				w.learnFrom(f.Index(j))
			}
		}
	}
}
