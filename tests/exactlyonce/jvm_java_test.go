package exactlyonce

import (
	"io"
	"os"
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

// jvm is a running Java program that ends when its standard input does.
type jvm struct {
	*peers.Process
	stdin *os.File
}

// startJVM runs a program; it is killed with the test at the latest.
func startJVM(t *testing.T, c peers.Command, out io.Writer) *jvm {
	t.Helper()
	in, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() // the program has its own
	process, err := c.Start(in, out, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
	})
	return &jvm{process, stdin}
}

// end closes the program's input and waits until it has ended by itself.
func (j *jvm) end(t *testing.T) {
	t.Helper()
	j.stdin.Close()
	select {
	case <-j.Done():
	case <-time.After(time.Minute):
		t.Fatal("a program did not end within a minute of its input's end")
	}
	if err := j.Err(); err != nil {
		t.Fatalf("a program ended with %v", err)
	}
}
