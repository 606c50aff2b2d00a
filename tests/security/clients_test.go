package security

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// programMax bounds one run of a program on a loaded machine.
const programMax = 2 * time.Minute

// lines are what ten records hold.
func lines(by string) string {
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "%s-%d\n", by, i)
	}
	return b.String()
}

// kcatTen has kcat send ten records and read them again.
func kcatTen(t *testing.T, addr string, args ...string) {
	t.Helper()
	if err := peers.Programs(t.Context(), "kcat"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	topic := fmt.Sprintf("kcat-%d", time.Now().UnixNano())
	base := append([]string{"-b", addr, "-t", topic, "-p", "0"}, args...)
	if out, err := (peers.Command{Path: "kcat", Args: append([]string{"-P"}, base...)}).Run(ctx, lines("kcat")); err != nil {
		t.Errorf("kcat -P: %v\n%s", err, out)
		return
	}
	out, err := (peers.Command{Path: "kcat", Args: append([]string{"-C", "-e", "-q", "-o", "beginning"}, base...)}).Run(ctx, "")
	if err != nil || out != lines("kcat") {
		t.Errorf("kcat -C: %v\n%s", err, out)
	}
}

// javaTen has Kafka's console tools do the same.
func javaTen(t *testing.T, addr string, properties map[string]string) {
	t.Helper()
	out, err := javaSend(t, addr, properties)
	if err != nil {
		t.Errorf("kafka-console-producer: %v\n%s", err, out)
		return
	}
	java, config := javaTool(t, properties)
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	out, err = java.Command("org.apache.kafka.tools.consumer.ConsoleConsumer", 128, "--bootstrap-server", addr, "--topic", "java",
		"--from-beginning", "--max-messages", "10", "--timeout-ms", "60000", "--command-config", config).Run(ctx, "")
	if err != nil || !strings.Contains(out, lines("java")) {
		t.Errorf("kafka-console-consumer: %v\n%s", err, out)
	}
}

// javaSend is the first half of javaTen.
func javaSend(t *testing.T, addr string, properties map[string]string) (string, error) {
	t.Helper()
	java, config := javaTool(t, properties)
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	return java.Command("org.apache.kafka.tools.ConsoleProducer", 128, "--bootstrap-server", addr, "--topic", "java",
		"--command-config", config).Run(ctx, lines("java"))
}

// javaTool is Kafka's tools and a file with properties for them.
func javaTool(t *testing.T, properties map[string]string) (peers.Java, string) {
	t.Helper()
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", name, strings.ReplaceAll(properties[name], "\n", "\\n"))
	}
	return java, file(t, t.TempDir(), "client.properties", []byte(text.String()))
}
