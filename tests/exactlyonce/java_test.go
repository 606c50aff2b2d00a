package exactlyonce

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// jars are compiled Java programs of this folder with the jars that they need.
type jars struct {
	peers.Java
	classes string
}

// compileJava compiles the programs of a folder below java against some jars.
func compileJava(t *testing.T, java peers.Java, folder string) jars {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join("java", folder, "*.java"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources in java/%s: %v", folder, err)
	}
	classes := peers.Folder(t)
	compile := peers.Command{Path: "javac", Args: append([]string{"-cp", java.ClassPath(), "-d", classes}, sources...)}
	if _, err := compile.Run(peers.Context(t, 2*time.Minute), ""); err != nil {
		t.Fatal(err)
	}
	return jars{java, classes}
}

// command is the command line that runs one of the programs.
func (j jars) command(class string, heapMiB int, args ...string) peers.Command {
	c := j.Command(class, heapMiB, args...)
	for i, a := range c.Args {
		if a == j.ClassPath() {
			c.Args[i] = j.classes + ":" + a
		}
	}
	return c
}

// javaClient has the Java client's program for TestFencing; TransactionalMessageCopier
// copies.
var javaClient = client{name: "java", version: "kafka-clients 4.4.0", build: func(t *testing.T) func(...string) peers.Command {
	t.Helper()
	java, err := peers.KafkaClients(t.Context(), "4.4.0")
	if err != nil {
		t.Fatal(err)
	}
	program := compileJava(t, java, "fence")
	return func(args ...string) peers.Command { return program.command("Fence", 128, args...) }
}}
