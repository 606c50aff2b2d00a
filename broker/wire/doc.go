// Package wire moves one connection's bytes: requests in (Input), answers out in
// the order of the requests (Outbox, Frame), and the memory both may take (Budget).
//
// It knows frames and nothing of what is in them. An idle connection costs two
// goroutines and two kilobytes here; memory is taken when bytes arrive, never
// because a length was declared.
package wire
