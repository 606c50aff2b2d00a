package settings

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fromFile reads the file of --config: Kafka's form if it is called *.properties, else
// YAML.
func fromFile(path string) *source {
	s := newSource()
	text, err := os.ReadFile(path)
	switch {
	case err != nil:
		s.fault("config: %w", err)
	case strings.EqualFold(filepath.Ext(path), ".properties"):
		s.properties(path, string(text))
	default:
		s.yaml(path, text)
	}
	s.dataDir()
	return s
}

// yaml reads YAML. Names may be flat ("num.partitions: 3") or nested
// ("num: {partitions: 3}"), and a list is the same as its items with commas.
func (s *source) yaml(path string, text []byte) {
	var root, second yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		s.fault("config: %s: %w", path, err)
		return
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		s.fault("config: %s:%d: only one document is read; take the --- away", path, second.Line)
		return
	}
	if len(root.Content) > 0 {
		s.flatten(path, "", root.Content[0])
	}
}

// flatten collects the scalars below n under their dotted names.
func (s *source) flatten(path, prefix string, n *yaml.Node) {
	origin := Origin(path + ":" + strconv.Itoa(n.Line))
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if prefix != "" {
				name = prefix + "." + name
			}
			s.flatten(path, name, n.Content[i+1])
		}
	case yaml.SequenceNode:
		items := make([]string, 0, len(n.Content))
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				s.fault("%s (%s): a list holds plain values only", prefix, origin)
				return
			}
			items = append(items, c.Value)
		}
		s.put(prefix, strings.Join(items, ","), origin)
	case yaml.ScalarNode:
		switch {
		case prefix == "":
			s.fault("%s: settings are lines of the form name: value; a file of Kafka's, with name=value, has to be called *.properties", origin)
		case n.Tag != "!!null": // a name without a value keeps its default
			s.put(prefix, n.Value, origin)
		}
	default:
		s.fault("%s (%s): anchors and aliases are not read", prefix, origin)
	}
}
