package compat

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A transaction needs several APIs, whose versions belong together: what a client adds
// to its transaction by itself depends on the version in which it produces. In the
// suites of transactions a lane is therefore such a client, named by its version of
// Produce: up to firstVersionTwo it follows the first protocol of transactions
// (KIP-98), from there on the second (KIP-890).
const (
	firstClient     = 3
	firstVersionTwo = 12
	lastClient      = 13
)

// clientVersions are the versions of the clients firstClient to lastClient, by API key;
// those that are not listed are 0.
var clientVersions = map[int16][lastClient - firstClient + 1]int16{
	0:  {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
	1:  {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18},
	2:  {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11},
	8:  {2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 10},
	9:  {1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10},
	10: {0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6},
	11: {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, // without a second round
	14: {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
	15: {0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6},
	19: {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7},
	21: {0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2},
	22: {0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 5},
	24: {0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3}, // later ones are for brokers
	25: {0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4},
	26: {0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 5},
	27: {1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2},
	28: {0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 6},
	42: {0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2},
	66: {0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2},
}

// pinned is a request whose version is not that of its lane.
type pinned struct{ kmsg.Request }

// SetVersion implements kmsg.Request.
func (pinned) SetVersion(int16) {}

// byClient is a request at the version that the client of the lane has.
func byClient(request func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := request(w, lane)
		if lane >= firstClient {
			req.SetVersion(clientVersions[req.Key()][lane-firstClient])
		}
		return pinned{req}
	}
}

// each client sends a request and retries what clients retry.
func client(name string, request func(*world, int16) kmsg.Request) testCase {
	return testCase{name: name, from: firstClient, to: lastClient, request: byClient(request), until: settled}
}

// settled says that a coordinator is not busy with the end of a transaction, for which
// clients of any version wait. Kafka writes markers behind its answer.
func settled(r kmsg.Response) bool {
	busy := false
	codes(reflect.ValueOf(r).Elem(), func(code int16) { busy = busy || code == 51 || code == 19 })
	return !busy
}

// one is a case of the first protocol.
func (c testCase) one() testCase { return c.in(firstClient, firstVersionTwo-1) }

// once takes the first answer.
func (c testCase) once() testCase {
	c.until = nil
	return c
}

// unanswered expects none, on a connection that is given up.
func (c testCase) unanswered() testCase {
	c.silent, c.on = true, c.name
	return c
}

// as remembers the producer that an answer names.
func (c testCase) as(name string) testCase {
	c.keep = func(w *world, lane int16, r kmsg.Response) {
		id, epoch := int64(-1), int16(-1)
		switch r := r.(type) {
		case *kmsg.InitProducerIDResponse:
			id, epoch = r.ProducerID, r.ProducerEpoch
		case *kmsg.EndTxnResponse:
			id, epoch = r.ProducerID, r.ProducerEpoch
		}
		if id >= 0 {
			w.values[each("ProducerID "+name, lane)], w.values[each("Epoch "+name, lane)] = id, int64(epoch)
		}
	}
	return c
}

// claim is who a request says that it comes from.
type claim struct {
	// id is the transactional id without its lane; "" and null are sent as they are.
	id string
	// producer is the name that a case kept one under, that of id if empty.
	producer string
	// ahead is added to its epoch.
	ahead int16
	// stranger sends a producer id that nobody was given.
	stranger bool
}

// The producer ids that no broker gives in these suites, and the epoch that they come
// with.
const (
	nobodysID    = 888_888
	strangersID  = 999_999
	nobodysEpoch = 1
)

func me(id string) claim { return claim{id: id} }

func (c claim) epoch(ahead int16) claim { c.ahead = ahead; return c }
func (c claim) from(producer string) claim {
	c.producer = producer
	return c
}
func (c claim) unknown() claim { c.stranger = true; return c }

// name is the transactional id in a lane.
func (c claim) name(lane int16) string {
	if c.id == "" || c.id == null {
		return c.id
	}
	return each(c.id, lane)
}

// of is the producer behind a claim.
func (c claim) of(w *world, lane int16) (id int64, epoch int16) {
	producer := c.producer
	if producer == "" {
		producer = c.id
	}
	id, ok := w.values[each("ProducerID "+producer, lane)]
	if !ok {
		return nobodysID, nobodysEpoch + c.ahead
	}
	if c.stranger {
		id = strangersID
	}
	return id, int16(w.values[each("Epoch "+producer, lane)]) + c.ahead
}

// inLane makes a request about the lane's own topic or group.
func inLane(base string, request func(name string) func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request { return request(each(base, lane))(w, lane) }
}
