// Package output is how things look on stdout, and how they are read back.
package output

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/streamhouse/streamhouse/client"
)

// AppendRecord appends a record as a line of NDJSON: an object with topic, partition, offset,
// timestamp_ms, timestamp_type, key, value and headers (in their order, names may repeat). Null
// is null. What is not UTF-8 is base64 in a member with _base64 behind its name.
func AppendRecord(dst []byte, r *client.Record) []byte {
	dst = append(dst, `{"topic":`...)
	dst = appendText(dst, r.Topic)
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(r.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, `,"timestamp_ms":`...)
	dst = strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10)
	dst = append(dst, `,"timestamp_type":`...)
	dst = appendText(dst, r.TimestampType.String())
	dst = appendBytes(append(dst, ','), "key", r.Key)
	dst = appendBytes(append(dst, ','), "value", r.Value)
	dst = append(dst, `,"headers":[`...)
	for i := range r.Headers {
		h := &r.Headers[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendBytes(append(dst, '{'), "key", []byte(h.Key))
		dst = appendBytes(append(dst, ','), "value", h.Value)
		dst = append(dst, '}')
	}
	return append(dst, "]}\n"...)
}

// appendBytes appends a member. An empty header name is "", not null: callers give it as
// empty and not nil.
func appendBytes(dst []byte, name string, b []byte) []byte {
	dst = append(append(dst, '"'), name...)
	switch {
	case b == nil:
		return append(dst, `":null`...)
	case utf8.Valid(b):
		return appendText(append(dst, `":`...), string(b))
	}
	dst = append(dst, `_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

const hex = "0123456789abcdef"

// appendText appends a JSON string: only what has to be is escaped.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	begin := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			continue
		}
		dst = append(dst, s[begin:i]...)
		begin = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[begin:]...), '"')
}

// member is a key or a value, as text or as base64.
type member struct {
	Key         *string `json:"key"`
	KeyBase64   *string `json:"key_base64"`
	Value       *string `json:"value"`
	ValueBase64 *string `json:"value_base64"`
}

func one(name string, text, coded *string) ([]byte, error) {
	switch {
	case text != nil && coded != nil:
		return nil, fmt.Errorf("%s and %s_base64 are both given", name, name)
	case text != nil:
		return []byte(*text), nil
	case coded == nil:
		return nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(*coded)
	if err != nil {
		return nil, fmt.Errorf("%s_base64 is no base64", name)
	}
	return b, nil
}

// ParseRecord reads what AppendRecord writes. Members that are not there are null; topic,
// offset and timestamp_type are what they were and say nothing about where a record goes. The
// partition is -1 and the timestamp zero where they are not given. Unknown members are an
// error: a misspelt one would be lost without a word.
func ParseRecord(line []byte) (client.Record, error) {
	var in struct {
		Topic     string          `json:"topic"`
		Partition *int32          `json:"partition"`
		Offset    json.RawMessage `json:"offset"`
		Timestamp *int64          `json:"timestamp_ms"`
		Type      json.RawMessage `json:"timestamp_type"`
		Headers   []member        `json:"headers"`
		member
	}
	r := client.Record{Partition: -1}
	if !utf8.Valid(line) {
		return r, errors.New("it is not UTF-8: bytes go into key_base64 and value_base64")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return r, err
	}
	if d.More() {
		return r, errors.New("there is something behind the object")
	}
	var err error
	if r.Key, err = one("key", in.Key, in.KeyBase64); err != nil {
		return r, err
	}
	if r.Value, err = one("value", in.Value, in.ValueBase64); err != nil {
		return r, err
	}
	for i, h := range in.Headers {
		key, err := one("key", h.Key, h.KeyBase64)
		if err == nil && key == nil {
			err = errors.New("it has no key")
		}
		var value []byte
		if err == nil {
			value, err = one("value", h.Value, h.ValueBase64)
		}
		if err != nil {
			return r, fmt.Errorf("header %d: %w", i+1, err)
		}
		r.Headers = append(r.Headers, client.Header{Key: string(key), Value: value})
	}
	if in.Partition != nil {
		r.Partition = *in.Partition
	}
	if in.Timestamp != nil {
		r.Timestamp = time.UnixMilli(*in.Timestamp)
	}
	r.Topic = in.Topic
	return r, nil
}
