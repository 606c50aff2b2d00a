package guests

import (
	"fmt"
	"strings"
)

// Did is what a guest has done, in one load or in many.
type Did struct {
	Sent                        int // records acknowledged
	Committed, Aborted, Unknown int // transactions, by the answer to their end
	Copied                      int // records, in committed transactions
	Read                        int // records, by its readers
	Errors                      int // requests that the library answered with an error
	Dropped                     int // clients of the library that were replaced
	Killed                      int // programs that were killed in a transaction
	Overdue                     int // programs that were killed because they did not answer
}

// Add adds another.
func (d *Did) Add(o Did) {
	d.Sent += o.Sent
	d.Committed += o.Committed
	d.Aborted += o.Aborted
	d.Unknown += o.Unknown
	d.Copied += o.Copied
	d.Read += o.Read
	d.Errors += o.Errors
	d.Dropped += o.Dropped
	d.Killed += o.Killed
	d.Overdue += o.Overdue
}

func (d Did) String() string {
	return fmt.Sprintf("%5d sent %5d committed %4d aborted %3d unknown %6d copied %7d read %4d errors %4d dropped %3d killed %2d overdue",
		d.Sent, d.Committed, d.Aborted, d.Unknown, d.Copied, d.Read, d.Errors, d.Dropped, d.Killed, d.Overdue)
}

// missing says what a load lacks to have shown anything of a library.
func (d Did) missing(l *Library) string {
	var all []string
	need := func(what string, have, want int) {
		if have < want {
			all = append(all, fmt.Sprintf("%d of %d %s", have, want, what))
		}
	}
	need("records sent", d.Sent, 20)
	need("records read", d.Read, 100)
	if l.transactional() {
		need("transactions committed", d.Committed, 5)
		need("transactions aborted", d.Aborted, 2)
		need("records copied", d.Copied, 10)
	}
	return strings.Join(all, ", ")
}
