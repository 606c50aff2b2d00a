package config

import (
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// The answers are those of Apache Kafka 4.4 to the same change of a fresh broker, but
// for log.cleaner.threads=0, where it says "/ by zero".
func TestCheckChange(t *testing.T) {
	const bad = "Invalid value org.apache.kafka.common.config.ConfigException: "
	now := NewBroker(1, nil)
	for _, c := range []struct{ set, want string }{
		{"num.io.threads=16", ""},
		{"num.io.threads=4", ""},
		{"num.io.threads=17", bad + "Dynamic thread count update validation failed for num.io.threads=17, value should not be greater than double the current value 8"},
		{"num.io.threads=3", bad + "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half the current value 8"},
		{"num.network.threads=1", ""},
		{"background.threads=4", bad + "Dynamic thread count update validation failed for background.threads=4, value should be at least half the current value 10"},
		{"log.cleaner.threads=2", ""},
		{"log.cleaner.threads=3", bad + "Log cleaner threads cannot be increased to more than double the current value 1"},
		{"log.cleaner.threads=0", bad + "Log cleaner threads should be at least 1"},
		{"max.connections=1", ""},
		{"max.connections=0", bad + "Invalid max.connections 0"},
		{"listener.name.plaintext.max.connections=1", ""},
		{"listener.name.plaintext.max.connections=0", bad + "Invalid max.connections 0"},
		{"listener.name.nowhere.max.connections=1", "Unknown broker config name: listener.name.nowhere.max.connections"},
		{"max.connection.creation.rate=0", bad + "Invalid max.connection.creation.rate 0"},
		{"metric.reporters=org.apache.kafka.common.metrics.JmxReporter", ""},
		{"metric.reporters=x.Y", bad + "Validation of dynamic config update of Set(metric.reporters) failed with class class kafka.server.DynamicMetricsReporters"},
		{"log.retention.ms=0", "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		{"log.retention.ms=-5", ""},
		{"log.roll.ms=0", "requirement failed: log.roll.ms must be greater than or equal to 1"},
		{"log.cleaner.dedupe.buffer.size=10", "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."},
		{"max.connections.per.ip=0", "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."},
		{"max.connections.per.ip=0 max.connections.per.ip.overrides=127.0.0.1:5", ""},
	} {
		set := map[string]string{}
		var changed []string
		for _, pair := range strings.Fields(c.set) {
			name, value, _ := strings.Cut(pair, "=")
			set[name] = value
			changed = append(changed, name)
		}
		if strings.HasPrefix(c.want, bad) {
			c.want += " for configuration Invalid dynamic configuration"
		}
		for _, next := range []*Broker{now.With(set, nil), now.With(nil, set)} {
			err := CheckChange(now, next, changed)
			refused, ok := err.(*protocol.Error)
			if c.want == "" && err != nil || c.want != "" && (!ok || refused.Code != protocol.InvalidRequest || refused.Message != c.want) {
				t.Errorf("%s: %v", c.set, err)
			}
		}
	}
	// A broker's own value hides what changes for all.
	own := map[string]string{"num.io.threads": "8"}
	if err := CheckChange(now.With(nil, own), now.With(map[string]string{"num.io.threads": "100"}, own), []string{"num.io.threads"}); err != nil {
		t.Error(err)
	}
}
