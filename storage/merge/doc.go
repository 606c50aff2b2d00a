// Package merge has the rules by which small slices are joined: which neighbours of a
// partition become one, when, and what shares an object.
//
// Everything here is a pure function of slices, limits and the time. storage/upkeep does
// the work.
package merge
