package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// shorthand maps the short flags of `streamhouse server` to settings. --listen is
// host:port and becomes the one PLAINTEXT listener.
var shorthand = map[string]string{
	"data":    "data.dir",
	"http":    "http.listen",
	"bucket":  "bucket.url",
	"journal": "journal.kind",
	"listen":  "listeners",
}

// Usage is the text of `streamhouse server --help`.
const Usage = `usage: streamhouse server [--config FILE] [--data DIR] [--listen HOST:PORT] [--http HOST:PORT]
                          [--bucket URL] [--journal file|object] [--NAME VALUE ...] [--print-config]

  --config FILE         YAML file with settings by name
  --data DIR            folder of the broker's own data (./data)
  --listen HOST:PORT    where Kafka clients connect (:9092)
  --http HOST:PORT      health and metrics (localhost:8080)
  --bucket URL          file:///folder or s3://bucket/prefix?endpoint=http://host:port (a folder in the data folder)
  --journal KIND        file or object (file)
  --NAME VALUE          any setting by its name, for example --num.partitions 3
  --set NAME=VALUE      the same
  --print-config        show what is in force and where each value comes from, and exit

Every setting can also be an environment variable: num.partitions is STREAMHOUSE_NUM_PARTITIONS.
A flag goes before a variable, a variable before the file. docs/configuration.md lists all settings.
`

// ErrHelp is returned by Load for --help.
var ErrHelp = errors.New("help asked for")

// PrintConfig is the flag that shows the settings instead of starting.
const PrintConfig = "--print-config"

// parseFlags reads the command line. The file's name comes apart, since the file is
// read before the flags count. The error is ErrHelp only.
func parseFlags(args []string) (set map[string]value, file value, faults []error, err error) {
	set = make(map[string]value)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "-h" || arg == "--help" {
			return nil, file, nil, ErrHelp
		}
		if arg == PrintConfig {
			continue
		}
		name, raw, joined := strings.Cut(arg, "=")
		if !strings.HasPrefix(name, "--") || len(name) < 3 {
			faults = append(faults, fmt.Errorf("%s: not a flag; flags begin with two dashes", arg))
			continue
		}
		if !joined {
			if i+1 == len(args) {
				faults = append(faults, fmt.Errorf("%s: its value is missing", name))
				break
			}
			i++
			raw = args[i]
		}
		origin := Origin("flag " + name)
		name = name[2:]
		if name == "set" {
			var ok bool
			if name, raw, ok = strings.Cut(raw, "="); !ok {
				faults = append(faults, fmt.Errorf("--set %s: use --set name=value", name))
				continue
			}
			origin = Origin("flag --set")
		}
		if name == "config" {
			file = value{raw, origin}
			continue
		}
		if name == "listen" {
			raw = "PLAINTEXT://" + raw
		}
		if long, ok := shorthand[name]; ok {
			name = long
		}
		if old, ok := set[name]; ok && old.raw != raw {
			faults = append(faults, fmt.Errorf("%s: given twice, as %s and %s", name, old.origin, origin))
		}
		set[name] = value{raw, origin}
	}
	return set, file, faults, nil
}

// envPrefix begins the names of the variables that are settings.
const envPrefix = "STREAMHOUSE_"

// fromEnvironment reads the variables. A name with underscores can mean several
// settings with dots; the definitions decide, and none is invented.
func fromEnvironment(environ []string) (map[string]value, []error) {
	names := make(map[string]string)
	for _, d := range all() {
		names[envName(d.Name)] = d.Name
	}
	for short, long := range shorthand {
		names[envName(short)] = long
	}
	names[envName("config")] = "config"
	set := make(map[string]value)
	var faults []error
	for _, kv := range environ {
		key, raw, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(key, envPrefix) {
			continue
		}
		name, known := names[key]
		if !known {
			faults = append(faults, unknown(strings.ToLower(strings.ReplaceAll(key[len(envPrefix):], "_", ".")), Origin("variable "+key)))
			continue
		}
		if key == envName("listen") {
			raw = "PLAINTEXT://" + raw
		}
		if err := put(set, name, value{raw, Origin("variable " + key)}); err != nil {
			faults = append(faults, err)
		}
	}
	return set, faults
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// fromFile reads a YAML file. Names may be flat ("num.partitions: 3") or nested
// ("num: {partitions: 3}"), and a list is the same as its items with commas.
func fromFile(file value) (map[string]value, error) {
	text, err := readable(file.raw)
	if err != nil {
		return nil, err
	}
	var root, second yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config: %s: %w", file.raw, err)
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config: %s:%d: only one document is read; take the --- away", file.raw, second.Line)
	}
	set := make(map[string]value)
	if len(root.Content) == 0 {
		return set, nil
	}
	return set, flatten(file.raw, "", root.Content[0], set)
}

// flatten collects the scalars below n under their dotted names.
func flatten(path, prefix string, n *yaml.Node, set map[string]value) error {
	origin := Origin(path + ":" + strconv.Itoa(n.Line))
	switch n.Kind {
	case yaml.MappingNode:
		var faults []error
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if prefix != "" {
				name = prefix + "." + name
			}
			faults = append(faults, flatten(path, name, n.Content[i+1], set))
		}
		return errors.Join(faults...)
	case yaml.SequenceNode:
		items := make([]string, 0, len(n.Content))
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return fmt.Errorf("%s (%s): a list holds plain values only", prefix, origin)
			}
			items = append(items, c.Value)
		}
		return put(set, prefix, value{strings.Join(items, ","), origin})
	case yaml.ScalarNode:
		if prefix == "" {
			return fmt.Errorf("%s: settings are lines of the form name: value", origin)
		}
		if n.Tag == "!!null" {
			return nil // a name without a value keeps its default
		}
		if long, ok := shorthand[prefix]; ok && prefix != "listen" {
			prefix = long
		}
		return put(set, prefix, value{n.Value, origin})
	}
	return fmt.Errorf("%s (%s): anchors and aliases are not read", prefix, origin)
}

func put(set map[string]value, name string, v value) error {
	if old, ok := set[name]; ok {
		return fmt.Errorf("%s (%s): given already at %s", name, v.origin, old.origin)
	}
	set[name] = v
	return nil
}
