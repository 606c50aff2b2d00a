package main

import (
	"fmt"
	"slices"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// side is one of those that are compared.
type side struct {
	name   string
	kind   peers.Kind
	binary string // of ours; "": built from this tree
}

// sidesOf says who is compared: this tree with Apache Kafka, alone, or with another
// binary of ours.
func sidesOf(oursOnly bool, against string) []side {
	ours := side{name: string(peers.StreamHouse), kind: peers.StreamHouse}
	switch {
	case against != "":
		ours.name = "new"
		return []side{ours, {name: "old", kind: peers.StreamHouse, binary: against}}
	case oursOnly:
		return []side{ours}
	}
	return []side{ours, {name: string(peers.Kafka), kind: peers.Kafka}}
}

// turn is the order of a round: each side goes first in turn.
func turn(sides []side, round int) []side {
	order := slices.Clone(sides)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// allowed is by which part a figure may be worse than that of an older binary; figures
// that are not here are not judged.
var allowed = map[metric]float64{
	throughput: 0.03, rate: 0.03, transactions: 0.03, userCPU: 0.03, p99: 0.10, turnP99: 0.10,
}

// moreIsBetter are the figures of which the larger is the better.
var moreIsBetter = map[metric]bool{throughput: true, rate: true, transactions: true}

// worse says by which part ours is worse than the other, below 0 if it is better, and
// whether that is more than is allowed.
func worse(m metric, ours, other float64) (by float64, exceeds bool) {
	bound, judged := allowed[m]
	if !judged || ours <= 0 || other <= 0 {
		return 0, false
	}
	if by = ours/other - 1; moreIsBetter[m] {
		by = other/ours - 1
	}
	return by, by > bound
}

// verdict lists what exceeded.
func verdict(exceeded []string) string {
	if len(exceeded) == 0 {
		return "nothing is worse by more than 3% (p99: 10%)"
	}
	text := "worse by more than 3% (p99: 10%):"
	for _, e := range exceeded {
		text += fmt.Sprintf("\n  %s", e)
	}
	return text
}
