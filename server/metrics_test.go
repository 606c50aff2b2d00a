package server

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/server/series"
)

const metricsPage = "../docs/metrics.md"

// metric is a row of the page.
type metric struct{ name, kind, labels, help string }

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: ("(?:[^"\\]|\\.)*"), unit: "[^"]*", constLabels: \{[^}]*\}, variableLabels: \{([^}]*)\}`)

// metricsOf lists what a collector describes. kinds are those of families that have been
// gathered; of a vector without series the name tells.
func metricsOf(t *testing.T, descs []*prometheus.Desc, kinds map[string]string) (list []metric) {
	t.Helper()
	for _, d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("not understood: %s", d)
		}
		help, err := unquote(m[2])
		if err != nil {
			t.Fatal(err)
		}
		kind := kinds[m[1]]
		switch {
		case kind != "":
		case strings.HasSuffix(m[1], "_total"):
			kind = "counter"
		case strings.HasSuffix(m[1], "_seconds") && !strings.Contains(m[1], "lag") && !strings.HasSuffix(m[1], "_timestamp_seconds"):
			kind = "histogram"
		default:
			kind = "gauge"
		}
		list = append(list, metric{m[1], kind, strings.ReplaceAll(m[3], ",", ", "), help})
	}
	return list
}

func unquote(s string) (out string, err error) {
	_, err = fmt.Sscanf(s, "%q", &out)
	return out, err
}

// registered lists the metrics of a broker.
func (l *life) registered() []metric {
	l.t.Helper()
	kinds := map[string]string{}
	l.until("upkeep, which begins last, has registered what it counts", func() bool {
		families, err := l.registry.Gather()
		if err != nil {
			l.t.Fatal(err)
		}
		for _, f := range families {
			kinds[f.GetName()] = strings.ToLower(f.GetType().String())
		}
		return kinds["streamhouse_seal_seconds"] != ""
	})
	ch := make(chan *prometheus.Desc)
	go func() { l.registry.Describe(ch); close(ch) }()
	var descs []*prometheus.Desc
	for d := range ch {
		descs = append(descs, d)
	}
	return metricsOf(l.t, descs, kinds)
}

// TestMetricsPage: docs/metrics.md has every metric of a broker, and no other.
func TestMetricsPage(t *testing.T) {
	var all []metric
	for _, journal := range []string{"file", "object"} {
		l := begin(t, Seams{}, t.TempDir(), map[string]string{"journal": journal}).serving()
		all = append(all, l.registered()...)
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
	all = slices.DeleteFunc(all, func(m metric) bool {
		return strings.HasPrefix(m.name, "go_") || strings.HasPrefix(m.name, "process_")
	})
	order := func(a, b metric) int { return cmp.Compare(a.name, b.name) }
	slices.SortStableFunc(all, order)
	all = slices.CompactFunc(all, func(a, b metric) bool { return a.name == b.name })
	detail := metricsOf(t, series.Described(), nil)
	slices.SortFunc(detail, order)
	if len(all) < 60 || len(detail) < 25 {
		t.Fatalf("%d and %d metrics, which are not all", len(all), len(detail))
	}
	for _, m := range append(all, detail...) {
		if !strings.HasPrefix(m.name, "streamhouse_") && !strings.HasPrefix(m.name, "kafka_") || !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: %q: the name begins with the product, the help is a sentence", m.name, m.help)
		}
	}
	page := pageOf(all, detail)
	if *update {
		if err := os.WriteFile(metricsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(metricsPage); err != nil || string(text) != page {
		t.Errorf("docs/metrics.md is stale (%v): go test ./server -run MetricsPage -update", err)
	}
}

func pageOf(all, detail []metric) string {
	var b strings.Builder
	b.WriteString(`# Metrics

Made from what the broker registers (` + "`go test ./server -run MetricsPage -update`" + `). What is worth an alert, and what to do about it, is in
[operations.md](operations.md#metrics). Names are stable. Units are those that names end in: bytes, seconds; ` + "`_total`" + ` counts up from the start of the process.

## /metrics

Of the whole broker. Go's and the process's own (` + "`go_*`, `process_*`" + `) are there too.

`)
	rows(&b, all)
	b.WriteString(`
## /metrics/detail and /metrics/compat

Per topic, group and partition, counted when they are asked for: ` + "`/metrics/detail?by=topic,group,partition`" + ` (topic and group unless told otherwise), and with the names
that dashboards and alerts for kafka_exporter know ` + "`/metrics/compat?style=kafka_exporter`" + `. A scrape shows
` + "`metrics.series.max`" + ` series at most, in 10 s, two scrapes at a time.

`)
	rows(&b, detail)
	return b.String()
}

func rows(b *strings.Builder, list []metric) {
	b.WriteString("| name | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range list {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, strings.ReplaceAll(m.help, "|", "\\|"))
	}
}
