package protocol

import "fmt"

// Limits of a walk.
const (
	// maxTags bounds the tagged fields of one struct. Kafka's own requests have two.
	maxTags = 32
	// A body may take decodedBase + decodedRatio times its length when it is decoded. A
	// request of the smallest elements there are takes up to 50 times its length; real
	// ones take 2 to 7 times, and large ones (assignments, records) hardly more than
	// they are.
	decodedBase  = 32 << 20
	decodedRatio = 4
)

// Shape is what Walk found in a body.
type Shape struct {
	Size   int // bytes that the request takes; a body may be longer, as in Kafka
	Memory int // upper bound of what Unmarshal allocates for it, in bytes
}

// Walk checks a request body against its schema: every array element, string and tagged
// field that is claimed is there, and decoding them all takes bounded memory. It
// allocates nothing, while kmsg allocates an array as it is claimed, up to 152 times a
// body's length. The error is UNSUPPORTED_VERSION if the API or version is not served,
// else an INVALID_REQUEST.
func Walk(key, version int16, body []byte) (Shape, error) {
	if err := CheckVersion(key, version); err != nil {
		return Shape{}, err
	}
	w := walker{r: reader{b: body}, version: version, flexible: specs[key].flexible(version),
		limit: decodedBase + decodedRatio*len(body)}
	l := schemas[key]
	w.take(l.size)
	w.layout(l)
	if w.r.err != nil {
		return Shape{}, Errorf(InvalidRequest, "%s version %d: byte %d of %d: %v", Name(key), version, w.r.at, len(body), w.r.err)
	}
	return Shape{Size: w.r.at, Memory: w.memory}, nil
}

type walker struct {
	r        reader
	version  int16
	flexible bool
	memory   int // bytes that decoding takes so far
	limit    int
	// array, if set, is told where each array's count is (tests replace it).
	array func(from, to int)
}

func (w *walker) fail(format string, args ...any) {
	if w.r.err == nil {
		w.r.err = fmt.Errorf(format, args...)
	}
}

// take accounts for an allocation, with what the size classes of Go's allocator waste.
func (w *walker) take(n int) {
	if n == 0 {
		return
	}
	w.memory += n + n/4 + 16
	if w.memory > w.limit {
		w.fail("decoding takes more than %d bytes", w.limit)
	}
}

func (w *walker) layout(l *layout) {
	for i := range l.fields {
		f := &l.fields[i]
		if w.version < f.since || w.version > f.until {
			continue
		}
		w.value(&f.kind)
		if w.r.err != nil {
			return
		}
	}
	if w.flexible && !l.bare {
		w.tags(l.tagged)
	}
}

func (w *walker) value(k *kind) {
	switch k.op {
	case opFixed:
		w.r.skip(k.n)
	case opString:
		w.string(k)
	case opBytes:
		w.r.skip(max(w.length(k, false), 0)) // kmsg does not copy it
	case opArray:
		w.elements(k)
	case opStruct:
		w.layout(k.of)
	case opOptional:
		w.optional(k)
	}
}

// length reads a length or count: -1 for null. It is at most the bytes that are left,
// since nothing takes less than one.
func (w *walker) length(k *kind, short bool) int {
	var n int64
	switch {
	case w.flexible:
		n = int64(w.r.uvarint()) - 1
	case short:
		n = int64(w.r.int16())
	default:
		n = int64(w.r.int32())
	}
	switch {
	case w.r.err != nil:
		return 0
	case n < -1 || n == -1 && !k.nullable:
		w.fail("length %d", n)
		return 0
	case n > int64(w.r.left()):
		w.fail("length %d with %d bytes left", n, w.r.left())
		return 0
	}
	return int(n)
}

func (w *walker) string(k *kind) {
	n := w.length(k, true)
	if n > 1<<15-1 {
		w.fail("string of %d bytes", n)
		return
	}
	if n < 0 {
		return
	}
	w.r.skip(n)
	if k.size == nullString.size {
		w.take(16) // kmsg points to a string of its own
	}
	w.take(n)
}

func (w *walker) elements(k *kind) {
	from := w.r.at
	n := w.length(k, false)
	if w.array != nil && w.r.err == nil {
		w.array(from, w.r.at)
	}
	if n <= 0 {
		return
	}
	w.take(n * k.of.size)
	if f := &k.of.fields[0]; k.of.bare && f.op == opFixed {
		w.r.skip(n * f.n)
		return
	}
	for range n {
		if w.r.err != nil {
			return
		}
		w.layout(k.of)
	}
}

func (w *walker) optional(k *kind) {
	at := w.r.at
	w.r.skip(1)
	if w.r.err != nil {
		return
	}
	switch present := int8(w.r.b[at]); present {
	case -1:
	case 1:
		w.take(k.of.size)
		w.layout(k.of)
	default:
		w.fail("struct marked with %d", present)
	}
}

// tags walks the tagged fields at the end of a struct (KIP-482).
func (w *walker) tags(known []taggedField) {
	n := w.r.uvarint()
	if w.r.err != nil || n == 0 {
		return
	}
	if n > maxTags {
		w.fail("%d tagged fields", n)
		return
	}
	w.take(512) // kmsg keeps unknown ones in a map
	for range n {
		tag, size := w.r.uvarint(), w.r.uvarint()
		if w.r.err != nil {
			return
		}
		if int64(size) > int64(w.r.left()) {
			w.fail("tagged field of %d bytes with %d left", size, w.r.left())
			return
		}
		w.take(128)
		w.tag(known, tag, int(size))
	}
}

// tag walks the contents of one tagged field, which must lie within its size.
func (w *walker) tag(known []taggedField, tag uint32, size int) {
	end := w.r.at + size
	for i := range known {
		if known[i].tag != tag {
			continue
		}
		whole := w.r.b
		w.r.b = whole[:end]
		w.value(&known[i].kind)
		w.r.b = whole
	}
	if w.r.err == nil {
		w.r.at = end
	}
}
