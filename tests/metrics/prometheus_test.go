package metrics

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.yaml.in/yaml/v3"

	"github.com/streamhouse/streamhouse/tests/deploy"
	"github.com/streamhouse/streamhouse/tests/peers"
)

const deployed = "../../deploy"

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// rule is an alert of deploy/prometheus-rules.yml.
type rule struct {
	Alert  string
	Expr   string
	For    string            `yaml:"for,omitempty"`
	Labels map[string]string `yaml:",omitempty"`
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

// prometheus is a real one that scrapes brokers.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus runs deploy/prometheus.yml with other targets and a scrape a second, and
// the deployed rules with a shorter for and nothing else changed.
func startPrometheus(t *testing.T, rules ruleFile, targets ...string) *prometheus {
	t.Helper()
	ctx := peers.Context(t, 5*time.Minute)
	if err := peers.Programs(ctx, "prometheus", "promtool"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "config", filepath.Join(deployed, "prometheus.yml")}, {"check", "rules", filepath.Join(deployed, "prometheus-rules.yml")},
	} {
		if out, err := (peers.Command{Path: "promtool", Args: args}).Run(ctx, ""); err != nil {
			t.Fatalf("promtool %v: %v\n%s", args, err, out)
		}
	}
	dir := peers.Folder(t)
	var config map[string]any
	if err := deploy.ReadYAML(filepath.Join(deployed, "prometheus.yml"), &config); err != nil {
		t.Fatal(err)
	}
	config["global"] = map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"}
	for _, job := range config["scrape_configs"].([]any) {
		j := job.(map[string]any)
		delete(j, "scrape_interval")
		delete(j, "scrape_timeout")
		j["static_configs"] = []any{map[string]any{"targets": targets}}
	}
	for g := range rules.Groups {
		for i := range rules.Groups[g].Rules {
			rules.Groups[g].Rules[i].For = "2s"
		}
	}
	for name, content := range map[string]any{"prometheus.yml": config, "prometheus-rules.yml": map[string]any{"groups": groupsOf(rules)}} {
		text, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "prometheus.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	process, err := peers.Command{Path: "prometheus", Args: []string{
		"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
	}}.Start(nil, log, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Kill() })
	p := &prometheus{t, "http://" + address}
	p.until("Prometheus is ready", time.Minute, func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

func groupsOf(f ruleFile) []any {
	var out []any
	for _, g := range f.Groups {
		var rules []any
		for _, r := range g.Rules {
			rules = append(rules, map[string]any{"alert": r.Alert, "expr": r.Expr, "for": r.For, "labels": r.Labels})
		}
		out = append(out, map[string]any{"name": g.Name, "rules": rules})
	}
	return out
}

func (p *prometheus) until(what string, bound time.Duration, done func() bool) {
	p.t.Helper()
	for end := time.Now().Add(bound); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

func (p *prometheus) get(path string, into any) {
	p.t.Helper()
	_, text := get(peers.Context(p.t, time.Minute), p.t, p.url+path)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		p.t.Fatalf("%s: %v: %s", path, err, text)
	}
}

// series says how many series an expression gives.
func (p *prometheus) series(expr string) int {
	p.t.Helper()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if answer.Status != "success" {
		p.t.Fatalf("%s: %s", expr, answer.Error)
	}
	return len(answer.Data.Result)
}

// firing lists the alerts that fire, once each.
func (p *prometheus) firing() []string {
	p.t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	p.get("/api/v1/alerts", &answer)
	var names []string
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" && !slices.Contains(names, a.Labels["alertname"]) {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return names
}

// unseen are the metrics that have no series before something has gone wrong.
var unseen = regexp.MustCompile(`streamhouse_(bucket_requests_total\{outcome!~|upkeep_failures_total|connections_refused_total)`)

// TestPrometheus: a real one gets a series for every query of the dashboards and the alerts;
// no alert fires while all is well, and those that can be brought about here do.
func TestPrometheus(t *testing.T) {
	var rules ruleFile
	if err := deploy.ReadYAML(filepath.Join(deployed, "prometheus-rules.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var alerts []rule
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts = append(alerts, r)
			if !strings.Contains(string(operations), "**"+r.Alert+"**") {
				t.Errorf("docs/operations.md has no paragraph on %s", r.Alert)
			}
		}
	}
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Settings: map[string]string{
		"max.connections.per.ip": "30", "seal.max.age.ms": "2000",
	}})
	p := startPrometheus(t, rules, strings.TrimPrefix(b.HTTP(), "http://"))
	work := newWork(t, b)

	var exprs []string
	boards, err := filepath.Glob(filepath.Join(deployed, "grafana/dashboards/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, board := range boards {
		panels, err := deploy.ReadDashboard(board)
		if err != nil {
			t.Fatal(err)
		}
		for _, panel := range panels {
			for _, target := range panel.Targets {
				exprs = append(exprs, strings.ReplaceAll(target.Expr, "$__rate_interval", "10s"))
			}
		}
	}
	compared := regexp.MustCompile(` (==|<|>) [^<>=]*$`)
	for _, r := range alerts {
		if !unseen.MatchString(r.Expr) {
			exprs = append(exprs, compared.ReplaceAllString(r.Expr, ""))
		}
	}
	if len(boards) < 3 || len(alerts) < 14 || len(exprs) < 60 {
		t.Fatalf("%d dashboards, %d alerts, %d queries", len(boards), len(alerts), len(exprs))
	}
	for end := time.Now().Add(90 * time.Second); len(exprs) > 0; {
		if time.Now().After(end) {
			t.Fatalf("no series:\n%s", strings.Join(exprs, "\n"))
		}
		work.turn()
		exprs = slices.DeleteFunc(exprs, func(e string) bool { return p.series(e) > 0 })
	}
	if names := p.firing(); len(names) > 0 {
		t.Fatalf("a healthy broker, and %v fire", names)
	}

	work.fallBehind()
	var held []net.Conn
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	fires := func(alert string, act func()) {
		t.Helper()
		p.until(alert+" fires", time.Minute, func() bool {
			act()
			return slices.Contains(p.firing(), alert)
		})
	}
	fires("StreamHouseGroupBehind", func() {})
	fires("StreamHouseConnectionsRefused", func() {
		if c, err := net.DialTimeout("tcp", b.Addr(), time.Second); err == nil {
			held = append(held, c)
		}
	})
	for _, c := range held {
		_ = c.Close()
	}
	held = nil
	// The bucket's folder is gone: what is sealed now fails.
	bucket := filepath.Join(b.Data(), "bucket")
	if err := os.Rename(bucket, bucket+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bucket, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fires("StreamHouseUpkeepFailing", work.turn)
	fires("StreamHouseBucketFailing", work.turn)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	fires("StreamHouseDown", func() {})
}

// work is a client that uses everything that is counted.
type work struct {
	t     *testing.T
	cl    *kgo.Client
	txn   *kgo.Client
	admin *kadm.Client
	turns int64
}

func newWork(t *testing.T, b *peers.Broker) *work {
	t.Helper()
	w := &work{t: t}
	var err error
	if w.cl, err = kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("work")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cl.Close)
	if w.txn, err = kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("work"), kgo.TransactionalID("work")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.txn.Close)
	w.admin = kadm.NewClient(w.cl)
	if _, err := w.admin.CreateTopic(peers.Context(t, time.Minute), 1, 1, nil, "work"); err != nil {
		t.Fatal(err)
	}
	return w
}

