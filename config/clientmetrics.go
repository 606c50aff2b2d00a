package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/protocol"
)

var clientMetricsTable = NewTable(clientMetricsDefs())

// ClientMetrics returns the definitions of a client metrics subscription (KIP-714).
// Subscriptions are stored and shown; nothing is pushed, because the telemetry APIs are
// not served, as in a Kafka without a plugin for them.
func ClientMetrics() *Table { return clientMetricsTable }

func clientMetricsDefs() []Def {
	defs := []Def{
		def("interval.ms", Int, "300000", anything,
			"How often, in milliseconds, matching clients push their metrics: 100 to 3600000."),
		def("match", List, "", listOf(mayBeEmpty|mayRepeat),
			"Which clients push: selector=regular expression pairs that must all match; empty for all clients."),
		def("metrics", List, "", listOf(mayBeEmpty|mayRepeat),
			"Prefixes of the names of the metrics that clients push; empty for none, * for all."),
	}
	for i := range defs {
		defs[i].ReadOnly = false
	}
	return defs
}

// clientSelectors are what a match pattern may name.
var clientSelectors = []string{
	"client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address", "client_source_port",
}

// AlterClientMetrics applies ops to a subscription's set and validates the result, which
// is a new map. Errors are *protocol.Error: INVALID_REQUEST or INVALID_CONFIG. Kafka
// appends to none of these settings, although two of them are lists.
func AlterClientMetrics(current map[string]string, ops []Op) (map[string]string, error) {
	next, err := applyAll(&Table{}, current, ops, func(o Op) error {
		return protocol.Errorf(protocol.InvalidConfig, "Can't %s to key %s because its type is not LIST.", o.Kind, o.Name)
	})
	if err != nil {
		return nil, err
	}
	return next, CheckClientMetrics(next)
}

// CheckClientMetrics validates a subscription's whole set.
func CheckClientMetrics(set map[string]string) error {
	names := slices.Sorted(maps.Keys(set))
	for _, name := range names {
		if clientMetricsTable.Get(name) == nil {
			return protocol.Errorf(protocol.InvalidRequest, "Unknown client metrics configuration: %s", name)
		}
	}
	for _, name := range names {
		v, err := clientMetricsTable.Get(name).Parse(set[name])
		if err != nil {
			return protocol.Errorf(protocol.InvalidConfig, "%s", err)
		}
		switch {
		case name == "interval.ms" && (v.Int < 100 || v.Int > 3600000):
			return protocol.Errorf(protocol.InvalidRequest,
				"Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 hour)", v.Int)
		case name == "match":
			if err := checkMatch(v.List); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMatch validates match patterns. Kafka's engine is RE2 for Java, so that Go's
// takes the same expressions.
func checkMatch(patterns []string) error {
	for _, p := range patterns {
		selector, expr, ok := strings.Cut(p, "=")
		expr = strings.TrimSpace(expr)
		_, err := regexp.Compile(expr)
		if !ok || expr == "" || err != nil || strings.Contains(expr, "=") || !slices.Contains(clientSelectors, strings.TrimSpace(selector)) {
			return protocol.Errorf(protocol.InvalidConfig, "Illegal client matching pattern: %s", p)
		}
	}
	return nil
}

// DescribeClientMetrics shows a subscription's settings by name; keys limits them.
func DescribeClientMetrics(set map[string]string, keys []string) []Entry {
	return describeOver(clientMetricsTable, SourceClientMetrics, set, nil, keys)
}
