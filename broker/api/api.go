// Package api is what the handlers of requests share: the request, the route table, the
// ports to log, topics and transactions, and how errors become codes. The handlers are in
// the packages below, one file per API key:
//
//	produce        Produce
//	fetch          Fetch, ListOffsets, OffsetForLeaderEpoch
//	groups         classic groups, their offsets, FindCoordinator
//	transactional  producer ids and transactions
//	admin          topics, settings, and what is told about the cluster
//	routes         the table of them all
//
// There a request comes in, a domain call is made, a response goes out. Versions stop
// there; nothing below knows them. A file is headed by the versions served, what each of
// them changed, and what is deliberately not done. Handlers get a body that was walked and
// decoded already; Produce and Fetch have paths of their own, because records never pass
// through kmsg.
package api

import (
	"context"
	"net/netip"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/wire"
)

// ConnInfo is what handlers may know of the connection a request came over. One
// goroutine, the connection's reader, writes and reads it.
type ConnInfo struct {
	ID         uint64 // counts the connections of this process
	ClientHost string // as Kafka shows it: "/127.0.0.1"
	Listener   string // the listener's name, "PLAINTEXT"
	// Principal is who the client is: User:ANONYMOUS where it did not log in. It stays the
	// same for as long as the connection lives, once requests other than those of a login
	// are served.
	Principal auth.Principal
	// Address is the client's; not valid where the connection has none.
	Address netip.Addr
	// The client's name for itself, from ApiVersions v3 and later (KIP-511); empty
	// until then.
	SoftwareName    string
	SoftwareVersion string
	// Rights says what its client may do; nil: everything.
	Rights Rights
}

// Request is one decoded request.
type Request struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string
	ClientIDNull  bool // the header's client id was null and not ""
	Conn          *ConnInfo
	Body          kmsg.Request
	Present       context.Context // ends when the client leaves; see Waits
	Memory        Memory          // what the request takes, while it is at work
	// Bill counts what the answer takes until the client has it. Handlers whose answers are
	// larger than what asks for them add to it before they make each part.
	Bill wire.Bill

	denied map[asked]bool // what was written down
}

// Waits returns the context for what waits for others, and not for the broker: a long poll,
// a join, room in the log. It ends with ctx, and when the client is seen to have left.
// What changes something is not broken off by that, and keeps to ctx.
func (r *Request) Waits(ctx context.Context) context.Context {
	if r.Present == nil {
		return ctx
	}
	return r.Present
}

// Memory is the account of one request among those on their way in. A *wire.Input is one.
type Memory interface {
	// Reserve takes n bytes more, for what is made of the request. It waits until they
	// are free or ctx ends; an error closes the connection.
	Reserve(ctx context.Context, n int) error
	// Free gives back everything.
	Free()
}

// Free drops the body and what the request takes in memory. A handler calls it before it
// waits for other clients, once what it keeps is its own and counted elsewhere; all
// others keep their account until they have answered.
func (r *Request) Free() {
	r.Body = nil
	if r.Memory != nil {
		r.Memory.Free()
	}
}

// Reserve is Memory.Reserve.
func (r *Request) Reserve(ctx context.Context, n int) error {
	if r.Memory == nil {
		return nil
	}
	return r.Memory.Reserve(ctx, n)
}

// Handler answers one request. It may block, as Fetch and JoinGroup do, until ctx
// ends: a connection runs one handler at a time, and only Produce overlaps Produce.
// The body belongs to the handler, which may keep parts of it.
//
// An error closes the connection without an answer; everything that the protocol
// has a code for is answered in the response instead.
type Handler func(ctx context.Context, r *Request) (kmsg.Response, error)
