package protocol

import (
	"math/rand/v2"
	"testing"
)

// What the walker accepts, kmsg decodes without a panic and within the estimate.
func FuzzWalk(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 10))
	servedVersions(func(s Spec, version int16) {
		f.Add(s.Key, version, randomRequest(rng, s.Key, version).AppendTo(nil))
	})
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		shape, err := Walk(key, version, body)
		if err != nil {
			return
		}
		if shape.Size > len(body) || shape.Memory > decodedBase+decodedRatio*len(body) {
			t.Fatalf("%+v for %d bytes", shape, len(body))
		}
		got := allocated(func() { _, err = Unmarshal(key, version, body) })
		if err != nil {
			t.Fatalf("%s version %d: walked, but not decoded: %v", Name(key), version, err)
		}
		if got > shape.Memory+64*slack { // the fuzzing engine allocates beside us
			t.Fatalf("%s version %d: %d bytes allocated, %d estimated", Name(key), version, got, shape.Memory)
		}
	})
}

func FuzzParseRequestHeader(f *testing.F) {
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 'c', 0})
	f.Add([]byte{0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseRequestHeader(b)
		if err != nil {
			return
		}
		if h.Size < MinFrame || h.Size > len(b) {
			t.Fatalf("%+v of %d bytes", h, len(b))
		}
		// The beginning is enough, and a longer frame changes nothing.
		again, err := ParseRequestHeader(append(b[:h.Size:h.Size], 1, 2, 3))
		if err != nil || again != h {
			t.Fatalf("%+v, then %+v, %v", h, again, err)
		}
	})
}
