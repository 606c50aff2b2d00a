package api

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/protocol"
)

// Framer answers one decoded request with a frame that it encodes itself. Fetch is
// one, since record data does not pass through kmsg. The code is the first error in
// the answer, for the metrics.
type Framer func(ctx context.Context, r *Request) (*wire.Frame, protocol.Code, error)

// Route is a row of the table: how the requests of one API key are answered, and what
// holds for all of them.
type Route struct {
	Key int16
	// Exactly one of these is set.
	Handler Handler
	Framer  Framer
	// Streamer: the request is parsed as it arrives and answered when its last batch
	// is durable. Produce alone is.
	Streamer Streamer

	Policy
	// Spec has the versions. Routes.Add fills it in.
	Spec *protocol.Spec
}

// Answer is the one place between a decoded request and its handler: what is asked of
// every request, of whatever API, is asked here. The code is the first error in the
// answer, for the metrics. An error closes the connection.
//
// Produce is not decoded and does not come by: its Streamer asks as it parses.
func (t *Route) Answer(ctx context.Context, r *Request) (*wire.Frame, protocol.Code, error) {
	if t.Framer != nil {
		return t.Framer(ctx, r)
	}
	resp, err := t.Handler(ctx, r)
	if err != nil {
		return nil, protocol.None, err
	}
	return Encode(r, resp), FirstError(resp), nil
}

// Streamer answers requests that are parsed as they arrive.
type Streamer interface {
	// Open begins on a connection whose answers go to out.
	Open(out *wire.Outbox, conn *ConnInfo) Stream
}

// Stream is a Streamer on one connection. Its methods run on the connection's reader.
type Stream interface {
	// Serve reads one request from in, and pushes its answer, which may settle later.
	// An error closes the connection.
	Serve(ctx context.Context, r *Request, in *wire.Input, start time.Time, meter Meter) error
}

// Routes is the table of what this broker answers: what is not in it does not exist
// for clients, because ApiVersions answers from it and a connection is closed on a
// key that it lacks. It is filled before the broker starts and only read afterwards.
type Routes struct {
	byKey [128]*Route
	left  []func(*ConnInfo)
}

// OnLeave has fn told of each connection that ends, by its reader.
func (t *Routes) OnLeave(fn func(*ConnInfo)) { t.left = append(t.left, fn) }

// Left says that a connection ended.
func (t *Routes) Left(c *ConnInfo) {
	for _, fn := range t.left {
		fn(c)
	}
}

// Add puts a row into the table. It panics on a key that the protocol table does not
// serve, on one that is taken, and on a row that is not complete: all are mistakes of the
// assembly.
func (t *Routes) Add(r Route) {
	r.Spec = protocol.Lookup(r.Key)
	if r.Spec == nil || !r.Spec.Served || t.byKey[r.Key] != nil {
		panic(fmt.Sprintf("api: key %d (%s) cannot be routed", r.Key, protocol.Name(r.Key)))
	}
	if lacking := r.faults(); len(lacking) > 0 {
		panic(fmt.Sprintf("api: the row of %s lacks %v", r.Spec.Name, lacking))
	}
	t.byKey[r.Key] = &r
}

// Route returns the row of a key and version, or nil if this broker does not answer it.
func (t *Routes) Route(key, version int16) *Route {
	if key < 0 || int(key) >= len(t.byKey) || t.byKey[key] == nil {
		return nil
	}
	if r := t.byKey[key]; version >= r.Spec.Min && version <= r.Spec.Max {
		return r
	}
	return nil
}

// Specs returns the APIs in the table, by ascending key.
func (t *Routes) Specs() []protocol.Spec {
	var out []protocol.Spec
	for _, r := range t.byKey {
		if r != nil {
			out = append(out, *r.Spec)
		}
	}
	return out
}

// Begin starts the answer to a request: length and response header.
func Begin(r *Request) *wire.Frame {
	f := wire.NewFrame()
	f.Meta = append(f.Meta, byte(r.CorrelationID>>24), byte(r.CorrelationID>>16), byte(r.CorrelationID>>8), byte(r.CorrelationID))
	if protocol.ResponseHeaderVersion(r.Key, r.Version) >= 1 {
		f.Meta = append(f.Meta, 0) // no tagged fields
	}
	return f
}

// Encode makes the frame of a response.
func Encode(r *Request, resp kmsg.Response) *wire.Frame {
	resp.SetVersion(r.Version)
	f := Begin(r)
	f.Meta = resp.AppendTo(f.Meta)
	return f.Finish()
}
