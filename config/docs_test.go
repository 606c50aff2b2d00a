package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md and docs/compatibility-settings.md anew")

// TestDocs holds the documents of the settings to the definitions. They are written
// with: go test ./config -update
func TestDocs(t *testing.T) {
	for path, text := range map[string]string{
		"../docs/configuration.md":          configurationDoc(),
		"../docs/compatibility-settings.md": compatibilityDoc(),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(text)) {
			t.Errorf("%s is not what the definitions say; run: go test ./config -update", path)
		}
	}
}

const configurationHead = `# Settings

This page is made from the definitions in ` + "`config`" + `; change them there and run ` + "`go test ./config -update`" + `.

A setting of the broker comes from, strongest first: a flag of ` + "`streamhouse server`" + ` (` + "`--set num.partitions=3`" + `), a variable
(` + "`STREAMHOUSE_NUM_PARTITIONS=3`" + `: capitals, and underscores for dots and dashes), the file of ` + "`--config`" + ` (YAML, flat
` + "`num.partitions: 3`" + ` or nested; or Kafka's own ` + "`server.properties`" + `, read as it is when the file is called ` + "`*.properties`" + `), its default.
Those marked *live* can also be changed while the broker runs, for all brokers or for one (` + "`kafka-configs --entity-type brokers`" + `); that goes
before all others. ` + "`--print-config`" + ` shows what is in force and where it comes from. An unknown name or a bad value stops the start, and all
faults are reported at once. Variables are treated more gently, since others write some of them: one without a value counts as
not given, those that Kubernetes makes of a Service called streamhouse and those of the command line (` + "`STREAMHOUSE_CLI_*`" + `) are passed by, and an unknown
one that is not near a setting's name is a warning.

Kafka's names mean here what they mean in Kafka. Kafka settings that change nothing here are accepted and shown, so that
existing files and scripts go on working: they are listed in [compatibility-settings.md](compatibility-settings.md).

Every name can be asked for with DescribeConfigs (` + "`kafka-configs --describe --all`" + `), with its value, source, synonyms and the text below.

## Listeners

` + "`listeners`" + ` names the addresses that the broker listens on, ` + "`advertised.listeners`" + ` those that clients are told:

    listeners: PLAINTEXT://:9092,INSIDE://10.0.0.5:9093
    advertised.listeners: PLAINTEXT://kafka.example.com:9092
    listener.security.protocol.map: PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT

A listener that is not advertised is told to clients as it listens. One on every address (an empty host or 0.0.0.0) is told
as ` + "`localhost`" + `: without any setting, clients on the same machine just work, and clients elsewhere need
` + "`advertised.listeners`" + `. Kafka would name the machine instead, which fails wherever that name does not resolve.
`

func configurationDoc() string {
	var b strings.Builder
	b.WriteString(configurationHead)
	section(&b, "StreamHouse's own settings", Server(), func(d *Def) bool { return true })
	section(&b, "Kafka's broker settings that act", Brokers(), func(d *Def) bool { return d.Effect == Acts })
	b.WriteString("\n## Topic settings\n\nSet with `kafka-topics --create --config` or `kafka-configs --entity-type topics`. " +
		"What a topic does not set it takes from the broker's setting in the column *else*.\n\n" +
		"| name | type | default | takes | else | effect | meaning |\n|---|---|---|---|---|---|---|\n")
	for _, d := range Topics().All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", d.Name, typeText(d), defaultText(d), escape(d.Valid.String()), synonymText(d), d.Effect, escape(d.Doc))
	}
	b.WriteString("\n## Group settings\n\nStored and shown; the group protocols that use them follow. Set with `kafka-configs --entity-type groups`.\n\n" +
		"| name | type | default | takes | else | meaning |\n|---|---|---|---|---|---|\n")
	for _, d := range Groups().All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d.Name, typeText(d), defaultText(d), escape(d.Valid.String()), synonymText(d), escape(d.Doc))
	}
	return b.String()
}

