package deploy

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

const root = "../.."

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

func compose(t *testing.T) Compose {
	t.Helper()
	var c Compose
	if err := ReadYAML(filepath.Join(root, "compose.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestComposeFitsTheTree(t *testing.T) {
	c := compose(t)
	stages, err := Stages(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"streamhouse", "s3", "postgres", "prometheus", "grafana"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("no service %s", name)
		}
	}
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build.Target == "") {
			t.Errorf("%s: neither an image nor a build, or both", name)
		}
		if s.Build.Target != "" && !slices.Contains(stages, s.Build.Target) {
			t.Errorf("%s: the Dockerfile has no stage %s", name, s.Build.Target)
		}
		for _, other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			_, named := c.Volumes[source]
			_, err := os.Stat(filepath.Join(root, source))
			if local := strings.HasPrefix(source, "./"); local && err != nil || !local && !named {
				t.Errorf("%s: there is no %s to mount", name, source)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, p)
			}
		}
	}
}

// TestBrokerTakesItsSettings runs the real binary with what compose.yaml gives it.
func TestBrokerTakesItsSettings(t *testing.T) {
	binary, err := peers.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	broker := compose(t).Services["streamhouse"]
	cmd := exec.CommandContext(t.Context(), binary, "server", "--print-config")
	cmd.Env = os.Environ()
	for name, value := range broker.Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"s3://streamhouse", "OUTSIDE"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("what is in force has no %q:\n%s", want, out)
		}
	}
	if secret := broker.Environment["STREAMHOUSE_S3_SECRET_KEY"]; secret == "" || strings.Contains(string(out), secret) {
		t.Error("the secret is missing, or shown")
	}
}

func TestProvisioningFits(t *testing.T) {
	c := compose(t)
	var prometheus struct {
		Scrape []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	var sources struct {
		Datasources []struct{ URL, UID string }
	}
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	for path, into := range map[string]any{
		"deploy/prometheus.yml":                                  &prometheus,
		"deploy/grafana/provisioning/datasources/prometheus.yml": &sources,
		"deploy/grafana/provisioning/dashboards/streamhouse.yml": &providers,
	} {
		if err := ReadYAML(filepath.Join(root, path), into); err != nil {
			t.Fatal(err)
		}
	}
	if len(prometheus.Scrape) != 2 || len(sources.Datasources) != 1 || len(providers.Providers) != 1 {
		t.Fatalf("read %+v, %+v, %+v", prometheus, sources, providers)
	}
	for _, s := range prometheus.Scrape {
		host, _, _ := strings.Cut(s.Static[0].Targets[0], ":")
		if _, ok := c.Services[host]; !ok {
			t.Errorf("Prometheus asks %s, which is no service", host)
		}
	}
	if url := sources.Datasources[0].URL; url != "http://prometheus:9090" {
		t.Errorf("Grafana asks %s", url)
	}
	path := providers.Providers[0].Options.Path
	if !slices.ContainsFunc(c.Services["grafana"].Volumes, func(v string) bool { return strings.Contains(v, ":"+path) }) {
		t.Errorf("Grafana looks for dashboards in %s, where nothing is mounted", path)
	}
}

var exposed = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`)

// TestDashboardShowsWhatThereIs compares the dashboard's metrics with those of a
// broker that has served a client.
func TestDashboardShowsWhatThereIs(t *testing.T) {
	panels, err := ReadDashboard(filepath.Join(root, "deploy/grafana/dashboards/streamhouse.json"))
	if err != nil {
		t.Fatal(err)
	}
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse})
	useOnce(t, b.Addr())
	have := metricsOf(t, b.HTTP())
	used := 0
	for _, p := range panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			names := Metrics(target.Expr)
			if len(names) == 0 {
				t.Errorf("panel %q: no metric in %s", p.Title, target.Expr)
			}
			for _, name := range names {
				used++
				if !have[name] {
					t.Errorf("panel %q: the broker has no metric %s", p.Title, name)
				}
			}
		}
	}
	if used < 40 {
		t.Errorf("only %d metrics were compared", used)
	}
}

// useOnce produces, consumes in a group and commits.
func useOnce(t *testing.T, addr string) {
	t.Helper()
	ctx := peers.Context(t, time.Minute)
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"),
		kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if f := c.PollFetches(ctx); f.Err() != nil || f.NumRecords() != 1 {
		t.Fatalf("%d records, %v", f.NumRecords(), f.Err())
	}
	if err := c.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
}

// metricsOf returns the names in the broker's metrics, with those of a histogram's
// series.
func metricsOf(t *testing.T, base string) map[string]bool {
	t.Helper()
	resp, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	have := map[string]bool{}
	for _, m := range exposed.FindAllStringSubmatch(string(body), -1) {
		have[m[1]] = true
		if m[2] == "histogram" {
			have[m[1]+"_bucket"], have[m[1]+"_sum"], have[m[1]+"_count"] = true, true, true
		}
	}
	return have
}
