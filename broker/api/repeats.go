package api

import "github.com/streamhouse/streamhouse/protocol"

// repeatsMax is how often in all a request may name what it has named already.
const repeatsMax = 100

// Repeats watches the names of a request. Kafka answers each as often as it is named in
// the requests that this is for, and so do we for what a client may do by mistake. A name
// is a few bytes, though, and what is told of it can be megabytes: a request that names
// the same again and again is refused, which closes its connection. The zero value is
// ready.
type Repeats[K comparable] struct {
	seen  map[K]struct{}
	again int
}

// Name notes a name. The error is an INVALID_REQUEST.
func (r *Repeats[K]) Name(name K) error {
	if _, ok := r.seen[name]; ok {
		if r.again++; r.again > repeatsMax {
			return protocol.Errorf(protocol.InvalidRequest, "more than %d names are repeated in one request", repeatsMax)
		}
		return nil
	}
	if r.seen == nil {
		r.seen = make(map[K]struct{})
	}
	r.seen[name] = struct{}{}
	return nil
}