func section(b *strings.Builder, title string, t *Table, keep func(*Def) bool) {
	fmt.Fprintf(b, "\n## %s\n\n| name | type | default | takes | live | meaning |\n|---|---|---|---|---|---|\n", title)
	for _, d := range t.All() {
		if !keep(d) {
			continue
		}
		live := ""
		if !d.ReadOnly {
			live = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", d.Name, typeText(d), defaultText(d), escape(d.Valid.String()), live, escape(d.Doc))
	}
}

func compatibilityDoc() string {
	var b strings.Builder
	b.WriteString(compatibilityHead)
	for _, part := range []struct {
		title string
		table *Table
	}{{"Topics", Topics()}, {"Groups", Groups()}, {"Client metrics subscriptions", ClientMetrics()}, {"Brokers", Brokers()}} {
		fmt.Fprintf(&b, "\n## %s\n\n", part.title)
		if acting := actingNames(part.table); acting != "" {
			fmt.Fprintf(&b, "These act, as [configuration.md](configuration.md) says: %s.\n\n", acting)
		}
		b.WriteString("| name | effect | what it is | why it may be ignored |\n|---|---|---|---|\n")
		for _, d := range part.table.All() {
			if d.Effect != Acts {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Effect, escape(d.Doc), whyText(d))
			}
		}
	}
	b.WriteString(compatibilityTail)
	return b.String()
}

// actingNames lists the settings of a table that act.
func actingNames(t *Table) string {
	var names []string
	for _, d := range t.All() {
		if d.Effect == Acts {
			names = append(names, "`"+d.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}

func whyText(d *Def) string {
	if d.Effect == Refused {
		return "it may not: the start says so"
	}
	return whySafe(d.Name)
}

// TestSafe: whatever is accepted without effect says why that loses nothing.
func TestSafe(t *testing.T) {
	for _, table := range []*Table{Topics(), Groups(), ClientMetrics(), Brokers()} {
		for _, d := range table.All() {
			if (d.Effect == NoEffect || d.Effect == Later) && whySafe(d.Name) == "" {
				t.Errorf("%s: no reason", d.Name)
			}
		}
	}
}

const compatibilityHead = `# Kafka's settings, one by one

This page is made from the definitions in ` + "`config`" + `; change them there and run ` + "`go test ./config -update`" + `.

All settings of Kafka 4.4 are known, typed, validated and described with their defaults. Each of them acts, or is one of these:

- *stored, not acting yet*: the value is kept and shown, and the work that makes it act follows.
- *no effect*: it steers machinery that StreamHouse does not have.
- *refused*: it asks for something whose absence must not go unnoticed; a value other than the default stops the start.

The log says once when a topic sets one that does not act, and at the start when the broker is given one.
`

const compatibilityTail = `
## What is answered otherwise than by Kafka

| what | Kafka 4.4 | StreamHouse |
|---|---|---|
| an unknown name in a dynamic broker setting | stored and shown without a type | INVALID_REQUEST: it would be forgotten in silence |
| ` + "`listeners`, `listener.security.protocol.map`, `cordoned.log.dirs`, `config.providers`, `principal.builder.class`, `ssl.*`, `sasl.*`" + ` and ` + "`listener.name.*`" + ` while the broker runs | changed | INVALID_REQUEST, unless it is the default; ` + "`listener.name.NAME.max.connections`" + ` of a listener acts |
| ` + "`socket.send.buffer.bytes`, `socket.receive.buffer.bytes`" + ` by default | 102400 | -1: the kernel's own tuning |
| a replication factor above the number of brokers | INVALID_REPLICATION_FACTOR | accepted, unless ` + "`replication.factor.strict=true`" + ` |
| ` + "`__consumer_offsets`" + ` and its kin created by hand | with the broker's defaults | with what the coordinator needs, unless the request says otherwise |
`

func typeText(d *Def) string { return strings.ToLower(d.Type.String()) }

func defaultText(d *Def) string {
	switch {
	case d.Default == nil:
		return ""
	case *d.Default == "":
		return `""`
	default:
		return "`" + *d.Default + "`"
	}
}

func synonymText(d *Def) string {
	var names []string
	for _, s := range d.Synonyms {
		names = append(names, "`"+s.Name+"`")
	}
	return strings.Join(names, ", ")
}

func escape(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
