package group

import "strings"

// State is the state of a group.
type State int8

// The states, named and spelled as in Kafka's ListGroups.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

// States lists all states, for metrics and for filters.
var States = [...]State{Empty, PreparingRebalance, CompletingRebalance, Stable, Dead}

var stateNames = [...]string{
	Empty:               "Empty",
	PreparingRebalance:  "PreparingRebalance",
	CompletingRebalance: "CompletingRebalance",
	Stable:              "Stable",
	Dead:                "Dead",
}

// String returns Kafka's name of the state.
func (s State) String() string { return stateNames[s] }

// Is says whether name is the state's name, in any case and with blanks around it,
// as ListGroups v4 filters (KIP-518).
func (s State) Is(name string) bool {
	return strings.EqualFold(strings.TrimSpace(name), stateNames[s])
}

// sources are the states from which a state may be entered.
var sources = [...][]State{
	Empty:               {PreparingRebalance, Dead},
	PreparingRebalance:  {Stable, CompletingRebalance, Empty},
	CompletingRebalance: {PreparingRebalance},
	Stable:              {CompletingRebalance},
	Dead:                {Stable, PreparingRebalance, CompletingRebalance, Empty, Dead},
}

func (s State) reachableFrom(from State) bool {
	for _, f := range sources[s] {
		if f == from {
			return true
		}
	}
	return false
}
