package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// Policy is what holds for all requests of an API, whatever is in them. A zero value in
// it is a column that was forgotten, and refused by Routes.Add.
type Policy struct {
	Opens Opens
	Waits Waits
	Quota Quota
	Audit Audit
	// Needs are the rights that a request needs, in the order in which they are asked
	// for; empty and not nil where it needs none.
	Needs []Need
}

// Opens says from when on a connection may send an API.
type Opens uint8

// A connection that has to authenticate itself may send nothing else before.
const (
	AfterLogin Opens = iota + 1
	BeforeLogin
)

// Waits says for what the answer waits at most.
type Waits uint8

// The kinds. Who waits for others holds a connection, and what it counts in, for as long
// as they like.
const (
	AtOnce     Waits = iota + 1 // what is in memory answers
	ForStorage                  // log, bucket or metadata store: this broker alone
	ForOthers                   // other clients, and a time that the client chose
)

// Quota is the class that an API counts in; each is counted in the time its requests
// take, too, but for QuotaExempt.
type Quota uint8

// The classes.
const (
	QuotaRequest  Quota = iota + 1 // request_percentage alone
	QuotaProduce                   // producer_byte_rate: the frame's bytes
	QuotaFetch                     // consumer_byte_rate: the answer's bytes
	QuotaMutation                  // controller_mutation_rate: partitions made and removed
	QuotaExempt                    // what brokers send one another
)

// Audit says which requests of an API leave a trace.
type Audit uint8

// The kinds.
const (
	AuditNothing Audit = iota + 1 // nobody can be denied it
	AuditDenials                  // whom it was denied
	AuditChanges                  // denials, and what an administrator changed, before it is answered
)

// Right is an operation on a resource.
type Right struct {
	On kmsg.ACLResourceType
	Op kmsg.ACLOperation
}

// Need is one thing to be allowed: any of the rights gives it.
type Need struct {
	// If says which requests need it, or what of a request; "" is all of them.
	If    string
	AnyOf []Right
	// Lack is what its lack is answered with. NONE: what may not be seen is left out.
	Lack protocol.Code
}

// faults names the columns that a row lacks.
func (p *Policy) faults() (lacking []string) {
	for column, missing := range map[string]bool{
		"Opens": p.Opens == 0, "Waits": p.Waits == 0, "Quota": p.Quota == 0, "Audit": p.Audit == 0, "Needs": p.Needs == nil,
	} {
		if missing {
			lacking = append(lacking, column)
		}
	}
	for i := range p.Needs {
		if len(p.Needs[i].AnyOf) == 0 {
			lacking = append(lacking, "AnyOf")
		}
	}
	return lacking
}
