package api

import (
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// FirstError returns the first error code in a response that is not NONE, for the
// metrics. Where the codes are is worked out once per type of response.
func FirstError(resp kmsg.Response) protocol.Code {
	v := reflect.ValueOf(resp).Elem()
	return planOf(v.Type()).first(v)
}

// codePlan says where a struct has error codes: in a field of its own, or below in
// slices of structs.
type codePlan struct {
	code   int // index of the field ErrorCode, or -1
	slices []codeSlice
}

type codeSlice struct {
	field int
	elem  *codePlan
}

// scanMost bounds how many elements of one list are looked at.
const scanMost = 1000

var codePlans sync.Map // reflect.Type to *codePlan

func planOf(t reflect.Type) *codePlan {
	if p, ok := codePlans.Load(t); ok {
		return p.(*codePlan)
	}
	p := &codePlan{code: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Name == "ErrorCode" && f.Type.Kind() == reflect.Int16:
			p.code = i
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			if below := planOf(f.Type.Elem()); below.code >= 0 || len(below.slices) > 0 {
				p.slices = append(p.slices, codeSlice{i, below})
			}
		}
	}
	codePlans.Store(t, p)
	return p
}

func (p *codePlan) first(v reflect.Value) protocol.Code {
	if p.code >= 0 {
		if c := protocol.Code(v.Field(p.code).Int()); c != protocol.None {
			return c
		}
	}
	for _, s := range p.slices {
		list := v.Field(s.field)
		for i := range min(list.Len(), scanMost) {
			if c := s.elem.first(list.Index(i)); c != protocol.None {
				return c
			}
		}
	}
	return protocol.None
}
