// Package deploy reads the files by which the broker is run beside its neighbours:
// compose.yaml, Dockerfile, the manifests for Kubernetes, the unit of systemd, and what
// Prometheus and Grafana are given. Its tests hold them to the tree, to the broker's
// settings and to the metrics of a running broker.
package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// Compose is what the tests look at of a compose file.
type Compose struct {
	Services map[string]Service
	Volumes  map[string]any
}

// Service is one of its services.
type Service struct {
	Image string
	Build struct {
		Context, Target string
	}
	Environment map[string]string
	Command     []string
	Volumes     []string
	Ports       []string
	DependsOn   []string `yaml:"depends_on"`
}

// ReadYAML decodes a YAML file.
func ReadYAML(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

var stage = regexp.MustCompile(`(?mi)^FROM\s+\S+\s+AS\s+(\S+)`)

// Stages returns the names of a Dockerfile's stages.
func Stages(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range stage.FindAllStringSubmatch(string(b), -1) {
		names = append(names, m[1])
	}
	return names, nil
}

// Panel is one panel of a Grafana dashboard.
type Panel struct {
	ID      int
	Type    string
	Title   string
	Targets []struct {
		Expr string
	}
}

// ReadDashboard returns a dashboard's panels.
func ReadDashboard(path string) ([]Panel, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var d struct{ Panels []Panel }
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d.Panels, nil
}

var metric = regexp.MustCompile(`\b(?:streamhouse|process|go)_[a-z0-9_]+`)

// Metrics returns the names of the metrics in an expression.
func Metrics(expr string) []string { return metric.FindAllString(expr, -1) }
