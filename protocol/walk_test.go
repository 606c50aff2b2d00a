package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// allocated returns how many bytes f allocates on the heap, garbage included.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// slack is what may be allocated beside what is measured, by the runtime for example.
const slack = 16 << 10

// The walker must end exactly where kmsg's encoder did, for every API and version: that
// shows that the schemas have the right fields in the right order.
func TestWalkAgreesWithEncoder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	count := 0
	servedVersions(func(s Spec, version int16) {
		for range 60 {
			req := randomRequest(rng, s.Key, version)
			body := req.AppendTo(nil)
			shape, err := Walk(s.Key, version, body)
			if err != nil {
				t.Fatalf("%s version %d: %v\n%x", s.Name, version, err, body)
			}
			if shape.Size != len(body) {
				t.Fatalf("%s version %d: walked %d of %d bytes", s.Name, version, shape.Size, len(body))
			}
			for cut := 0; cut < len(body); cut += 1 + len(body)/40 {
				if _, err := Walk(s.Key, version, body[:cut]); err == nil {
					t.Fatalf("%s version %d: %d of %d bytes are accepted", s.Name, version, cut, len(body))
				}
			}
			count++
		}
	})
	if count < 60*100 {
		t.Fatalf("%d bodies only", count)
	}
}

// Decoding must give back what was encoded and allocate no more than was estimated.
func TestDecodeWithinEstimate(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	servedVersions(func(s Spec, version int16) {
		for range 10 {
			body := randomRequest(rng, s.Key, version).AppendTo(nil)
			shape, err := Walk(s.Key, version, body)
			if err != nil {
				t.Fatal(err)
			}
			var req kmsg.Request
			got := allocated(func() { req, err = Unmarshal(s.Key, version, body) })
			if err != nil {
				t.Fatalf("%s version %d: %v", s.Name, version, err)
			}
			limit := shape.Memory
			if raceEnabled { // append(a, make(...)...) then makes a temporary
				limit *= 2
			}
			if got > limit+slack {
				t.Errorf("%s version %d: %d bytes allocated, %d estimated", s.Name, version, got, shape.Memory)
			}
			if again := req.AppendTo(nil); !slices.Equal(again, body) {
				t.Fatalf("%s version %d: decoded and encoded again it differs", s.Name, version)
			}
		}
	})
}

// SECURITY, CVE-2026-111108: an array that claims as many elements as there are bytes
// left must not make the decoder allocate for them.
func TestLyingArrays(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	lies := 0
	servedVersions(func(s Spec, version int16) {
		body := randomRequest(rng, s.Key, version).AppendTo(nil)
		for len(body) < 200 && s.Key != KeyApiVersions && len(body) > 0 {
			more := randomRequest(rng, s.Key, version).AppendTo(nil)
			if len(more) <= len(body) {
				break
			}
			body = more
		}
		// Ballast behind the request gives the lie something to point at.
		body = append(body, make([]byte, 64<<10)...)
		for _, at := range arrays(s.Key, version, body) {
			lie := relength(body, at, specs[s.Key].flexible(version))
			lies++
			var err error
			got := allocated(func() { _, err = Decode(s.Key, version, lie) })
			if got > 4*len(lie)+slack {
				t.Errorf("%s version %d: %d bytes allocated for a frame of %d (%v)", s.Name, version, got, len(lie), err)
			}
		}
	})
	if lies < 200 {
		t.Fatalf("%d lies only", lies)
	}
}

// arrays returns where the counts of all arrays in body are.
func arrays(key, version int16, body []byte) [][2]int {
	var at [][2]int
	w := walker{r: reader{b: body}, version: version, flexible: specs[key].flexible(version), limit: 1 << 30}
	w.array = func(from, to int) { at = append(at, [2]int{from, to}) }
	w.layout(schemas[key])
	return at
}

// relength makes the array whose count is at claim as many elements as bytes follow.
func relength(body []byte, at [2]int, flexible bool) []byte {
	out := slices.Clone(body[:at[0]])
	left := len(body) - at[1]
	if flexible {
		out = binary.AppendUvarint(out, uint64(left)+1)
	} else {
		out = binary.BigEndian.AppendUint32(out, uint32(left))
	}
	return append(out, body[at[1]:]...)
}

// SECURITY, CVE-2026-111115: a million tagged fields.
func TestMillionTags(t *testing.T) {
	for _, distinct := range []bool{true, false} {
		tags := binary.AppendUvarint(nil, 1_000_000)
		for i := range uint64(1_000_000) {
			if !distinct {
				i = 7
			}
			tags = append(binary.AppendUvarint(tags, i), 0)
		}
		header := []byte{0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff}
		body := []byte{1, 1, 0, 0} // no topics, three flags missing one
		body = append(body[:1], 1, 0)
		t.Run(fmt.Sprintf("distinct=%v", distinct), func(t *testing.T) {
			var err error
			got := allocated(func() { _, err = ParseRequestHeader(append(header, tags...)) })
			if err == nil || got > len(tags)*2+slack { // the append above is in it
				t.Errorf("header: %d bytes allocated, error %v", got, err)
			}
			frame := append(body, tags...)
			got = allocated(func() { _, err = Decode(KeyMetadata, 12, frame) })
			if !errors.Is(err, InvalidRequest) || got > slack {
				t.Errorf("body: %d bytes allocated, error %v", got, err)
			}
		})
	}
}

