package output

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/client"
)

func TestRecordForm(t *testing.T) {
	r := client.Record{
		Topic: "orders", Partition: 3, Offset: 7, Timestamp: time.UnixMilli(1700000000123), Key: nil, Value: []byte("<a>&\"\\\n\x00 ä"),
		Headers: []client.Header{{Key: "h", Value: nil}, {Key: "h", Value: []byte{0xff}}, {Key: "", Value: []byte{}}},
	}
	const want = `{"topic":"orders","partition":3,"offset":7,"timestamp_ms":1700000000123,"timestamp_type":"CreateTime","key":null,` +
		`"value":"<a>&\"\\\n\u0000 ä","headers":[{"key":"h","value":null},{"key":"h","value_base64":"/w=="},{"key":"","value":""}]}` + "\n"
	if got := string(AppendRecord(nil, &r)); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

// TestRecordsAreRead: whatever a record is, it is read as it was written.
func TestRecordsAreRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	blob := func() []byte {
		if rng.IntN(6) == 0 {
			return nil
		}
		b := make([]byte, rng.IntN(20))
		for i := range b {
			if b[i] = byte(rng.IntN(256)); rng.IntN(3) > 0 {
				b[i] = byte(rng.IntN(128))
			}
		}
		return b
	}
	for range 20_000 {
		r := client.Record{Topic: "t", Partition: int32(rng.IntN(5)), Timestamp: time.UnixMilli(rng.Int64N(1<<42) - 1), Key: blob(), Value: blob()}
		for range rng.IntN(4) {
			r.Headers = append(r.Headers, client.Header{Key: string(blob()), Value: blob()})
		}
		line := AppendRecord(nil, &r)
		if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("no line of JSON: %s", line)
		}
		got, err := ParseRecord(line)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%s\nis read as %+v, %v; was %+v", line, got, err, r)
		}
	}
}

func TestBrokenRecords(t *testing.T) {
	for line, want := range map[string]string{
		`{`:                               "EOF",
		`{"valeu":"x"}`:                   "valeu",
		`{"value":1}`:                     "value",
		`{"value":"x","value_base64":""}`: "both",
		`{"value_base64":"?"}`:            "base64",
		`{"headers":[{"value":"x"}]}`:     "header 1: it has no key",
		`{"value":"x"} {}`:                "behind",
		`{"partition":1.5}`:               "partition",
		"{\"value\":\"\xff\"}":            "UTF-8",
		`["x"]`:                           "array",
	} {
		if _, err := ParseRecord([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if r, err := ParseRecord([]byte(`{"value":"x"}`)); err != nil || r.Partition != -1 || !r.Timestamp.IsZero() || r.Key != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"topic":"t","partition":1,"key":"k","value_base64":"/w==","headers":[{"key":"h","value":null}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRecord(line)
		if err != nil {
			return
		}
		again, err := ParseRecord(AppendRecord(nil, &r))
		if r.Timestamp.IsZero() {
			again.Timestamp = time.Time{} // it has been written as the beginning of time
		}
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v is read as %+v, %v", r, again, err)
		}
	})
}

func BenchmarkAppendRecord(b *testing.B) {
	r := client.Record{Topic: "orders", Value: bytes.Repeat([]byte("x"), 100), Timestamp: time.UnixMilli(1)}
	var dst []byte
	for b.Loop() {
		dst = AppendRecord(dst[:0], &r)
	}
}

func BenchmarkParseRecord(b *testing.B) {
	line := AppendRecord(nil, &client.Record{Topic: "orders", Value: bytes.Repeat([]byte("x"), 100), Timestamp: time.UnixMilli(1)})
	for b.Loop() {
		if _, err := ParseRecord(line); err != nil {
			b.Fatal(err)
		}
	}
}
