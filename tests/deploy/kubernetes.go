package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// Manifest is what the tests look at of a Kubernetes object, of whatever kind.
type Manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     ManifestSpec
}

// ManifestSpec has the fields of a Service, a PodDisruptionBudget and a StatefulSet.
type ManifestSpec struct {
	// Selector is a Service's; the others have matchLabels in it.
	Selector                 yaml.Node
	ClusterIP                string `yaml:"clusterIP"`
	PublishNotReadyAddresses bool   `yaml:"publishNotReadyAddresses"`
	Ports                    []struct {
		Name       string
		TargetPort string `yaml:"targetPort"`
		Port       int
	}
	MaxUnavailable       int    `yaml:"maxUnavailable"`
	ServiceName          string `yaml:"serviceName"`
	Replicas             int
	Template             Template
	VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
}

// Template is that of a StatefulSet's pods.
type Template struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		Grace           int `yaml:"terminationGracePeriodSeconds"`
		SecurityContext struct {
			RunAsUser int `yaml:"runAsUser"`
		} `yaml:"securityContext"`
		Containers []Container
	}
}

// Container is one of a pod's.
type Container struct {
	Args []string
	Env  []struct{ Name, Value string }

	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Startup      Probe `yaml:"startupProbe"`
	Liveness     Probe `yaml:"livenessProbe"`
	Readiness    Probe `yaml:"readinessProbe"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// Probe is one that asks by HTTP.
type Probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// ReadManifests reads a file of Kubernetes objects.
func ReadManifests(path string) ([]Manifest, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []Manifest
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var m Manifest
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, m)
	}
}