// turn produces, with and without a transaction, fetches and commits all. Errors are the
// broker's, which may be unwell on purpose.
func (w *work) turn() {
	ctx := peers.Context(w.t, 20*time.Second)
	w.turns++
	_ = w.cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("record ", w.turns))).FirstErr()
	if err := w.txn.BeginTransaction(); err == nil {
		_ = w.txn.ProduceSync(ctx, kgo.StringRecord("in a transaction")).FirstErr()
		_ = w.txn.EndTransaction(ctx, kgo.TransactionEndTry(w.turns%2 == 0))
	}
	_, _ = w.admin.ListEndOffsets(ctx, "nowhere") // an error for a client
	if ends, err := w.admin.ListEndOffsets(ctx, "work"); err == nil {
		_ = w.admin.CommitAllOffsets(ctx, "worker", ends.Offsets())
	}
}

// fallBehind leaves a record of an hour ago to the group.
func (w *work) fallBehind() {
	w.t.Helper()
	ctx := peers.Context(w.t, time.Minute)
	r := &kgo.Record{Topic: "work", Value: []byte("old"), Timestamp: time.Now().Add(-time.Hour)}
	if err := w.cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	offsets := make(kadm.Offsets)
	offsets.AddOffset("work", 0, r.Offset, -1)
	if err := w.admin.CommitAllOffsets(ctx, "straggler", offsets); err != nil {
		w.t.Fatal(err)
	}
}
