package protocol

import (
	"math/rand/v2"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var tagsType = reflect.TypeFor[kmsg.Tags]()

// randomRequest fills every field of a request of kmsg with random values, so that its
// encoding is as irregular as a version allows.
func randomRequest(rng *rand.Rand, key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	fill(rng, reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	return req
}

func fill(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(rng.Int64N(256) - 128)
	case reflect.String:
		v.SetString("abcdefghijklmnop"[:rng.IntN(16)])
	case reflect.Pointer:
		if rng.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rng, v.Elem())
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rng.IntN(256)))
		}
	case reflect.Slice:
		fillSlice(rng, v)
	case reflect.Struct:
		fillStruct(rng, v)
	}
}

func fillSlice(rng *rand.Rand, v reflect.Value) {
	n := rng.IntN(4)
	if n == 3 && rng.IntN(2) == 0 {
		n = 150 // a length of two bytes
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.Index(i).SetUint(uint64(rng.IntN(256)))
			continue
		}
		if n > 3 && v.Type().Elem().Kind() == reflect.Struct && i > 3 {
			continue
		}
		fill(rng, v.Index(i))
	}
}

func fillStruct(rng *rand.Rand, v reflect.Value) {
	if v.Type() == tagsType {
		if rng.IntN(3) == 0 {
			t := v.Addr().Interface().(*kmsg.Tags)
			for range rng.IntN(4) {
				t.Set(1000+rng.Uint32N(1<<20), make([]byte, rng.IntN(5)))
			}
		}
		return
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Name == "Version" && i == 0 {
			continue
		}
		fill(rng, v.Field(i))
	}
}

// servedVersions calls f for each API and version that is served.
func servedVersions(f func(s Spec, version int16)) {
	for _, s := range Served() {
		for v := s.Min; v <= s.Max; v++ {
			f(s, v)
		}
	}
}
