package config

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// row is a line of testdata: what DescribeConfigs of a fresh Kafka 4.4.0 answers.
type row struct {
	name, typ, value, source, readOnly, sensitive, synonyms string
}

func kafka(t *testing.T, kind string) []row {
	t.Helper()
	f, err := os.Open("testdata/kafka-4.4-" + kind + ".tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []row
	for lines := bufio.NewScanner(f); lines.Scan(); {
		c := strings.Split(lines.Text(), "\t")
		if len(c) != 7 {
			t.Fatalf("%d columns: %q", len(c), lines.Text())
		}
		if c[0] != "name" {
			rows = append(rows, row{c[0], c[1], c[2], c[3], c[4], c[5], c[6]})
		}
	}
	return rows
}

// differs names the broker settings that are shown otherwise than by Kafka, and why.
var differs = map[string]string{
	"socket.send.buffer.bytes":       "the kernel's own tuning is the default",
	"socket.receive.buffer.bytes":    "the kernel's own tuning is the default",
	"listeners":                      "cannot change while the broker runs",
	"listener.security.protocol.map": "cannot change while the broker runs",
	"principal.builder.class":        "cannot change while the broker runs",
	"cordoned.log.dirs":              "cannot change while the broker runs",
	"config.providers":               "not built",
}

// refusedAnyway: security settings are read-only until they can change while the broker runs.
func refusedAnyway(d *Def) bool {
	return d.ReadOnly && (d.Effect == Refused || strings.HasPrefix(d.Name, "ssl.") || strings.HasPrefix(d.Name, "sasl."))
}

// setForThisRun marks what the broker that was asked had been given.
const setForThisRun = "(set for this run)"

func TestTopicsAsKafka(t *testing.T) {
	b := NewBroker(1, nil).With(map[string]string{"min.insync.replicas": "1"}, nil)
	compare(t, kafka(t, "topic"), DescribeTopic(nil, b, nil))
}

func TestGroupsAsKafka(t *testing.T) {
	compare(t, kafka(t, "group"), DescribeGroup(nil, NewBroker(1, nil), nil))
}

func TestBrokerAsKafka(t *testing.T) {
	static := map[string]string{}
	rows := kafka(t, "broker")
	for _, r := range rows {
		if r.value == setForThisRun {
			static[r.name] = map[string]string{"LIST": "x", "INT": "1", "SHORT": "1"}[r.typ]
		}
	}
	b := NewBroker(1, static).With(map[string]string{"min.insync.replicas": "1"}, nil)
	var entries []Entry
	for _, e := range DescribeBroker(b, nil) {
		if serverTable.Get(e.Name) == nil {
			entries = append(entries, e)
		}
	}
	compare(t, rows, entries)
}

func compare(t *testing.T, rows []row, entries []Entry) {
	t.Helper()
	byName := map[string]Entry{}
	for _, e := range entries {
		byName[e.Name] = e
	}
	if len(rows) != len(entries) {
		t.Errorf("%d settings, Kafka has %d", len(entries), len(rows))
	}
	for _, want := range rows {
		e, ok := byName[want.name]
		if !ok {
			t.Errorf("%s is missing", want.name)
			continue
		}
		got := asRow(e)
		if want.value == setForThisRun {
			got.value, want.value = "", ""
		}
		if d := lookupBroker(want.name); differs[want.name] != "" || (d != nil && refusedAnyway(d)) {
			got.readOnly, want.readOnly = "", ""
			got.value, want.value = "", ""
			got.synonyms, want.synonyms = "", ""
		}
		if got != want {
			t.Errorf("\ngot  %+v\nwant %+v", got, want)
		}
	}
}

func asRow(e Entry) row {
	r := row{name: e.Name, typ: e.Type.String(), value: "(null)", source: e.Source.String(), readOnly: "false", sensitive: "false"}
	if e.Value != nil {
		r.value = *e.Value
	}
	if e.ReadOnly {
		r.readOnly = "true"
	}
	if e.Sensitive {
		r.sensitive = "true"
	}
	var synonyms []string
	for _, s := range e.Synonyms {
		synonyms = append(synonyms, s.Name+":"+s.Source.String())
	}
	r.synonyms = strings.Join(synonyms, ",")
	return r
}

// TestDefinitions: every definition is whole, and its default passes its own rules.
func TestDefinitions(t *testing.T) {
	for _, table := range []*Table{Topics(), Brokers(), Groups(), Server()} {
		for _, d := range table.All() {
			if len(d.Doc) < 20 || !strings.HasSuffix(d.Doc, ".") {
				t.Errorf("%s: documentation %q", d.Name, d.Doc)
			}
			if d.Default != nil {
				if c, err := d.Canonical(*d.Default); err != nil || c != *d.Default {
					t.Errorf("%s: default %q: %q, %v", d.Name, *d.Default, c, err)
				}
			}
			for _, s := range d.Synonyms {
				if lookupBroker(s.Name) == nil {
					t.Errorf("%s: unknown synonym %s", d.Name, s.Name)
				}
			}
		}
	}
	if faults := CheckTogether(NewBroker(1, nil)); len(faults) > 0 {
		t.Error(faults)
	}
}
