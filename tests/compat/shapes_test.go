package compat

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Shapes are the requests that one gets from a sound one by changing one field: each
// number to the least, the largest and others; each text to none, to an empty, a long and
// an illegal one; each list to an empty one and to one that names its first element twice.
// Every API has some, so that none is asked only what somebody thought of.

// base is the sound request of an API.
type base struct {
	name    string
	request func(w *world, lane int16) kmsg.Request
	// keep names fields, or changes of one, that are left out, with the reason.
	keep map[string]string
	// only is the one field that changes, if it is set, and since the first version that
	// is asked.
	only  string
	since int16
	// ignore names fields that are not compared.
	ignore []string
}

// shapesOf are the cases of a base: itself, then what is changed.
func shapesOf(b base) (all []testCase) {
	add := func(name string, change func(root reflect.Value)) {
		c := testCase{name: name, ignore: b.ignore, shape: true, request: func(w *world, lane int16) kmsg.Request {
			req := b.fresh(w, lane)
			change(reflect.ValueOf(req).Elem())
			return req
		}}
		if b.since > 0 {
			c = c.since(b.since)
		}
		all = append(all, c)
	}
	add(b.name, func(reflect.Value) {})
	seen := map[string]bool{encodings(b.fresh(&world{}, 0)): true}
	root := func(v reflect.Value) reflect.Value { return v }
	changesOf("", root, reflect.ValueOf(b.fresh(&world{}, 0)).Elem(), func(path, how string, change func(reflect.Value)) {
		if path == "TimeoutMillis" && how == "1" {
			return // may be enough or not
		}
		if !strings.HasPrefix(path, b.only) || b.keep[path] != "" || b.keep[path+" "+how] != "" {
			return
		}
		req := b.fresh(&world{}, 0)
		change(reflect.ValueOf(req).Elem())
		if id := encodings(req); !seen[id] {
			seen[id] = true
			add(b.name+": "+path+" "+how, change)
		}
	})
	return all
}

// fresh is the request with lists of its own, so that it can be changed.
func (b base) fresh(w *world, lane int16) kmsg.Request {
	req := b.request(w, lane)
	ownLists(reflect.ValueOf(req).Elem())
	return req
}

func ownLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !dropped[v.Type().Field(i).Name] {
				ownLists(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		for i := range v.Len() {
			ownLists(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem())
			own.Elem().Set(v.Elem())
			v.Set(own)
			ownLists(own.Elem())
		}
	}
}

// encodings is a request at all versions of its API.
func encodings(req kmsg.Request) string {
	var out []byte
	for v := kafkaVersions[req.Key()][0]; v <= kafkaVersions[req.Key()][1]; v++ {
		req.SetVersion(v)
		out = raw{req, nil}.AppendTo(out)
	}
	return string(out)
}

// changesOf yields the changes of a value, which get finds again in another request of
// the same form.
func changesOf(path string, get func(reflect.Value) reflect.Value, v reflect.Value, yield func(path, how string, change func(reflect.Value))) {
	to := func(how string, value any) {
		yield(path, how, func(root reflect.Value) { get(root).Set(reflect.ValueOf(value).Convert(v.Type())) })
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; !dropped[name] {
				changesOf(strings.TrimPrefix(path+"."+name, "."), func(root reflect.Value) reflect.Value { return get(root).Field(i) }, v.Field(i), yield)
			}
		}
	case reflect.Slice:
		listChanges(path, get, v, yield)
	case reflect.Pointer:
		pointerChanges(path, get, v, yield)
	case reflect.Array: // an id
		to("none", [16]byte{})
		to("unknown", [16]byte{9, 8, 7})
	case reflect.String:
		to("empty", "")
		to("null", null)
		to("long", strings.Repeat("x", 300))
		to("illegal", "bad/name")
	case reflect.Bool:
		to("other", !v.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		for _, n := range []int64{0, 1, -1, -2, math.MinInt64 >> (64 - bits), math.MaxInt64 >> (64 - bits)} {
			to(fmt.Sprint(n), n)
		}
	}
}

func listChanges(path string, get func(reflect.Value) reflect.Value, v reflect.Value, yield func(path, how string, change func(reflect.Value))) {
	to := func(how string, make func(now reflect.Value) reflect.Value) {
		yield(path, how, func(root reflect.Value) { get(root).Set(make(get(root))) })
	}
	to("null", func(now reflect.Value) reflect.Value { return reflect.Zero(now.Type()) })
	to("empty", func(now reflect.Value) reflect.Value { return reflect.MakeSlice(now.Type(), 0, 0) })
	if v.Type().Elem().Kind() == reflect.Uint8 {
		to("other", func(now reflect.Value) reflect.Value { return reflect.ValueOf([]byte{1, 2, 3}) })
		return
	}
	if v.Len() == 0 {
		return
	}
	to("twice", func(now reflect.Value) reflect.Value {
		return reflect.Append(now.Slice3(0, now.Len(), now.Len()), now.Index(0))
	})
	changesOf(path+"[0]", func(root reflect.Value) reflect.Value { return get(root).Index(0) }, v.Index(0), yield)
}

func pointerChanges(path string, get func(reflect.Value) reflect.Value, v reflect.Value, yield func(path, how string, change func(reflect.Value))) {
	to := func(how string, value any) {
		yield(path, how, func(root reflect.Value) { get(root).Set(reflect.ValueOf(value)) })
	}
	yield(path, "null", func(root reflect.Value) { get(root).SetZero() })
	switch {
	case v.Type().Elem().Kind() == reflect.String:
		to("empty", ptr(""))
		to("long", ptr(strings.Repeat("x", 300)))
		to("illegal", ptr("bad/name"))
	case !v.IsNil():
		changesOf(path, func(root reflect.Value) reflect.Value { return get(root).Elem() }, v.Elem(), yield)
	}
}