// Many elements with a few tags each are bounded by the estimate.
func TestTagsInManyElements(t *testing.T) {
	body := binary.AppendUvarint(nil, 300_001)
	for range 300_000 {
		body = append(body, make([]byte, 16)...) // topic id
		body = append(body, 0)                   // null name
		body = append(body, 1, 5, 0)             // one tag
	}
	body = append(body, 0, 0, 0)
	var err error
	got := allocated(func() { _, err = Decode(KeyMetadata, 12, body) })
	if !errors.Is(err, InvalidRequest) || got > slack {
		t.Errorf("%d bytes allocated, error %v", got, err)
	}
}

func TestWalkRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		key, version int16
		body         []byte
	}{
		"null string":          {KeyHeartbeat, 0, []byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}},
		"string length -2":     {KeyHeartbeat, 0, []byte{0xff, 0xfe, 0, 0, 0, 0, 0, 0}},
		"null array":           {KeyDeleteGroups, 0, []byte{0xff, 0xff, 0xff, 0xff}},
		"array length -2":      {KeyMetadata, 1, []byte{0xff, 0xff, 0xff, 0xfe}},
		"null topics in v0":    {KeyMetadata, 0, []byte{0xff, 0xff, 0xff, 0xff}},
		"compact length 2^32":  {KeyDeleteGroups, 2, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}},
		"varint of 6 bytes":    {KeyDeleteGroups, 2, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}},
		"varint beyond 32 bit": {KeyDeleteGroups, 2, []byte{0x80, 0x80, 0x80, 0x80, 0x10, 0}},
		"tag beyond the end":   {KeyDeleteGroups, 2, []byte{1, 1, 5, 100}},
		"cursor mark 3":        {KeyDescribeTopicPartitions, 0, []byte{1, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0}},
		"known tag too short":  {KeyFetch, 17, append(make([]byte, 21), 1, 1, 1, 1, 1, 2, 0, 0)},
	} {
		if _, err := Walk(c.key, c.version, c.body); !errors.Is(err, InvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range [][2]int16{{KeyProduce, 2}, {KeyProduce, 14}, {KeyVote, 0}, {KeyLeaderAndIsr, 0}, {95, 0}, {-1, 0}, {KeyFetch, -1}} {
		if _, err := Decode(c[0], c[1], nil); !errors.Is(err, UnsupportedVersion) {
			t.Errorf("key %d version %d: %v", c[0], c[1], err)
		}
	}
}

func TestWalkAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		key, version int16
		body         []byte
	}{
		"all topics":     {KeyMetadata, 1, []byte{0xff, 0xff, 0xff, 0xff}},
		"trailing bytes": {KeyDeleteGroups, 0, []byte{0, 0, 0, 0, 9, 9}},
		"no cursor":      {KeyDescribeTopicPartitions, 0, []byte{1, 0, 0, 0, 0, 0xff, 0}},
	} {
		if _, err := Decode(c.key, c.version, c.body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every served API has a schema, and nothing else has.
func TestSchemasComplete(t *testing.T) {
	for _, s := range Served() {
		if schemas[s.Key] == nil {
			t.Errorf("%s has no schema", s.Name)
		}
	}
	if len(schemas) != len(Served()) {
		t.Errorf("%d schemas, %d served", len(schemas), len(Served()))
	}
}

// A commit of 50,000 partitions and a large SyncGroup must pass.
func TestLargeRealRequests(t *testing.T) {
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version = 9
	for i := range 50 {
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Topic = fmt.Sprintf("topic-%d", i)
		for p := range int32(1000) {
			part := kmsg.NewOffsetCommitRequestTopicPartition()
			part.Partition = p
			part.Metadata = kmsg.StringPtr("")
			topic.Partitions = append(topic.Partitions, part)
		}
		commit.Topics = append(commit.Topics, topic)
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version = 5
	for i := range 2000 {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID = fmt.Sprintf("member-%d", i)
		a.MemberAssignment = make([]byte, 6<<10)
		sync.GroupAssignment = append(sync.GroupAssignment, a)
	}
	for _, req := range []kmsg.Request{commit, sync} {
		body := req.AppendTo(nil)
		if len(body) > MaxRequestFrame {
			t.Errorf("%T of %d bytes is beyond the frame limit", req, len(body))
		}
		got, err := Decode(req.Key(), req.GetVersion(), body)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.AppendTo(nil), body) {
			t.Errorf("%T does not survive", req)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 17
	topic := kmsg.NewFetchRequestTopic()
	for p := range int32(1000) {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition = p
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	body := req.AppendTo(nil)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Walk(KeyFetch, 17, body); err != nil {
			b.Fatal(err)
		}
	}
}
