package peers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// clusterID is any valid id: each test's broker is a cluster of its own.
const clusterID = "c3RyZWFtaG91c2V0ZXN0cw"

// configureKafka prepares one KRaft node that is broker and controller in one.
func (b *Broker) configureKafka(ctx context.Context, controllerPort int) error {
	server, err := KafkaServer(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(b.options.Dir, "server.properties")
	if err := os.WriteFile(config, []byte(b.kafkaProperties(controllerPort)), 0o644); err != nil {
		return err
	}
	heap := b.options.HeapMiB
	if heap == 0 {
		heap = 512
	}
	b.prepare = func(ctx context.Context) error {
		if _, err := os.Stat(filepath.Join(b.Data(), "meta.properties")); err == nil {
			return nil
		}
		_, err := server.Command("kafka.tools.StorageTool", 128, "format", "-t", clusterID, "-c", config).Run(ctx, "")
		return err
	}
	b.launch = func(context.Context) (Command, error) {
		return server.ServerCommand("kafka.Kafka", heap, config), nil
	}
	return nil
}

func (b *Broker) kafkaProperties(controllerPort int) string {
	advertised, protocols := b.listeners("")
	addresses, _ := b.listeners(fmt.Sprintf(",CONTROLLER://%s:%d", b.host, controllerPort))
	settings := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         fmt.Sprintf("1@%s:%d", b.host, controllerPort),
		"controller.listener.names":                        "CONTROLLER",
		"listeners":                                        addresses,
		"advertised.listeners":                             advertised,
		"listener.security.protocol.map":                   protocols + ",CONTROLLER:PLAINTEXT",
		"log.dirs":                                         b.Data(),
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
	}
	maps.Copy(settings, b.options.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s=%s\n", name, settings[name])
	}
	return text.String()
}
