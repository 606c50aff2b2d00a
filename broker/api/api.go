// Package api is what the handlers of requests share: the request, the route table, the
// ports to log, topics and transactions, and how errors become codes. The handlers are in
// the packages below, one file per API key:
//
//	produce        Produce
//	fetch          Fetch, ListOffsets, OffsetForLeaderEpoch
//	groups         classic groups, their offsets, FindCoordinator
//	transactional  producer ids and transactions
//	admin          topics, settings, and what is told about the cluster
//
// There a request comes in, a domain call is made, a response goes out. Versions stop
// there; nothing below knows them. A file is headed by the versions served, what each of
// them changed, and what is deliberately not done. Handlers get a body that was walked and
// decoded already; Produce and Fetch have paths of their own, because records never pass
// through kmsg.
package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConnInfo is what handlers may know of the connection a request came over. One
// goroutine, the connection's reader, writes and reads it.
type ConnInfo struct {
	ID         uint64 // counts the connections of this process
	ClientHost string // as Kafka shows it: "/127.0.0.1"
	Listener   string // the listener's name, "PLAINTEXT"
	// The client's name for itself, from ApiVersions v3 and later (KIP-511); empty
	// until then.
	SoftwareName    string
	SoftwareVersion string
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
}

// Handler answers one request. It may block, as Fetch and JoinGroup do, until ctx
// ends: a connection runs one handler at a time, and only Produce overlaps Produce.
// The body belongs to the handler, which may keep parts of it.
//
// An error closes the connection without an answer; everything that the protocol
// has a code for is answered in the response instead.
type Handler func(ctx context.Context, r *Request) (kmsg.Response, error)
