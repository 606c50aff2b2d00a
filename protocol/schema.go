package protocol

import "maps"

// A schema describes the body of a request, so that Walk can move over it without
// decoding it. Versions outside an API's range are left out.
//
// size is what one value takes in kmsg's structs, in bytes, strings and arrays without
// what they point to.

// schemas are the request bodies of all APIs that are served, by API key.
var schemas = union(commonSchemas, txnSchemas, adminSchemas, aclSchemas, securitySchemas)

// union is all of the tables in one. An API belongs into one of them.
func union(tables ...map[int16]*layout) map[int16]*layout {
	out := make(map[int16]*layout)
	for _, t := range tables {
		maps.Copy(out, t)
	}
	return out
}

// op is what Walk does for a value.
type op uint8

const (
	opFixed    op = iota // n bytes
	opString             // int16 length, or compact
	opBytes              // int32 length, or compact
	opArray              // int32 count, or compact, of of
	opOptional           // an int8 says whether of follows: -1 is null
	opStruct             // of
)

// kind is the type of a field.
type kind struct {
	op       op
	nullable bool
	n        int // opFixed: bytes
	size     int // bytes in memory
	of       *layout
}

// field is a field of a layout in the versions from since to until.
type field struct {
	kind
	since, until int16
}

// layout is the order of the fields of a struct, and its tagged fields.
type layout struct {
	size   int // bytes in memory
	bare   bool
	fields []field
	tagged []taggedField
}

// taggedField is a tagged field that kmsg knows; others are carried along undecoded.
type taggedField struct {
	tag uint32
	kind
}

const latest = 1<<15 - 1

var (
	boolean = kind{op: opFixed, n: 1, size: 1}
	int8s   = kind{op: opFixed, n: 1, size: 1}
	int16s  = kind{op: opFixed, n: 2, size: 2}
	int32s  = kind{op: opFixed, n: 4, size: 4}
	int64s  = kind{op: opFixed, n: 8, size: 8}
	uuid    = kind{op: opFixed, n: 16, size: 16}
	str     = kind{op: opString, size: 16}
	blob    = kind{op: opBytes, size: 24}

	nullString = kind{op: opString, nullable: true, size: 8}
	nullBlob   = kind{op: opBytes, nullable: true, size: 24}
)

// all, since, until and between say in which versions there is a field.
func all(k kind) field { return field{kind: k, until: latest} }

func since(v int16, k kind) field { return field{kind: k, since: v, until: latest} }

func until(v int16, k kind) field { return field{kind: k, until: v} }

func between(v, w int16, k kind) field { return field{kind: k, since: v, until: w} }

// array is an array of structs.
func array(size uintptr, fields ...field) kind {
	return kind{op: opArray, size: 24, of: &layout{size: int(size), fields: fields}}
}

// arrayTagged is an array of structs with tagged fields that kmsg decodes.
func arrayTagged(size uintptr, tagged []taggedField, fields ...field) kind {
	k := array(size, fields...)
	k.of.tagged = tagged
	return k
}

// arrayOf is an array of primitives.
func arrayOf(k kind) kind {
	return kind{op: opArray, size: 24, of: &layout{size: k.size, bare: true, fields: []field{all(k)}}}
}

// orNull is k where null is allowed.
func orNull(k kind) kind {
	k.nullable = true
	return k
}

// object is a struct in a tagged field, optional one that may be absent.
func object(fields ...field) kind { return kind{op: opStruct, of: &layout{fields: fields}} }

func optional(size uintptr, fields ...field) kind {
	return kind{op: opOptional, size: 8, of: &layout{size: int(size), fields: fields}}
}
