package exactlyonce

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// compileJava compiles the programs of a folder below java against some jars.
func compileJava(t *testing.T, java peers.Java, folder string) peers.Java {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join("java", folder, "*.java"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources in java/%s: %v", folder, err)
	}
	compiled, err := java.Compile(peers.Context(t, 2*time.Minute), peers.Folder(t), sources...)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// javaClient has the Java client's program for TestFencing; TransactionalMessageCopier
// copies.
var javaClient = client{name: "java", version: "kafka-clients " + peers.JavaNewest, build: func(t *testing.T) func(...string) peers.Command {
	t.Helper()
	java, err := peers.KafkaClients(t.Context(), peers.JavaNewest)
	if err != nil {
		t.Fatal(err)
	}
	program := compileJava(t, java, "fence")
	return func(args ...string) peers.Command { return program.Command("Fence", 128, args...) }
}}
