package compat

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/config"
)

// allBrokerConfigs asks for every setting of the broker, as pages of brokers do. Shown is
// what both brokers have, and would have without the comparison's own configuration.
func allBrokerConfigs(synonyms, docs bool) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		return configsRequest{brokerConfigs(synonyms, docs)(w, lane)}
	}
}

type configsRequest struct{ kmsg.Request }

// ResponseKind implements kmsg.Request.
func (c configsRequest) ResponseKind() kmsg.Response {
	return &configsResponse{c.Request.ResponseKind().(*kmsg.DescribeConfigsResponse)}
}

type configsResponse struct{ *kmsg.DescribeConfigsResponse }

// ReadFrom implements kmsg.Response.
func (c *configsResponse) ReadFrom(b []byte) error {
	if err := c.DescribeConfigsResponse.ReadFrom(b); err != nil {
		return err
	}
	for i := range c.Resources {
		c.Resources[i].Configs = slices.DeleteFunc(c.Resources[i].Configs, func(r kmsg.DescribeConfigsResponseResourceConfig) bool {
			return config.Server().Get(r.Name) != nil || ownOfBroker(r.Name)
		})
	}
	return nil
}

// ownOfBroker says whether a setting is another in each broker that is compared: where it
// listens and keeps its data, what Kafka needs to run alone, and what can be changed
// while it runs though it has no meaning here (docs/compatibility-settings.md).
func ownOfBroker(name string) bool {
	switch name {
	case "listeners", "advertised.listeners", "listener.security.protocol.map", "controller.listener.names",
		"controller.quorum.voters", "log.dirs", "cordoned.log.dirs",
		"offsets.topic.replication.factor", "transaction.state.log.replication.factor",
		"share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr",
		"socket.send.buffer.bytes", "socket.receive.buffer.bytes", "principal.builder.class", "config.providers":
		return true
	}
	return strings.HasPrefix(name, "ssl.") || strings.HasPrefix(name, "sasl.")
}
