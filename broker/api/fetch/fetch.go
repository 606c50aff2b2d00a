// Package fetch answers those who read partitions: Fetch with its sessions (KIP-227), and
// the APIs that tell where to read.
package fetch

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
)

// Fetch (key 1), versions 4 to 18.
//
//	 4  isolation level, aborted transactions
//	 5  the answer has the log start offset
//	 7  sessions (KIP-227)
//	 9  the client's leader epoch is checked (KIP-320)
//	10  zstd; older clients get it unchecked, as in Kafka
//	11  rack and preferred read replica (KIP-392)
//	12  flexible; last fetched epoch and diverging epoch (KIP-595)
//	13  topic ids instead of names (KIP-516)
//	15  the replica's id is a tagged field (KIP-903)
//	16  leader and endpoints on NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (KIP-951)
//	17, 18  replica fields that consumers do not set
//
// Batches are sent as stored, from memory or from the file they lie in.
//
// Not done: fetching as a follower, of which no partition has any; preferred read
// replicas, throttling.

// Handlers answers what readers of partitions ask: Fetch, ListOffsets and
// OffsetForLeaderEpoch.
type Handlers struct {
	Topics   api.Directory
	Log      api.Log
	Leaders  leaders.Leaders
	Sessions *Sessions
	MaxBytes int // fetch.max.bytes
	// MaxMemory is how much record data in memory answers may hold that clients have
	// not taken yet; above it answers get small.
	MaxMemory int64
	Now       func() time.Time

	held atomic.Int64
}

// Left says that a connection ended.
func (h *Handlers) Left(c *api.ConnInfo) { h.Sessions.left(c.ID) }

const (
	// shortAnswer and tinyAnswer are the limits of an answer when MaxMemory, or twice
	// as much, is held by slow clients.
	shortAnswer = 1 << 20
	tinyAnswer  = 64 << 10
	// gatherPause is how long a fetch that has some bytes, but not min_bytes, waits
	// before it looks again, lest each small append makes it read all anew.
	gatherPause = 5 * time.Millisecond
	// waitMax bounds max_wait. Who waits longer is answered with nothing and asks again.
	waitMax = time.Minute
)

// Fetch answers one request. It waits for min_bytes for up to max_wait, unless
// something that the client must know at once comes first, or there is no room among the
// partitions that are waited for.
func (h *Handlers) Fetch(ctx context.Context, r *api.Request) (*wire.Frame, protocol.Code, error) {
	req := r.Body.(*kmsg.FetchRequest)
	if !isolated(req.IsolationLevel) {
		return fetchUnread(r, req), protocol.InvalidRequest, nil
	}
	waits := r.Waits(ctx)
	if err := r.Reserve(waits, named(req)*partMemory); err != nil {
		return nil, 0, err
	}
	fc, code := h.Sessions.context(waits, req, r.Conn.ID, h.Now())
	if code != protocol.None {
		return fetchRefusal(r, code), code, nil
	}
	defer fc.end()
	f := &fetchRun{
		Handlers: h, set: fc.set, request: r, view: h.Leaders.View(),
		committed: req.IsolationLevel == 1, follower: follows(req),
		maxBytes: min(int(req.MaxBytes), h.limit()),
	}
	f.minBytes = min(int(req.MinBytes), max(f.maxBytes, 0))
	wait := min(time.Duration(req.MaxWaitMillis)*time.Millisecond, waitMax)
	if fc.counted {
		r.Free()
	} else {
		wait = 0
	}
	if r.Conn.Rights != nil {
		f.set.heatIfOther(rightsSeen{r.Conn.ID, r.Conn.Rights.Version()})
	}
	f.gather(waits, wait, fc.kept())
	frame, first := f.answer(fc)
	return frame, first, nil
}

// named is how many partitions a request names.
func named(req *kmsg.FetchRequest) (n int) {
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	return n
}

// follows says whether a request says that it comes from another broker.
func follows(req *kmsg.FetchRequest) bool {
	if req.Version >= 15 {
		return req.ReplicaState.ID >= 0
	}
	return req.ReplicaID >= 0
}

// isolated says whether there is such an isolation level.
func isolated(level int8) bool { return level == 0 || level == 1 }

// limit is the size of an answer that memory allows now.
func (h *Handlers) limit() int {
	switch held := h.held.Load(); {
	case held > 2*h.MaxMemory:
		return tinyAnswer
	case held > h.MaxMemory:
		return shortAnswer
	}
	return h.MaxBytes
}

// fetchRun is one request at work.
type fetchRun struct {
	*Handlers
	set       *fetchSet
	request   *api.Request
	view      leaders.View // of when the request came
	committed bool
	follower  bool
	maxBytes  int // negative ones are refused where there is something to read
	minBytes  int

	looked []*fetchPart // in the order of the first look

	// Of the last pass.
	bytes   int
	urgent  bool // something that ends the wait
	unknown int  // partitions that do not exist
}

// gather reads until there is enough to answer or the time is up. watch says that
// the set's watcher outlives the request.
func (f *fetchRun) gather(ctx context.Context, maxWait time.Duration, watch bool) {
	deadline := time.Now().Add(maxWait)
	if watch {
		f.set.watch()
	}
	for {
		f.set.wakeDirty()
		f.pass(ctx)
		if f.enough() || maxWait <= 0 {
			return
		}
		if !f.set.watching() {
			f.set.watch()
			f.set.heatAll()
			continue // what came before the watch is seen now
		}
		wait := time.Until(deadline)
		if wait <= 0 || !f.wait(ctx, wait) {
			return
		}
	}
}

// enough says whether the answer should go out.
func (f *fetchRun) enough() bool {
	return f.urgent || f.bytes >= f.minBytes || f.unknown == f.set.len()
}

// wait blocks until a partition advances; false when the time is up.
func (f *fetchRun) wait(ctx context.Context, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-f.set.watcher.Wake():
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
	if f.minBytes <= 1 {
		return true
	}
	pause := time.NewTimer(min(gatherPause, most))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	return true
}
