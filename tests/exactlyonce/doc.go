// Package exactlyonce runs real programs in transactions while they and the broker are
// killed, and looks at what is there in the end: nothing lost, nothing twice, nothing
// aborted, everything in order.
package exactlyonce
