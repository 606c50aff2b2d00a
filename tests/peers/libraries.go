package peers

import (
	"context"
	"path/filepath"
)

// Library is a client library, in the version that tests use.
type Library struct {
	Name, Version string   // as its registry has them
	Beside        []string // packages that it uses where they are there
}

// Client libraries that more than one test package has programs for. Those in Go are in
// the go.mod of each program.
var (
	ConfluentKafka = Library{Name: "confluent-kafka", Version: "2.16.0"}
	KafkaPython    = Library{Name: "kafka-python", Version: "3.0.12", Beside: []string{"crc32c", "lz4", "python-snappy", "zstandard"}}
	AIOKafka       = Library{Name: "aiokafka", Version: "0.14.0", Beside: []string{"cramjam"}}
	KafkaJS        = Library{Name: "kafkajs", Version: "2.2.4"}
	Platformatic   = Library{Name: "@platformatic/kafka", Version: "1.35.0"}
)

// Versions of the Java client: the newest, the last of the line before, and one from
// before KRaft.
const (
	JavaNewest = "4.4.0"
	Java39     = "3.9.1"
	Java28     = "2.8.2"
)

// GoBuild builds the program of a folder as binary. The folder may be a module of its own:
// what only one client needs stays out of the broker's dependencies.
func GoBuild(ctx context.Context, folder, binary string) error {
	absolute, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	_, err = run(ctx, "", "go", "build", "-C", folder, "-o", absolute, ".")
	return err
}
