package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// inForce runs the real binary on some arguments and variables, and returns the settings
// it would start with. It may have nothing to say about them.
func inForce(t *testing.T, args, environ []string) map[string]string {
	t.Helper()
	binary, err := peers.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--print-config")...)
	cmd.Env = environ
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Fatalf("%v: %v\n%s", args, err, &said)
	}
	have := map[string]string{}
	for line := range strings.Lines(out.String()) {
		setting, _, _ := strings.Cut(line, "# ")
		if f := strings.Fields(setting); len(f) > 0 {
			have[f[0]] = strings.Join(f[1:], " ")
		}
	}
	if len(have) < 200 {
		t.Fatalf("%d settings are in force", len(have))
	}
	return have
}

// stopsWithin says whether a stop in order fits into the time that is given for it.
func stopsWithin(t *testing.T, have map[string]string, given time.Duration) {
	t.Helper()
	ms, err := strconv.Atoi(have["shutdown.timeout.ms"])
	if err != nil || given <= time.Duration(ms)*time.Millisecond {
		t.Errorf("%v for a stop that may take %d ms (%v)", given, ms, err)
	}
}

// kubernetes are the manifests by kind.
func kubernetes(t *testing.T) map[string][]Manifest {
	t.Helper()
	all, err := ReadManifests(filepath.Join(root, "deploy/kubernetes/streamhouse.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]Manifest{}
	for _, m := range all {
		by[m.Kind] = append(by[m.Kind], m)
	}
	if len(by["StatefulSet"]) != 1 || len(by["Service"]) != 2 || len(by["PodDisruptionBudget"]) != 1 {
		t.Fatalf("read %+v", by)
	}
	return by
}

// TestKubernetesFitsItself holds the manifests to one another.
func TestKubernetesFitsItself(t *testing.T) {
	by := kubernetes(t)
	set := by["StatefulSet"][0].Spec
	pod := set.Template.Spec
	broker := pod.Containers[0]
	labels := set.Template.Metadata.Labels
	ports := map[string]bool{}
	for _, p := range broker.Ports {
		ports[p.Name] = true
	}
	governed := false
	for _, s := range by["Service"] {
		var selector map[string]string
		if err := s.Spec.Selector.Decode(&selector); err != nil || len(selector) == 0 || !within(selector, labels) {
			t.Errorf("Service %s selects %v, pods have %v (%v)", s.Metadata.Name, selector, labels, err)
		}
		if !s.Spec.PublishNotReadyAddresses {
			t.Errorf("Service %s takes a broker away from readers that is half well", s.Metadata.Name)
		}
		for _, p := range s.Spec.Ports {
			if !ports[p.TargetPort] {
				t.Errorf("Service %s: the container has no port %s", s.Metadata.Name, p.TargetPort)
			}
		}
		governed = governed || s.Metadata.Name == set.ServiceName && s.Spec.ClusterIP == "None"
	}
	if !governed {
		t.Errorf("there is no Service %s without an address", set.ServiceName)
	}
	for _, m := range append(by["PodDisruptionBudget"], by["StatefulSet"]...) {
		var selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		if err := m.Spec.Selector.Decode(&selector); err != nil || len(selector.MatchLabels) == 0 || !within(selector.MatchLabels, labels) {
			t.Errorf("%s selects %v, pods have %v (%v)", m.Kind, selector, labels, err)
		}
	}
	if n := by["PodDisruptionBudget"][0].Spec.MaxUnavailable; n < 1 || set.Replicas != 1 {
		t.Errorf("%d of %d brokers may be away: no drain would ever end, or the broker is not one", n, set.Replicas)
	}
	docker, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil || !bytes.Contains(docker, fmt.Appendf(nil, "-u %d ", pod.SecurityContext.RunAsUser)) {
		t.Errorf("the image has no user %d (%v)", pod.SecurityContext.RunAsUser, err)
	}
}

func within(some, all map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

// TestKubernetesFitsTheSettings runs the real binary in the environment that the manifests
// make, with what Kubernetes adds for each Service.
func TestKubernetesFitsTheSettings(t *testing.T) {
	by := kubernetes(t)
	set := by["StatefulSet"][0].Spec
	broker := set.Template.Spec.Containers[0]
	known := strings.NewReplacer("$(NAMESPACE)", "events", "$(POD)", "streamhouse-0")
	var environ []string
	for _, e := range broker.Env {
		environ = append(environ, e.Name+"="+known.Replace(e.Value)) // secrets are optional: empty
	}
	for _, s := range by["Service"] {
		prefix := strings.ToUpper(strings.ReplaceAll(s.Metadata.Name, "-", "_"))
		environ = append(environ, prefix+"_SERVICE_HOST=10.0.0.7", prefix+"_SERVICE_PORT=9092", prefix+"_SERVICE_PORT_KAFKA=9092",
			prefix+"_PORT=tcp://10.0.0.7:9092", prefix+"_PORT_9092_TCP=tcp://10.0.0.7:9092", prefix+"_PORT_9092_TCP_ADDR=10.0.0.7")
	}
	have := inForce(t, broker.Args, environ)
	want := map[string]string{"advertised.listeners": "PLAINTEXT://streamhouse-0." + set.ServiceName + ".events.svc:9092"}
	for _, p := range broker.Ports {
		switch p.Name {
		case "kafka":
			want["listeners"] = fmt.Sprintf("PLAINTEXT://:%d", p.ContainerPort)
		case "http":
			want["http.listen"] = fmt.Sprintf(":%d", p.ContainerPort)
		}
	}
	for _, m := range broker.VolumeMounts {
		if m.Name == set.VolumeClaimTemplates[0].Metadata.Name {
			want["data.dir"] = m.MountPath
		}
	}
	if len(want) != 4 {
		t.Errorf("a port or the volume is missing: %v", want)
	}
	for name, value := range want {
		if have[name] != value {
			t.Errorf("%s is %q, want %q", name, have[name], value)
		}
	}
	stopsWithin(t, have, time.Duration(set.Template.Spec.Grace)*time.Second)
}

// TestProbesAnswer asks a running broker what the manifests and the image ask.
func TestProbesAnswer(t *testing.T) {
	c := kubernetes(t)["StatefulSet"][0].Spec.Template.Spec.Containers[0]
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse})
	for name, p := range map[string]Probe{"startup": c.Startup, "liveness": c.Liveness, "readiness": c.Readiness} {
		if p.HTTPGet.Port != "http" || p.HTTPGet.Path == "" {
			t.Errorf("%s asks %s%s", name, p.HTTPGet.Port, p.HTTPGet.Path)
			continue
		}
		resp, err := http.Get(b.HTTP() + p.HTTPGet.Path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s is answered %d", name, p.HTTPGet.Path, resp.StatusCode)
		}
	}
}

// TestUnitFitsTheSettings runs the real binary as the unit of systemd does, with the file
// beside it.
func TestUnitFitsTheSettings(t *testing.T) {
	u, err := ReadUnit(filepath.Join(root, "deploy/systemd/streamhouse.service"))
	if err != nil {
		t.Fatal(err)
	}
	command := strings.Fields(u.One("ExecStart"))
	if len(command) != 4 || command[2] != "--config" || filepath.Base(command[3]) != "streamhouse.yaml" {
		t.Fatalf("it runs %q", command)
	}
	command[3] = filepath.Join(root, "deploy/systemd", filepath.Base(command[3]))
	have := inForce(t, command[1:], u["Environment"])
	if want := "/var/lib/" + u.One("StateDirectory"); have["data.dir"] != want {
		t.Errorf("data goes to %s, the unit makes %s", have["data.dir"], want)
	}
	seconds, err := strconv.Atoi(u.One("TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	stopsWithin(t, have, time.Duration(seconds)*time.Second)

	binary, err := peers.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := exec.CommandContext(t.Context(), binary, "server", "--no.such=setting").Run(); !errors.As(err, &exit) ||
		u.One("RestartPreventExitStatus") != strconv.Itoa(exit.ExitCode()) {
		t.Errorf("settings that cannot be used end with %v, the unit gives up after %s", err, u.One("RestartPreventExitStatus"))
	}
}
