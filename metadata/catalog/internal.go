package catalog

import "github.com/streamhouse/streamhouse/config"

// internalSpec says how one of the broker's own topics is made. Sources: what Kafka
// 4.4 shows for its own.
func (c *Catalog) internalSpec(name string) Spec {
	b := c.Broker()
	prefix, set := internalConfigs(name, b)
	spec := Spec{
		Name:       name,
		Partitions: int32(b.Int(prefix + "num.partitions")),
		Replicas:   int16(b.Int(prefix + "replication.factor")),
		Configs:    map[string]*string{"segment.bytes": ptr(b.String(prefix + "segment.bytes"))},
	}
	// A coordinator must always get its topic: it never fails for want of brokers.
	if int(spec.Replicas) > c.o.Brokers {
		spec.Replicas = int16(c.o.Brokers)
	}
	for k, v := range set {
		spec.Configs[k] = ptr(v)
	}
	return spec
}

// internalConfigs returns the prefix of the broker settings of an internal topic, and
// its settings.
func internalConfigs(name string, b *config.Broker) (prefix string, set map[string]string) {
	switch name {
	case OffsetsTopic:
		return "offsets.topic.", map[string]string{
			"cleanup.policy": "compact", "compression.type": "producer",
		}
	case TransactionsTopic:
		return "transaction.state.log.", map[string]string{
			"cleanup.policy": "compact", "compression.type": "uncompressed",
			"unclean.leader.election.enable": "false",
			"min.insync.replicas":            b.String("transaction.state.log.min.isr"),
		}
	case ShareTopic:
		return "share.coordinator.state.topic.", map[string]string{
			"cleanup.policy": "delete", "compression.type": "producer", "retention.ms": "-1",
		}
	}
	panic("catalog: not an internal topic: " + name)
}

func ptr[T any](v T) *T { return &v }
