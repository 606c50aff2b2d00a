package api

import (
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// Meter counts the requests of one API with the first error of their answers, and
// how long they took to their outcome.
type Meter interface {
	Observe(first protocol.Code, took time.Duration)
}
