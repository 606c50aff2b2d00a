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
	ConfluentJS    = Library{Name: "@confluentinc/kafka-javascript", Version: "1.10.1"}
)

// Versions of the Java client: the newest, the last of the line before, and one from
// before KRaft.
const (
	JavaNewest = "4.4.0"
	Java39     = "3.9.1"
	Java28     = "2.8.2"
)

// NodeConfluent installs ConfluentJS as Node does. It takes a compiler, what librdkafka is
// made with, and minutes the first time: there is no binary of it for every machine.
func NodeConfluent(ctx context.Context) (dir string, err error) {
	if err := Programs(ctx, "g++", "make"); err != nil {
		return "", err
	}
	if err := Libraries(ctx, "zlib1g-dev", "libssl-dev", "libzstd-dev", "libcurl4-openssl-dev", "libsasl2-dev"); err != nil {
		return "", err
	}
	return Node(ctx, ConfluentJS, "CKJS_LINKING=dynamic")
}

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
