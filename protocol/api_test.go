package protocol

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSpecs(t *testing.T) {
	for i := range specs {
		s := &specs[i]
		if int(s.Key) != i || s.Name == "" {
			t.Errorf("entry %d is %+v", i, *s)
		}
		// kmsg spells Id as ID, and shortens one name.
		if name := kmsg.NameForKey(s.Key); !strings.EqualFold(name, s.Name) && s.Key != KeyAlterPartitionReassignments {
			t.Errorf("key %d is %s, kmsg says %s", i, s.Name, name)
		}
		req := kmsg.RequestForKey(s.Key)
		if s.Served && (s.Max < s.Min || s.Max > req.MaxVersion()) {
			t.Errorf("%s: %d-%d, kmsg knows up to %d", s.Name, s.Min, s.Max, req.MaxVersion())
		}
		for v := s.Min; v <= s.Max; v++ {
			req.SetVersion(v)
			if req.IsFlexible() != s.flexible(v) {
				t.Errorf("%s version %d: flexible is %v, kmsg says %v", s.Name, v, s.flexible(v), req.IsFlexible())
			}
		}
	}
	if len(specs) != 95 || len(Served()) < 37 {
		t.Errorf("%d APIs, %d served", len(specs), len(Served()))
	}
}

func TestCheckVersion(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		ok           bool
	}{
		{KeyProduce, 3, true}, {KeyProduce, 13, true}, {KeyProduce, 2, false}, {KeyProduce, 14, false},
		{KeyApiVersions, 5, true}, {KeyApiVersions, 6, false}, {KeyInitProducerId, 5, true}, {KeyInitProducerId, 6, false},
		{KeyOffsetForLeaderEpoch, 2, true}, {KeySaslHandshake, 1, true}, {KeySaslHandshake, 2, false}, {KeyStopReplica, 0, false}, {-1, 0, false}, {95, 0, false},
	} {
		err := CheckVersion(c.key, c.version)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, UnsupportedVersion) {
			t.Errorf("%s version %d: %v", Name(c.key), c.version, err)
		}
	}
	if p := Lookup(KeyProduce); p.Advertised != 0 || p.Min != 3 {
		t.Errorf("Produce is %+v", p)
	}
}

func TestHeaderVersions(t *testing.T) {
	for _, c := range []struct {
		key, version, request, response int16
	}{
		{KeyProduce, 8, 1, 0}, {KeyProduce, 9, 2, 1}, {KeyApiVersions, 0, 1, 0}, {KeyApiVersions, 3, 2, 0}, {KeyApiVersions, 99, 2, 0},
		{KeyControlledShutdown, 0, 0, 0}, {KeyControlledShutdown, 1, 1, 0}, {KeySaslHandshake, 1, 1, 0}, {KeyOffsetDelete, 0, 1, 0},
		{KeyVote, 0, 2, 1}, {1000, 0, 1, 0},
	} {
		if got := RequestHeaderVersion(c.key, c.version); got != c.request {
			t.Errorf("%s version %d: request header %d", Name(c.key), c.version, got)
		}
		if got := ResponseHeaderVersion(c.key, c.version); got != c.response {
			t.Errorf("%s version %d: response header %d", Name(c.key), c.version, got)
		}
	}
}

func TestNames(t *testing.T) {
	if Name(KeyProduce) != "Produce" || Name(94) != "UnregisterController" || Name(95) != "Unknown(95)" || Name(-3) != "Unknown(-3)" {
		t.Error(Name(KeyProduce), Name(94), Name(95), Name(-3))
	}
}

func TestFrameLimit(t *testing.T) {
	const produce = 100 << 20
	for _, s := range Served() {
		want := 16 << 20
		if s.Key == KeyProduce {
			want = produce
		}
		if got := FrameLimit(s.Key, false, produce); got != want {
			t.Errorf("%s: %d", s.Name, got)
		}
		if got := FrameLimit(s.Key, true, produce); got != 512<<10 {
			t.Errorf("%s in the handshake: %d", s.Name, got)
		}
	}
	if got := FrameLimit(KeyFetch, false, 1<<20); got != 1<<20 {
		t.Errorf("a smaller socket.request.max.bytes gives %d", got)
	}
}

func TestErrorVocabulary(t *testing.T) {
	err := error(Errorf(NotCoordinator, "group %s", "g"))
	if !errors.Is(err, NotCoordinator) || errors.Is(err, None) || err.Error() != "NOT_COORDINATOR: group g" {
		t.Error(err)
	}
	for c := UnknownServerError; c <= ControllerIDNotRegistered; c++ {
		if strings.HasPrefix(c.String(), "ERROR_") {
			t.Errorf("code %d has no name", int16(c))
		}
	}
	if Code(1000).Error() != "ERROR_1000" {
		t.Error(Code(1000))
	}
}
