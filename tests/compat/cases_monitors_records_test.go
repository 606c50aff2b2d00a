package compat

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupRecords asks for records of __consumer_offsets and shows what they say, where a
// Fetch is otherwise shown batch by batch.
func groupRecords(inner func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request { return decodedRequest{inner(w, lane), w} }
}

type decodedRequest struct {
	kmsg.Request
	world *world
}

// ResponseKind implements kmsg.Request.
func (d decodedRequest) ResponseKind() kmsg.Response {
	return &decodedResponse{d.Request.ResponseKind().(*kmsg.FetchResponse), d.world}
}

type decodedResponse struct {
	*kmsg.FetchResponse
	world *world
}

// MarshalJSON shows a line per record, under its partition.
func (d *decodedResponse) MarshalJSON() ([]byte, error) {
	out := make(map[string]any)
	for _, t := range d.Topics {
		for _, p := range t.Partitions {
			lines, err := d.world.groupLines(p.RecordBatches)
			if err != nil {
				return nil, err
			}
			out[fmt.Sprintf("partition %d", p.Partition)] = map[string]any{"ErrorCode": p.ErrorCode, "HighWatermark": p.HighWatermark, "records": lines}
		}
	}
	return json.Marshal(out)
}

// groupLines decodes uncompressed batches as monitors do that consume the topic.
func (w *world) groupLines(b []byte) ([]string, error) {
	lines := []string{}
	for len(b) >= 61 {
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if size > len(b) {
			break
		}
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(b[:size]); err != nil {
			return nil, err
		}
		b = b[size:]
		if batch.Attributes&7 != 0 {
			return nil, fmt.Errorf("a compressed batch: attributes %d", batch.Attributes)
		}
		for rest := batch.Records; len(rest) > 0; {
			length, n := binary.Varint(rest)
			var r kmsg.Record
			if n <= 0 || int(length)+n > len(rest) {
				return nil, fmt.Errorf("a record of %d bytes among %d", length, len(rest))
			}
			if err := r.ReadFrom(rest[:int(length)+n]); err != nil {
				return nil, err
			}
			rest = rest[int(length)+n:]
			line := w.groupLine(r.Key, r.Value)
			if batch.Attributes&(1<<5) != 0 {
				line = fmt.Sprintf("marker key %x value %x", r.Key, r.Value)
			}
			lines = append(lines, fmt.Sprintf("offset %d attributes %d %s", batch.FirstOffset+int64(r.OffsetDelta), batch.Attributes, line))
		}
	}
	return lines, nil
}

// versioned is a key or value of a group's record.
type versioned interface {
	ReadFrom([]byte) error
	AppendTo([]byte) []byte
}

// groupLine is a record in words: what its key and value decode to, and whether that is
// all there is.
func (w *world) groupLine(key, value []byte) string {
	if len(key) < 2 {
		return fmt.Sprintf("key %x value %x", key, value)
	}
	var k, v versioned
	switch binary.BigEndian.Uint16(key) {
	case 0, 1:
		k, v = new(kmsg.OffsetCommitKey), new(kmsg.OffsetCommitValue)
	case 2:
		k, v = new(kmsg.GroupMetadataKey), new(kmsg.GroupMetadataValue)
	default:
		return fmt.Sprintf("key %x value %x", key, value)
	}
	if value == nil {
		return "key " + w.spelled(k, key) + " tombstone"
	}
	return "key " + w.spelled(k, key) + " value " + w.spelled(v, value)
}

func (w *world) spelled(v versioned, encoded []byte) string {
	if err := v.ReadFrom(encoded); err != nil {
		return fmt.Sprintf("%x: %v", encoded, err)
	}
	out := text(v)
	for id, name := range w.ids {
		out = strings.ReplaceAll(out, text(id), "id of "+name)
	}
	if again := v.AppendTo(nil); !bytes.Equal(again, encoded) {
		out += fmt.Sprintf(" which is %d bytes, not %d", len(again), len(encoded))
	}
	return out
}
