package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/protocol"
)

// threadCounts may at most be doubled or halved by one change. Kafka holds the rule for
// its threads; here it keeps the answers the same.
var threadCounts = []string{
	"background.threads", "num.io.threads", "num.network.threads", "num.recovery.threads.per.data.dir", "num.replica.fetchers",
	"remote.log.manager.copier.thread.pool.size", "remote.log.manager.expiration.thread.pool.size",
	"remote.log.manager.follower.thread.pool.size", "remote.log.reader.threads",
}

// CheckChange holds the rules over what a change while the broker runs leads to: some
// compare with the values of now, some are over several settings. changed has the names
// that the request is about. The error is a *protocol.Error of INVALID_REQUEST with
// Kafka's text.
func CheckChange(now, next *Broker, changed []string) error {
	for _, name := range slices.Sorted(slices.Values(changed)) {
		var why string
		listener := ListenerOf(name)
		if listener != "" && next.has(name) && !next.hasListener(listener) {
			return protocol.Errorf(protocol.InvalidRequest, "Unknown broker config name: %s", name)
		}
		switch {
		case listener != "" && next.has(name) && next.Int(name) <= 0:
			why = fmt.Sprintf("Invalid %s %d", listenerLimit, next.Int(name))
		case slices.Contains(threadCounts, name):
			why = checkThreads(now, next, name)
		case name == "log.cleaner.threads":
			why = checkCleanerThreads(now, next)
		case (name == "max.connections" || name == "max.connection.creation.rate") && next.Int(name) <= 0:
			why = fmt.Sprintf("Invalid %s %d", name, next.Int(name))
		case name == "metric.reporters" && next.String(name) != now.String(name):
			why = "Validation of dynamic config update of Set(metric.reporters) failed with class class kafka.server.DynamicMetricsReporters"
		}
		if why != "" {
			return protocol.Errorf(protocol.InvalidRequest,
				"Invalid value org.apache.kafka.common.config.ConfigException: %s for configuration Invalid dynamic configuration", why)
		}
	}
	for _, rule := range requirements {
		if rule.broken(next) {
			return protocol.Errorf(protocol.InvalidRequest, "requirement failed: %s", rule.text)
		}
	}
	return nil
}

func checkThreads(now, next *Broker, name string) string {
	from, to := now.Int(name), next.Int(name)
	limit := ""
	switch {
	case to < from/2:
		limit = fmt.Sprintf("be at least half the current value %d", from)
	case to > 2*from:
		limit = fmt.Sprintf("not be greater than double the current value %d", from)
	default:
		return ""
	}
	return fmt.Sprintf("Dynamic thread count update validation failed for %s=%d, value should %s", name, to, limit)
}

func checkCleanerThreads(now, next *Broker) string {
	from, to := now.Int("log.cleaner.threads"), next.Int("log.cleaner.threads")
	switch {
	case to < 1:
		return "Log cleaner threads should be at least 1"
	case to < from/2:
		return fmt.Sprintf("Log cleaner threads cannot be reduced to less than half the current value %d", from)
	case to > 2*from:
		return fmt.Sprintf("Log cleaner threads cannot be increased to more than double the current value %d", from)
	}
	return ""
}

// requirements are rules that a broker's settings must keep as a whole.
var requirements = []struct {
	text   string
	broken func(b *Broker) bool
}{
	{"log.retention.ms must be unlimited (-1) or, greater than or equal to 1", func(b *Broker) bool {
		v, ok := b.resolve(topicTable.Get("retention.ms").Synonyms)
		return ok && v.Int == 0
	}},
	{"log.roll.ms must be greater than or equal to 1", func(b *Broker) bool {
		v, ok := b.resolve(topicTable.Get("segment.ms").Synonyms)
		return ok && v.Int < 1
	}},
	{"log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.", func(b *Broker) bool {
		return b.Int("log.cleaner.dedupe.buffer.size")/max(b.Int("log.cleaner.threads"), 1) <= 1<<20
	}},
	{"max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.", func(b *Broker) bool {
		return b.Int("max.connections.per.ip") == 0 && b.String("max.connections.per.ip.overrides") == ""
	}},
}

// perListener are the security settings that Kafka changes for one listener at a time.
var perListener = []string{
	"ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.key", "ssl.keystore.certificate.chain",
	"ssl.key.password", "ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.certificates",
}

// perBroker are the settings of listeners and their security that Kafka lets change for
// one broker and not for all. Here none of them changes while the broker runs.
var perBroker = []string{
	"cordoned.log.dirs", "listener.security.protocol.map", "listeners", "principal.builder.class", "sasl.enabled.mechanisms",
	"sasl.jaas.config", "sasl.kerberos.kinit.cmd", "sasl.kerberos.min.time.before.relogin", "sasl.kerberos.principal.to.local.rules",
	"sasl.kerberos.service.name", "sasl.kerberos.ticket.renew.jitter", "sasl.kerberos.ticket.renew.window.factor",
	"sasl.login.refresh.buffer.seconds", "sasl.login.refresh.min.period.seconds", "sasl.login.refresh.window.factor",
	"sasl.login.refresh.window.jitter", "sasl.mechanism.inter.broker.protocol", "ssl.cipher.suites", "ssl.client.auth",
	"ssl.enabled.protocols", "ssl.endpoint.identification.algorithm", "ssl.engine.factory.class", "ssl.keymanager.algorithm",
	"ssl.protocol", "ssl.provider", "ssl.secure.random.implementation", "ssl.trustmanager.algorithm",
}

// asksNothing says whether a setting that is not built, and that Kafka can change while the
// broker runs, is only set to what it is by itself.
func asksNothing(d *Def, value string) bool {
	return (isPerBroker(d.Name) || d.Name == "config.providers") && d.Default != nil && value == *d.Default &&
		(d.Effect != Acts || strings.HasPrefix(d.Name, "ssl.") || strings.HasPrefix(d.Name, "sasl."))
}

func isPerBroker(name string) bool { return slices.Contains(perBroker, name) }

// checkListenerSettings refuses security settings that do not name a listener.
func checkListenerSettings(set map[string]string) error {
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if slices.Contains(perListener, name) {
			bad = append(bad, name)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return protocol.Errorf(protocol.InvalidRequest,
		"These security configs can be dynamically updated only per-listener using the listener prefix: [%s]", strings.Join(bad, ", "))
}
