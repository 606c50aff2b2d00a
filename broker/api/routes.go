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

// Route is how the requests of one API key are answered: exactly one of the fields
// is set.
type Route struct {
	Handler Handler
	Framer  Framer
	// Streamer: the request is parsed as it arrives and answered when its last batch
	// is durable. Produce alone is.
	Streamer Streamer
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
	// Close ends it. What is in flight takes its course.
	Close()
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

// Add puts a route into the table. It panics on a key that the protocol table does
// not serve, and on one that is taken: both are mistakes of the assembly.
func (t *Routes) Add(key int16, r Route) {
	spec := protocol.Lookup(key)
	if spec == nil || !spec.Served || t.byKey[key] != nil {
		panic(fmt.Sprintf("api: key %d (%s) cannot be routed", key, protocol.Name(key)))
	}
	t.byKey[key] = &r
}

// Handle is Add for a plain handler.
func (t *Routes) Handle(key int16, h Handler) { t.Add(key, Route{Handler: h}) }

// Route returns the route of a key and version, or nil if this broker does not
// answer it.
func (t *Routes) Route(key, version int16) *Route {
	if key < 0 || int(key) >= len(t.byKey) || t.byKey[key] == nil {
		return nil
	}
	if spec := protocol.Lookup(key); version < spec.Min || version > spec.Max {
		return nil
	}
	return t.byKey[key]
}

// Specs returns the APIs in the table, by ascending key.
func (t *Routes) Specs() []protocol.Spec {
	var out []protocol.Spec
	for key, r := range t.byKey {
		if r != nil {
			out = append(out, *protocol.Lookup(int16(key)))
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
