package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Headers as kmsg's client side writes them, for every API.
func TestParseRequestHeader(t *testing.T) {
	servedVersions(func(s Spec, version int16) {
		for _, id := range []*string{nil, kmsg.StringPtr(""), kmsg.StringPtr("client-1")} {
			req := kmsg.RequestForKey(s.Key)
			req.SetVersion(version)
			f := kmsg.NewRequestFormatter()
			if id != nil {
				f = kmsg.NewRequestFormatter(kmsg.FormatterClientID(*id))
			}
			frame := f.AppendRequest(nil, req, 77)[4:]
			h, err := ParseRequestHeader(frame)
			if err != nil {
				t.Fatalf("%s version %d: %v", s.Name, version, err)
			}
			want := ""
			if id != nil {
				want = *id
			}
			if h.Key != s.Key || h.Version != version || h.CorrelationID != 77 || h.ClientID != want || h.HasClientID != (id != nil) {
				t.Fatalf("%s version %d: %+v", s.Name, version, h)
			}
			if !bytes.Equal(frame[h.Size:], req.AppendTo(nil)) {
				t.Fatalf("%s version %d: the body is not at %d", s.Name, version, h.Size)
			}
			for cut := range h.Size {
				if _, err := ParseRequestHeader(frame[:cut]); !errors.Is(err, ErrShort) {
					t.Fatalf("%d of %d bytes: %v", cut, h.Size, err)
				}
			}
		}
	})
}

func TestParseRequestHeaderTags(t *testing.T) {
	base := []byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 'c'}
	few := append(bytes.Clone(base), 2, 0, 1, 'x', 9, 2, 'y', 'z', 0xee)
	if h, err := ParseRequestHeader(few); err != nil || h.Size != len(few)-1 {
		t.Errorf("two tags: %+v %v", h, err)
	}
	for name, tags := range map[string][]byte{
		"17 tags":        append([]byte{17}, make([]byte, 34)...),
		"a tag of 5 KiB": append(binary.AppendUvarint([]byte{1, 0}, 5<<10), make([]byte, 5<<10)...),
		"4 billion tags": {0xff, 0xff, 0xff, 0xff, 0x0f},
		"bad varint":     {0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := ParseRequestHeader(append(bytes.Clone(base), tags...)); err == nil || errors.Is(err, ErrShort) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRequestHeaderRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"HTTP":         []byte("GET / HTTP/1.1\r\n"),
		"key 95":       {0, 95, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"key -1":       {0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"client id -2": {0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xfe},
	} {
		if _, err := ParseRequestHeader(b); err == nil || errors.Is(err, ErrShort) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// ControlledShutdown v0 has no client id.
	if h, err := ParseRequestHeader([]byte{0, 7, 0, 0, 0, 0, 0, 1}); err != nil || h.Size != 8 {
		t.Errorf("%+v %v", h, err)
	}
}
