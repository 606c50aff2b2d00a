package catalog

import (
	"strings"

	"github.com/streamhouse/streamhouse/protocol"
)

// maxName is the longest name of a topic, in bytes.
const maxName = 249

// The broker's own topics.
const (
	OffsetsTopic      = "__consumer_offsets"
	TransactionsTopic = "__transaction_state"
	ShareTopic        = "__share_group_state"
)

// metadataTopic is Kafka's metadata log, which may not be made by hand.
const metadataTopic = "__cluster_metadata"

// IsInternal reports whether a name belongs to the broker's coordinators. Clients may
// read such a topic and may not produce to it.
func IsInternal(name string) bool {
	return name == OffsetsTopic || name == TransactionsTopic || name == ShareTopic
}

// CheckName returns nil or INVALID_TOPIC_EXCEPTION with Kafka's text.
func CheckName(name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == "." || name == "..":
		reason = "'" + name + "' is not allowed"
	case len(name) > maxName:
		reason = "the length of '" + name + "' is longer than the max allowed length 249"
	case !legal(name):
		reason = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return protocol.Errorf(protocol.InvalidTopicException, "Topic name is invalid: %s", reason)
}

func legal(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// unified is what colliding names have in common: Kafka's metrics cannot tell '.' from
// '_'.
func unified(name string) string { return strings.ReplaceAll(name, ".", "_") }

// collision returns INVALID_TOPIC_EXCEPTION if a topic exists whose name differs only
// in '.' and '_', and that is none of those beside. The caller has the turn.
func (c *Catalog) collision(name string, beside map[string]bool) error {
	first := ""
	for other := range c.colliding[unified(name)] {
		if other != name && !beside[other] && (first == "" || other < first) {
			first = other
		}
	}
	if first == "" {
		return nil
	}
	return protocol.Errorf(protocol.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, first)
}

// addName and removeName keep the names that can collide.
func (c *Catalog) addName(name string) {
	u := unified(name)
	if !strings.Contains(u, "_") {
		return
	}
	if c.colliding[u] == nil {
		c.colliding[u] = map[string]bool{}
	}
	c.colliding[u][name] = true
}

func (c *Catalog) removeName(name string) {
	u := unified(name)
	delete(c.colliding[u], name)
	if len(c.colliding[u]) == 0 {
		delete(c.colliding, u)
	}
}
